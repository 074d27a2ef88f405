"""Selects the slices to open. The selection is deterministic and pure. The report contains the seed, so that the
selection can be repeated."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from service.media.bitrate import outliers
from service.media.pieces import Piece, by_run, joined
from service.media.ts.slices import SliceFacts

STRATUM_SECONDS = 120.0
LEAST_STRATA = 24


def edges(pieces: Sequence[Piece]) -> list[int]:
    """Return the slices at both sides of every interruption, including the ends of each run."""
    found: set[int] = set()
    for begin, end in by_run(pieces):
        found |= {begin, end - 1}
        for index in range(begin + 1, end):
            if not joined(pieces[index - 1], pieces[index]):
                found |= {index - 1, index}
    return sorted(found)


def choose_samples(pieces: Sequence[Piece], seed: int, most: int) -> list[int]:
    """Return the slices to decode: one every two minutes, then both sides of every interruption, and the lowest bit
    rates, at most `most`. Damage of two and a half minutes or more always affects one of the slices taken every two
    minutes."""
    usable = [index for index, piece in enumerate(pieces) if piece.size_bytes]
    first = [index for index in (*edges(pieces), *outliers(pieces)) if pieces[index].size_bytes]
    chosen = list(dict.fromkeys((*strata(pieces, usable, seed), *first)))
    return chosen[:most]


def strata(pieces: Sequence[Piece], usable: Sequence[int], seed: int) -> list[int]:
    """Return one slice for every two minutes of media, and at least twenty-four slices. The seed shifts the start of
    the intervals."""
    step = min(STRATUM_SECONDS, sum(pieces[index].seconds for index in usable) / LEAST_STRATA)
    found: list[int] = []
    due = (seed % 997) / 997 * step
    passed = 0.0
    for index in usable:
        passed += pieces[index].seconds
        if passed > due:
            found.append(index)
            due += max(1, math.ceil((passed - due) / step)) * step
    return found


def near_keys(chosen: Sequence[int], pieces: Sequence[Piece], facts: Mapping[int, SliceFacts]) -> list[int]:
    """Return the chosen slices. A slice that does not begin with a key picture is replaced by a nearby slice that
    does."""

    def keyed(index: int, other: int) -> bool:
        same = pieces[other].run == pieces[index].run and pieces[other].size_bytes > 0
        return same and other in facts and facts[other].key

    found: dict[int, None] = {}
    for index in chosen:
        near = sorted(range(max(0, index - 3), min(len(pieces), index + 4)), key=lambda other: abs(other - index))
        found[next((other for other in near if keyed(index, other)), index)] = None
    return list(found)


def inheriting(pieces: Sequence[Piece], facts: Mapping[int, SliceFacts]) -> list[list[int]]:
    """Return the runs of slices whose pictures depend on changed parameter sets. These slices contain no parameter
    sets, and the last slice of their run with parameter sets contains other sets than the slices before it."""
    rows: list[list[int]] = []
    run, sets, changed = -1, "", False
    for index in sorted(facts):
        one = facts[index]
        if pieces[index].run != run:
            run, sets, changed = pieces[index].run, "", False
        if one.sets:
            if sets not in ("", one.sets):
                changed = True
                rows.append([])
            sets = one.sets
        elif changed and one.has_video:
            rows[-1].append(index)
    return [row for row in rows if row]


def neighbours(pieces: Sequence[Piece], index: int) -> list[int]:
    """Return the two slices before this slice and the two after it, if they belong to the same run."""
    near = (index - 1, index + 1, index - 2, index + 2)
    return [
        other
        for other in near
        if 0 <= other < len(pieces) and pieces[other].run == pieces[index].run and pieces[other].size_bytes
    ]


def stretches(bad: Mapping[int, bool]) -> list[tuple[int, int]]:
    """Return (first, last) of each run of bad samples with no good one between them."""
    found: list[tuple[int, int]] = []
    open_ = False
    for index in sorted(bad):
        if bad[index]:
            found = [*found[:-1], (found[-1][0], index)] if open_ else [*found, (index, index)]
        open_ = bad[index]
    return found


def to_bisect(bad: Mapping[int, bool]) -> list[int]:
    """Return the slices to decode next to find the bounds of bad stretches. Each is halfway to the next good sample."""
    order = sorted(bad)
    return [(one + other) // 2 for one, other in pairwise(order) if bad[one] != bad[other] and other - one > 1]
