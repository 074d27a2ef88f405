"""Operations on stretches of time: union, overlap, difference and length."""

from collections.abc import Iterable, Sequence

Span = tuple[float, float]


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return the union of `spans`, ordered and disjoint, without empty and reversed ones."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if end <= begin:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def overlap(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the overlap of both. Each argument is ordered and disjoint."""
    found: list[Span] = []
    i = j = 0
    while i < len(some) and j < len(others):
        begin, end = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if end > begin:
            found.append((begin, end))
        if some[i][1] <= others[j][1]:
            i += 1
        else:
            j += 1
    return found


def subtract(some: Sequence[Span], cuts: Sequence[Span]) -> list[Span]:
    """Return the parts of `some` outside `cuts`. Each argument is ordered and disjoint."""
    bounds = [float("-inf"), *(at for cut in cuts for at in cut), float("inf")]
    return overlap(some, list(zip(bounds[::2], bounds[1::2], strict=True)))


def measure(spans: Iterable[Span]) -> float:
    """Return the summed length."""
    return sum(end - begin for begin, end in spans)
