"""Compares sounds as heard, independent of their coding."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 8_000
# The largest and the least length of the one sound that is compared.
MOST_SECONDS, LEAST_SECONDS = 1.0, 0.3
# Quieter sound is silence (its power; full scale is 1).
_SILENCE = 1e-6

Wave = NDArray[np.float64]


def wave(frames: Iterable[av.AudioFrame]) -> Wave:
    """Return the sound of consecutive frames as one channel of `RATE` samples a second. Damaged frames may have other
    forms than those around them."""
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
    """Return the best correlation of a second of `one` at any place of `other`: 1 if it is contained, about 0 for
    another sound. None: too short, or silent."""
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
    # The last digits of products depend on the memory addresses of the sounds.
    return round(float(np.max(np.abs(products) / np.sqrt(np.maximum(power, _SILENCE * size) * (wanted @ wanted)))), 6)
