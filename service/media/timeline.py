"""Accounts for time: the slices of all recorders on one line, compared with the requested window.

The times in slice names are by Agora's clock, and the window is by ours. The clocks agree only to within some seconds,
so an edge of the window is compared to ±5 s. Holes between slices are by Agora's clock alone and are measured to 250
ms.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from service.media.expectation import Expectation
from service.media.spans import Span, measure, merge, overlap, subtract
from service.report import Coverage, Interval, Missing, MissingClass

CLOCK_SLACK_SECONDS = 5.0
JOINED_SECONDS = 0.25
DRIFT_SECONDS_PER_HOUR = 1.0
NOTABLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Slice:
    """Media in the bucket. `sid` and `run` identify its recorder. `lost` are the stretches of it (as timestamps) that
    no player can play."""

    starts_at: float
    ends_at: float
    sid: str
    run: int
    lost: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """The time account. `covered` and `paused` are stretches of the window. `doubled` are the stretches contained in
    two slices. `drift_seconds` is the sum of the holes that are too small to count as missing, beyond one second per
    hour. It is part of the unexplained time."""

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


def build_timeline(slices: Iterable[Slice], expected: Expectation, unnamed: Sequence[float] = ()) -> Timeline:
    """Account for the requested window. Time outside the window is neither missing nor counted. The running time is
    linear except for one sort.

    `unnamed` contains the start times of slices in the bucket that no playlist names. A hole that contains such a time
    is not a failover, because media was recorded in it.
    """
    ordered = sorted(slices, key=lambda one: (one.starts_at, one.ends_at))
    begin, end = expected.wanted.from_at, expected.wanted.to_at
    assert end is not None
    if expected.open_ended:
        end = max([end, *(one.ends_at for one in ordered)])
    window = [(begin, end)] if end > begin else []
    held, holes, doubled, joined = _sweep(ordered, begin, end)
    holes = [_recorded(hole, sorted(unnamed)) for hole in holes] if unnamed else holes
    damaged = _damaged(ordered) if any(one.lost for one in ordered) else []
    covered = subtract(held, damaged) if damaged else held
    pauses = merge((one.from_at, end if one.to_at is None else one.to_at) for one in expected.pauses)
    paused = overlap(window, pauses)
    wanted = subtract(window, paused)
    slack = expected.policy.pause_slack_seconds
    unpaused = subtract(window, merge((a - slack, b + slack) for a, b in pauses))
    holes = [*_edges(held, begin, end, ended_by_itself=expected.ended_by_itself), *holes]
    holes += [_Hole(a, b, MissingClass.DAMAGED) for a, b in damaged]
    missing = _classify(holes, unpaused, expected.policy.failover_hole_seconds)
    drift = max(0.0, joined - DRIFT_SECONDS_PER_HOUR * max(1.0, (end - begin) / 3600))
    expected_seconds, covered_seconds = measure(wanted), measure(overlap(covered, wanted))
    coverage = Coverage(
        window=Interval(begin, end),
        expected_seconds=_round(expected_seconds),
        covered_seconds=_round(covered_seconds),
        paused_seconds=_round(measure(paused)),
        missing_seconds=_round(sum(one.seconds for one in missing) + drift),
        unexplained_seconds=_round(sum(one.seconds for one in missing if not one.explained) + drift),
        allowed_seconds=_round(expected.allowed_seconds(expected_seconds)),
        share=min(1.0, round(covered_seconds / expected_seconds, 6)) if expected_seconds else None,
    )
    shown, held_back, twice = (_intervals(overlap(spans, window)) for spans in (covered, paused, merge(doubled)))
    return Timeline(coverage, tuple(missing), shown, held_back, twice, _round(drift))


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


def _damaged(slices: Sequence[Slice]) -> list[Span]:
    """Return the stretches that no recorder contains undamaged."""
    lost: list[Span] = []
    playable: list[Span] = []
    for recorder in {(one.sid, one.run): None for one in slices}:
        own = [one for one in slices if (one.sid, one.run) == recorder]
        held = merge((one.starts_at, one.ends_at) for one in own)
        gone = overlap(held, merge(span for one in own for span in one.lost))
        lost += gone
        playable += subtract(held, gone)
    return subtract(merge(lost), merge(playable))


def _recorded(hole: "_Hole", unnamed: Sequence[float]) -> "_Hole":
    place = bisect_left(unnamed, hole.from_at - JOINED_SECONDS)
    inside = place < len(unnamed) and unnamed[place] < hole.to_at
    return replace(hole, kind=MissingClass.GAP) if inside and hole.kind is MissingClass.FAILOVER else hole


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


def _intervals(spans: Iterable[Span]) -> tuple[Interval, ...]:
    return tuple(Interval(begin, end) for begin, end in spans)


def _round(seconds: float) -> float:
    return round(seconds, 3)
