"""Engines, which open pages and provide their media, and also the synthetic page and RTMP pushes."""
