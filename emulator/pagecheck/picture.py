"""Tells whether a screenshot shows anything. Pure; it must not talk to the browser."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np

# Colours that differ by no more in any channel are one.
_SAME = 8
# So few other pixels are no content: a caret, or the corner of something.
_FEWEST = 50


@dataclass(frozen=True, slots=True)
class Drawn:
    """The commonest colour of a picture, as `#rrggbb`, and how many pixels of all differ from it."""

    colour: str
    other: int
    pixels: int

    @property
    def share(self) -> float:
        """The share of the picture that differs."""
        return self.other / self.pixels

    @property
    def empty(self) -> bool:
        """Whether the picture is of one colour."""
        return self.other < _FEWEST


def measure(png: bytes) -> Drawn:
    """What is drawn in a screenshot."""
    with av.open(io.BytesIO(png), "r") as container:
        picture = next(container.decode(container.streams.video[0])).to_ndarray(format="rgb24")
    rows = picture.reshape(-1, 3).astype(np.int32)
    packed = (rows[:, 0] << 16) | (rows[:, 1] << 8) | rows[:, 2]
    values, counts = np.unique(packed, return_counts=True)
    commonest = int(values[counts.argmax()])
    channels = np.array([commonest >> 16, commonest >> 8 & 255, commonest & 255])
    other = int((np.abs(rows - channels).max(axis=1) > _SAME).sum())
    return Drawn(f"#{commonest:06x}", other, len(rows))
