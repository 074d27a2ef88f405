"""Faults that tests and demos inject."""
