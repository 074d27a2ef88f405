"""Callers: tokens, console sessions, and monthly usage."""
