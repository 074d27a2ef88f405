"""Benchmarks: commands that measure against a ceiling in the same run and quote ratios. Never tests."""
