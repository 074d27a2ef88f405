"""Estimates the bit rate of each slice from its size and duration, to choose the slices to open first.

A picture of one colour needs about 30 kbit/s, and a page with content needs ten times that. A low rate is a hint and
never a finding, because an encoder may pad to a constant rate.
"""

from collections.abc import Sequence
from statistics import median

from service.media.pieces import Piece, by_run

LOW_BITS_PER_SECOND = 60_000
LOW_SHARE = 0.1
KEPT_PER_HOUR = 4

_HOUR = 3600.0


def outliers(pieces: Sequence[Piece]) -> list[int]:
    """Return the indexes of the slices with the lowest bit rates of each run, at most four per hour."""
    found: list[int] = []
    for begin, end in by_run(pieces):
        run = range(begin, end)
        rates = [pieces[index].bits_per_second for index in run]
        limit = max(LOW_BITS_PER_SECOND, LOW_SHARE * median(rates))
        low = sorted((rate, index) for rate, index in zip(rates, run, strict=True) if 0 < rate < limit)
        hours = sum(pieces[index].seconds for index in run) / _HOUR
        found += [index for _, index in low[: max(1, round(hours * KEPT_PER_HOUR))]]
    return found
