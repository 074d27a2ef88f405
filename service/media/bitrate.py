"""The bit rate of each slice, from sizes and durations alone: it costs nothing, and shows where to look first.

One colour needs some 30 kbit/s, a page with anything on it ten times that. It is a hint and never
a finding: an encoder that pads to a constant rate would make it say nothing.
"""

from collections.abc import Sequence
from statistics import median

from service.media.pieces import Piece, by_run

LOW_BITS_PER_SECOND = 60_000
LOW_SHARE = 0.1
KEPT_PER_HOUR = 4

_HOUR = 3600.0


def outliers(pieces: Sequence[Piece]) -> list[int]:
    """The slices of the lowest bit rates of each run, at most four an hour."""
    found: list[int] = []
    for begin, end in by_run(pieces):
        run = range(begin, end)
        rates = [pieces[index].bits_per_second for index in run]
        limit = max(LOW_BITS_PER_SECOND, LOW_SHARE * median(rates))
        low = sorted((rate, index) for rate, index in zip(rates, run, strict=True) if 0 < rate < limit)
        hours = sum(pieces[index].seconds for index in run) / _HOUR
        found += [index for _, index in low[: max(1, round(hours * KEPT_PER_HOUR))]]
    return found
