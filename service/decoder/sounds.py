"""Compares sounds as a listener hears them, whatever their coding."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 8_000
# Compared are so much of the one sound at most, and no less than this.
MOST_SECONDS, LEAST_SECONDS = 1.0, 0.3
# What is quieter is silence (its power; full scale is 1).
_SILENCE = 1e-6

Wave = NDArray[np.float64]


def wave(frames: Iterable[av.AudioFrame]) -> Wave:
    """The sound of frames that follow one another, as one channel of `RATE` samples a second. Damaged frames may have
    other forms than those around them."""
    made: list[NDArray[Any]] = []
    for _, alike in groupby(frames, key=_form):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for frame in alike:
            frame.pts = None
            made += [one.to_ndarray().ravel() for one in resampler.resample(frame)]
        made += [one.to_ndarray().ravel() for one in resampler.resample(None)]
    return np.concatenate(made).astype(np.float64) if made else np.zeros(0)


def _form(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def likeness(one: Wave, other: Wave) -> float | None:
    """How well a second of `one` is found anywhere in `other`: 1 where it is there, about 0 where another sound is.
    None: there is too little, or silence."""
    wanted = one[: round(MOST_SECONDS * RATE)]
    size = len(wanted)
    if size < LEAST_SECONDS * RATE or len(other) < size or float(wanted @ wanted) < _SILENCE * size:
        return None
    length = 1 << (len(other) + size - 1).bit_length()
    spectrum = np.fft.rfft(other, length) * np.conj(np.fft.rfft(wanted, length))
    products = np.fft.irfft(spectrum, length)[: len(other) - size + 1]
    powers = np.concatenate([[0.0], np.cumsum(other * other)])
    power = powers[size:] - powers[:-size]
    if float(power.max()) < _SILENCE * size:
        return None
    # The last digits of products depend on where in memory the sounds lie.
    return round(float(np.max(np.abs(products) / np.sqrt(np.maximum(power, _SILENCE * size) * (wanted @ wanted)))), 6)
