"""Engines: what opens a page and gives its media; the synthetic page; RTMP pushes."""
