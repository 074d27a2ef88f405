"""Judges what lies in a bucket: names, playlists, time, verdict.

For: turning listings and bytes into findings. Pure: bytes and numbers come in, reports go out; nothing here opens a
file, a socket or a clock, and nothing raises because of what a recorder or a stranger wrote.
"""
