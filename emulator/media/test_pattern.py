"""The synthetic page: a moving picture whose clock can be read from its pixels, and a tone. Pure numpy.

Draws frames and generates audio. It does not encode, wait or read the time.

The clock consists of `CELLS` cells along the top edge, each `width // CELLS` wide and `height // 12` high. The most
significant bit is first; white is 1 and black is 0. Together they are a number of milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 48
_WHITE, _BLACK, _GREY = 235, 16, 128
_TONES = (440.0, 660.0)
_WEIGHTS = 1 << np.arange(CELLS - 1, -1, -1, dtype=np.int64)

Plane = NDArray[np.uint8]
Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
    """The appearance of the page. `brightness` replaces the picture (16 black, 235 white), and `silent` removes the
    tone."""

    brightness: int | None = None
    silent: bool = False


class Picture:
    """Draws frames of one size as planar YUV 4:2:0 in one array of height * 3/2 rows."""

    def __init__(self, width: int, height: int, brightness: int | None = None) -> None:
        self._width, self._height = width, height
        self._brightness = brightness
        ramp = np.linspace(60, 180, width, dtype=np.uint8)
        self._still = np.full((height * 3 // 2, width), _GREY, np.uint8)
        self._still[:height] = ramp
        self._cell = width // CELLS, height // 12
        self._side = height // 6

    def draw(self, milliseconds: int, frame: int) -> Plane:
        """Draw one frame. The clock shows `milliseconds`, and the block's position depends on `frame`."""
        plane = self._still.copy()
        if self._brightness is not None:
            plane[: self._height] = self._brightness
            return plane
        wide, high = self._cell
        bits = (milliseconds & _WEIGHTS) != 0
        plane[:high, : wide * CELLS] = np.repeat(np.where(bits, _WHITE, _BLACK).astype(np.uint8), wide)
        left = frame * 4 % (self._width - self._side)
        top = high + frame * 2 % (self._height - high - self._side)
        plane[top : top + self._side, left : left + self._side] = _WHITE
        return plane


def read_clock(luma: Plane) -> int:
    """Return the milliseconds that the luma plane of a decoded frame shows."""
    height, width = luma.shape
    wide = width // CELLS
    centres = np.arange(CELLS) * wide + wide // 2
    return int((_WEIGHTS * (luma[height // 24, centres] > _GREY)).sum())


def tone(first: int, count: int, channels: int, rate: int, loudness: float = 0.2) -> Sound:
    """Return `count` samples from sample number `first`. Each channel has its own pitch. `loudness` 1 is full scale."""
    when = (np.arange(first, first + count, dtype=np.float64)) / rate
    rows = [np.sin(2 * np.pi * pitch * when) * loudness for pitch in _TONES[:channels]]
    return np.ascontiguousarray(np.stack(rows).astype(np.float32))
