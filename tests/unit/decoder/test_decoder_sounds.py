"""Sounds are compared as they are heard, whatever form their frames have."""

from collections.abc import Iterator

import av
import numpy as np
import pytest

from service.decoder.sounds import RATE, likeness, wave


def tone(rate: int, layout: str, seconds: float = 1.0) -> Iterator[av.AudioFrame]:
    """A rising tone in frames of 1,024 samples."""
    at = np.arange(round(rate * seconds)) / rate
    heard = (0.3 * np.sin(2 * np.pi * (300 + 400 * at) * at)).astype(np.float32)
    channels = {"mono": 1, "stereo": 2}[layout]
    for begin in range(0, len(heard) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(np.tile(heard[begin : begin + 1024], (channels, 1)), "fltp", layout)
        frame.sample_rate = rate
        yield frame


@pytest.mark.parametrize(("rate", "layout"), [(48_000, "stereo"), (44_100, "mono"), (24_000, "stereo")])
def test_frames_of_another_form_among_others_are_heard(rate: int, layout: str) -> None:
    alone = wave(tone(48_000, "mono"))
    mixed = wave([*tone(48_000, "mono"), *tone(rate, layout), *tone(48_000, "mono")])
    assert len(mixed) == pytest.approx(3 * RATE, rel=0.05)
    assert likeness(alone, mixed) == pytest.approx(1, abs=0.02)
    assert likeness(alone, mixed[RATE - RATE // 20 : 2 * RATE + RATE // 20]) == pytest.approx(1, abs=0.05)


def test_no_frames_are_no_sound() -> None:
    assert len(wave([])) == 0
