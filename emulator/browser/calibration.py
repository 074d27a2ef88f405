"""The delay of audio relative to pictures, measured with a page that flashes and beeps at the same time.

It measures one number before a page is opened, and does not shift any media itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from emulator.browser.pictures import Pictures
from emulator.browser.sound import Ear
from emulator.media.encoder import RATE
from emulator.media.test_pattern import Sound
from emulator.process.clock import Clock

PATCH = 32
_FPS = 60
# The first beep coincides with the start of the audio stream and is 50 to 100 ms later than the others.
_LEFT_OUT, _PAIRS = 1, 4
_LONGEST_SECONDS = 6.0
_FARTHEST_SECONDS = 0.14
_BRIGHT, _LOUD = 128, 0.1
_QUIET_SECONDS = 0.1


def measure(pictures: Pictures, ear: Ear, clock: Clock) -> float | None:
    """Return the seconds from a flash to its beep on the calibration page. Return None after too few pairs. Blocks."""
    beeps = _Beeps()
    flashes: list[float] = []
    began, bright = clock.now(), True
    ear.listener = beeps.hear
    try:
        for picture in pictures.frames(_FPS):
            was, bright = bright, int(picture.frame.to_ndarray()[0, 0]) > _BRIGHT
            if bright and not was:
                flashes.append(picture.seen_at)
            skew = skew_of(flashes, beeps.began)
            if skew is not None:
                return skew
            if clock.now() - began > _LONGEST_SECONDS:
                return None
        return None
    finally:
        ear.listener = None


def skew_of(flashes: Sequence[float], beeps: Sequence[float]) -> float | None:
    """Return the median distance in seconds of each beep from its flash, or None if there are too few pairs."""
    later = beeps[_LEFT_OUT:]
    nearest = [min((beep - flash for flash in flashes), key=abs, default=_FARTHEST_SECONDS) for beep in later]
    skews = [skew for skew in nearest if abs(skew) < _FARTHEST_SECONDS]
    return statistics.median(skews) if len(skews) >= _PAIRS else None


class _Beeps:
    """The times at which audio began after silence. Another thread calls `hear`."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self._last = float("-inf")

    def hear(self, instant: float, block: Sound) -> None:
        loud = np.flatnonzero(np.abs(block[0]) > _LOUD)
        if not loud.size:
            return
        first = instant + int(loud[0]) / RATE
        if first - self._last > _QUIET_SECONDS:
            self.began.append(first)
        self._last = instant + int(loud[-1]) / RATE
