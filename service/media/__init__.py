"""Verification rules for listings and bytes: names, playlists, time, verdict.

The package is pure. It opens no file, socket or clock, and no input from a recorder or a third party raises an
exception.
"""
