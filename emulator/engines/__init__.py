"""Engines: they open pages and provide their media. Also the synthetic page and RTMP pushes."""
