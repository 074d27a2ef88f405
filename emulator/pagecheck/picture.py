"""The content of a screenshot, that is, whether it shows anything. Pure; it does not use the browser."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np

# Colours that differ by at most this in every channel count as equal.
_SAME = 8
# Fewer differing pixels, for example a caret or a corner, are not content.
_FEWEST = 50


@dataclass(frozen=True, slots=True)
class Drawn:
    """The most common colour of a picture, as `#rrggbb`, and the number of pixels that differ from it."""

    colour: str
    other: int
    pixels: int

    @property
    def share(self) -> float:
        """Return the share of the picture that differs."""
        return self.other / self.pixels

    @property
    def empty(self) -> bool:
        """Return True if the picture has one colour."""
        return self.other < _FEWEST


def measure(png: bytes) -> Drawn:
    """Return the content of a screenshot."""
    with av.open(io.BytesIO(png), "r") as container:
        picture = next(container.decode(container.streams.video[0])).to_ndarray(format="rgb24")
    rows = picture.reshape(-1, 3).astype(np.int32)
    packed = (rows[:, 0] << 16) | (rows[:, 1] << 8) | rows[:, 2]
    values, counts = np.unique(packed, return_counts=True)
    commonest = int(values[counts.argmax()])
    channels = np.array([commonest >> 16, commonest >> 8 & 255, commonest & 255])
    other = int((np.abs(rows - channels).max(axis=1) > _SAME).sum())
    return Drawn(f"#{commonest:06x}", other, len(rows))
