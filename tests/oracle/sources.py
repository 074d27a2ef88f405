"""Pictures and sounds that never repeat: any two instants differ strongly, everywhere in the picture.

A player that shows another instant, a concealed stretch or nothing can thus always be seen to do so. Every picture is
three parts pattern made here and one part of a moving source of FFmpeg's (see `bases`). Seeded, so that two takes of
one form differ in every picture while their encoder settings are the same.
"""

from collections.abc import Iterator

import numpy as np

_PERIODS = np.array((5, 7, 11, 13))
_HIGHEST_HZ = 1500


def tiles(width: int, height: int, count: int, seed: int) -> Iterator[bytes]:
    """`count` gray pictures of 16 x 9 tiles. Each tile steps through levels far apart, with a period of its own, so the
    picture as a whole first repeats after 5,005 pictures."""
    dice = np.random.default_rng(seed)
    period = _PERIODS[dice.integers(0, 4, (9, 16))]
    step = np.where(period > 5, period // 2 - dice.integers(0, 2, (9, 16)), 2)
    phase = dice.integers(0, 13, (9, 16))
    rows, columns = np.arange(height) * 9 // height, np.arange(width) * 16 // width
    for number in range(count):
        levels = 30 + 190 * ((number * step + phase) % period) // (period - 1)
        yield levels.astype(np.uint8)[rows][:, columns].tobytes()


def scroll(width: int, height: int, count: int, seed: int) -> Iterator[bytes]:
    """`count` gray pictures of a page of random cells that scrolls by half a cell a picture: coded with motion vectors,
    so that damage is carried on to the next key picture as in a real page."""
    dice = np.random.default_rng(seed)
    cell = max(8, width // 20)
    levels = dice.integers(0, 2, (61, 67)) * 150 + dice.integers(20, 80, (61, 67))
    page = np.kron(levels, np.ones((cell, cell), int)).astype(np.uint8)
    rows, columns = np.arange(height), np.arange(width)
    across, down = cell // 2 + 3, cell // 2 - 1
    for number in range(count):
        top, left = number * down % page.shape[0], number * across % page.shape[1]
        yield page[(rows + top) % page.shape[0]][:, (columns + left) % page.shape[1]].tobytes()


def sound(rate: int, seconds: float, seed: int) -> bytes:
    """Mono samples (s16) of a sweep in seeded noise, all below 1.5 kHz: one sample more or less hardly changes a window
    of 20 ms, another window always does."""
    dice = np.random.default_rng(seed)
    count = round(rate * seconds)
    spectrum = np.fft.rfft(dice.standard_normal(count))
    spectrum[np.fft.rfftfreq(count, 1 / rate) > _HIGHEST_HZ] = 0
    noise = np.fft.irfft(spectrum, count)
    at = np.arange(count) / rate
    hz = 300 + 500 * (1 - np.cos(2 * np.pi * at / 7.3))
    sweep = np.sin(2 * np.pi * np.cumsum(hz) / rate)
    mixed = 0.16 * noise / noise.std() + 0.08 * sweep
    samples: bytes = (np.clip(mixed, -1, 1) * 32767).astype("<i2").tobytes()
    return samples
