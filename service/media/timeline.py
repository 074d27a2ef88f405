"""The time account: slices of all recorders on one line, against the window that somebody wanted recorded.

Instants in slice names are Agora's clock; the window is ours. They agree only to some seconds, so an edge of the window
is compared to ±5 s, while holes between slices, which are Agora's clock alone, are measured to 250 ms.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.media.expectation import Expectation
from service.report import Coverage, Interval, Missing, MissingClass

Span = tuple[float, float]

CLOCK_SLACK_SECONDS = 5.0
JOINED_SECONDS = 0.25
DRIFT_SECONDS_PER_HOUR = 1.0
NOTABLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Slice:
    """Media that lies in the bucket. `sid` and `run` tell who recorded it."""

    starts_at: float
    ends_at: float
    sid: str
    run: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """`covered` and `paused` are stretches of the window, `doubled` those that two slices hold; `drift_seconds` is what
    many holes too small to be missing add up to beyond a second an hour, and is part of the unexplained time."""

    coverage: Coverage
    missing: tuple[Missing, ...]
    covered: tuple[Interval, ...]
    paused: tuple[Interval, ...]
    doubled: tuple[Interval, ...]
    drift_seconds: float


@dataclass(frozen=True, slots=True)
class _Hole:
    from_at: float
    to_at: float
    kind: MissingClass


def build_timeline(slices: Iterable[Slice], expected: Expectation) -> Timeline:
    """Account for the wanted window. Time outside it is neither missing nor counted; linear but for one sort."""
    begin, end = expected.wanted.from_at, expected.wanted.to_at
    assert end is not None
    window = [(begin, end)] if end > begin else []
    ordered = sorted(slices, key=lambda one: (one.starts_at, one.ends_at))
    covered, holes, doubled, joined = _sweep(ordered, begin, end)
    pauses = merge((one.from_at, end if one.to_at is None else one.to_at) for one in expected.pauses)
    paused = overlap(window, pauses)
    wanted = subtract(window, paused)
    slack = expected.policy.pause_slack_seconds
    unpaused = subtract(window, merge((a - slack, b + slack) for a, b in pauses))
    holes = [*_edges(covered, begin, end, ended_by_itself=expected.ended_by_itself), *holes]
    missing = _classify(holes, unpaused, expected.policy.failover_hole_seconds)
    drift = max(0.0, joined - DRIFT_SECONDS_PER_HOUR * max(1.0, (end - begin) / 3600))
    expected_seconds, covered_seconds = measure(wanted), measure(overlap(covered, wanted))
    coverage = Coverage(
        window=expected.wanted,
        expected_seconds=_round(expected_seconds),
        covered_seconds=_round(covered_seconds),
        paused_seconds=_round(measure(paused)),
        missing_seconds=_round(sum(one.seconds for one in missing) + drift),
        unexplained_seconds=_round(sum(one.seconds for one in missing if not one.explained) + drift),
        allowed_seconds=_round(expected.allowed_seconds(expected_seconds)),
        share=min(1.0, round(covered_seconds / expected_seconds, 6)) if expected_seconds else 1.0,
    )
    held, held_back, twice = (_intervals(overlap(spans, window)) for spans in (covered, paused, merge(doubled)))
    return Timeline(coverage, tuple(missing), held, held_back, twice, _round(drift))


def _sweep(slices: Sequence[Slice], begin: float, end: float) -> tuple[list[Span], list[_Hole], list[Span], float]:
    covered: list[Span] = []
    holes: list[_Hole] = []
    doubled: list[Span] = []
    joined = 0.0
    latest: Slice | None = None
    for one in slices:
        if latest is None:
            covered.append((one.starts_at, one.ends_at))
            latest = one
            continue
        hole = one.starts_at - latest.ends_at
        if hole <= JOINED_SECONDS:
            joined += max(0.0, hole) if begin <= one.starts_at <= end else 0.0
            covered[-1] = (covered[-1][0], max(covered[-1][1], one.ends_at))
            if hole < -NOTABLE_SECONDS:
                doubled.append((one.starts_at, min(latest.ends_at, one.ends_at)))
        else:
            holes.append(_Hole(latest.ends_at, one.starts_at, _kind(latest, one)))
            covered.append((one.starts_at, one.ends_at))
        if one.ends_at >= latest.ends_at:
            latest = one
    return covered, holes, doubled, joined


def _kind(before: Slice, after: Slice) -> MissingClass:
    if before.sid != after.sid:
        return MissingClass.RESTART
    return MissingClass.GAP if before.run == after.run else MissingClass.FAILOVER


def _edges(covered: list[Span], begin: float, end: float, *, ended_by_itself: bool) -> list[_Hole]:
    last = MissingClass.ENDED_EARLY if ended_by_itself else MissingClass.GAP
    if not covered:
        return [_Hole(begin, end, last if ended_by_itself else MissingClass.LATE_START)] if end > begin else []
    edges = []
    if covered[0][0] - begin > CLOCK_SLACK_SECONDS:
        edges.append(_Hole(begin, covered[0][0], MissingClass.LATE_START))
    if end - covered[-1][1] > CLOCK_SLACK_SECONDS:
        edges.append(_Hole(covered[-1][1], end, last))
    return edges


def _classify(holes: list[_Hole], unpaused: list[Span], failover_seconds: float) -> list[Missing]:
    missing: list[Missing] = []
    failovers = 0
    for hole in sorted(holes, key=lambda one: one.from_at):
        pieces = overlap([(hole.from_at, hole.to_at)], unpaused)
        explained = False
        if hole.kind is MissingClass.FAILOVER and pieces:
            failovers += 1
            explained = failovers == 1 and measure(pieces) <= failover_seconds
        missing += [Missing(hole.kind, a, b, explained) for a, b in pieces]
    return missing


def merge(spans: Iterable[Span]) -> list[Span]:
    """The union of `spans`, ordered and disjoint. Empty and reversed ones vanish."""
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
    """What lies in both. Each argument is ordered and disjoint."""
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
    """What of `some` lies outside `cuts`. Each argument is ordered and disjoint."""
    bounds = [float("-inf"), *(at for cut in cuts for at in cut), float("inf")]
    return overlap(some, list(zip(bounds[::2], bounds[1::2], strict=True)))


def measure(spans: Iterable[Span]) -> float:
    """The summed length."""
    return sum(end - begin for begin, end in spans)


def _intervals(spans: Iterable[Span]) -> tuple[Interval, ...]:
    return tuple(Interval(begin, end) for begin, end in spans)


def _round(seconds: float) -> float:
    return round(seconds, 3)
