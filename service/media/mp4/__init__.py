"""Parsing and verification of MP4 files, starting at `walk_mp4`."""

from service.media.mp4.facts import PICTURE, SOUND, Edit, Mp4, Samples, Track
from service.media.mp4.walk import MAX_MOOV_BYTES, READ_BYTES, Walk, walk_mp4

__all__ = ["MAX_MOOV_BYTES", "PICTURE", "READ_BYTES", "SOUND", "Edit", "Mp4", "Samples", "Track", "Walk", "walk_mp4"]
