"""Decoding in a child process: slices, and the pictures of a report."""
