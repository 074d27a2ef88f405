"""Evaluation of decoded pictures: blank, black, frozen, and the error pages of Chromium."""
