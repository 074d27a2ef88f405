"""The number of concurrent recordings of a size in one area (agora-reference §1.4, the table of streams). Pure.

Contains the table and its two interpretations. It does not use tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum
from typing import Literal

Area = Literal["CN", "EU", "NA", "AP"]
# The total of mixed sizes is limited by the lower size's limit (the page's examples) or by the higher one's (its text).
Reading = Literal["lower", "higher"]


class Size(IntEnum):
    """Categories of picture sizes."""

    SD = 0
    HD = 1
    FHD = 2


_LIMITS: dict[Area, tuple[int, int, int]] = {
    "CN": (100, 50, 30),
    "EU": (50, 30, 10),
    "NA": (100, 50, 30),
    "AP": (100, 100, 30),
}


def size_of(width: int, height: int) -> Size:
    """Return the category of a picture by its pixels, as in Agora's prices."""
    pixels = width * height
    return Size.SD if pixels <= 640 * 360 else Size.HD if pixels <= 1280 * 720 else Size.FHD


def has_room(area: Area, running: Iterable[Size], wanted: Size, reading: Reading) -> bool:
    """Return True if one more picture of a size may be recorded in addition to the running ones."""
    counts = Counter([*running, wanted])
    decisive = min(counts) if reading == "lower" else max(counts)
    limits = _LIMITS[area]
    return counts[wanted] <= limits[wanted] and counts.total() <= limits[decisive]
