"""Decoding in a child process: slices, and the pictures that stay with a report."""
