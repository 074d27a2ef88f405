"""Callers: tokens, console sessions, usage and its months."""
