"""The time account, against a second that is counted a tick at a time."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from media_corpus import BEGIN, recording

from service.media.expectation import expectation
from service.media.spans import measure, merge, overlap, subtract
from service.media.timeline import Slice, build_timeline
from service.recording import EndReason
from service.report import Interval, MissingClass

EXPECTED = replace(expectation(recording()), wanted=Interval(0.0, 1000.0), pauses=())

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (float(pair[0]), float(pair[1]))))


def ticks(some: list[tuple[float, float]]) -> set[int]:
    return {tick for begin, end in some for tick in range(int(begin), int(end))}


@given(spans, spans)
def test_interval_arithmetic_agrees_with_counting_ticks(
    some: list[tuple[float, float]], others: list[tuple[float, float]]
) -> None:
    a, b = merge(some), merge(others)
    assert ticks(a) == ticks(some)
    assert ticks(overlap(a, b)) == ticks(some) & ticks(others)
    assert ticks(subtract(a, b)) == ticks(some) - ticks(others)
    assert measure(a) == len(ticks(some))


@given(
    st.lists(st.tuples(st.integers(-50, 1050), st.integers(1, 40)), max_size=40),
    st.lists(st.tuples(st.integers(-50, 1050), st.integers(1, 200)), max_size=4),
)
def test_covered_missing_and_paused_make_up_the_window(
    slices: list[tuple[int, int]], pauses: list[tuple[int, int]]
) -> None:
    expected = replace(EXPECTED, pauses=tuple(Interval(float(a), float(a + n)) for a, n in pauses))
    timeline = build_timeline((Slice(float(a), float(a + n), "first", 0) for a, n in slices), expected)
    account = timeline.coverage
    window = set(range(1000))
    paused = window & ticks([(float(a), float(a + n)) for a, n in pauses])
    covered = (window - paused) & ticks([(float(a), float(a + n)) for a, n in slices])
    assert account.paused_seconds == len(paused)
    assert account.expected_seconds == 1000 - len(paused)
    assert account.covered_seconds == len(covered)
    # What neither media nor a pause covers is missing, but for the slack beside pauses and at the edges.
    slack = sum(2 * 5 for _ in pauses) + 10
    assert 0 <= account.expected_seconds - account.covered_seconds - account.missing_seconds <= slack


def kinds(*slices: Slice, **changes: object) -> list[tuple[MissingClass, float, bool]]:
    expected = replace(EXPECTED, **changes)  # type: ignore[arg-type]
    return [(one.kind, one.seconds, one.explained) for one in build_timeline(slices, expected).missing]


def test_a_hole_is_classed_by_who_recorded_on_either_side() -> None:
    whole = (
        Slice(0, 100, "first", 0),
        Slice(120, 300, "first", 0),
        Slice(340, 600, "first", 1),
        Slice(700, 1000, "second", 0),
    )
    assert kinds(*whole) == [
        (MissingClass.GAP, 20, False),
        (MissingClass.FAILOVER, 40, True),
        (MissingClass.RESTART, 100, False),
    ]


def test_edges_within_the_difference_of_clocks_are_not_missing() -> None:
    assert kinds(Slice(4, 996, "first", 0)) == []
    assert kinds(Slice(6, 994, "first", 0)) == [(MissingClass.LATE_START, 6, False), (MissingClass.GAP, 6, False)]


def test_the_end_of_a_task_that_ended_by_itself_has_its_own_class() -> None:
    assert kinds(Slice(0, 500, "first", 0), ended_by_itself=True) == [(MissingClass.ENDED_EARLY, 500, False)]


def test_a_hole_within_a_widened_pause_is_not_missing() -> None:
    slices = (Slice(0, 96, "first", 0), Slice(204, 1000, "first", 0))
    assert kinds(*slices, pauses=(Interval(100, 200),)) == []
    assert kinds(*slices, pauses=(Interval(110, 200),)) == [(MissingClass.GAP, 9, False)]


def test_without_media_all_of_the_window_is_missing() -> None:
    assert kinds() == [(MissingClass.LATE_START, 1000, False)]
    assert kinds(ended_by_itself=True) == [(MissingClass.ENDED_EARLY, 1000, False)]


def test_holes_too_small_to_be_missing_count_once_they_drift() -> None:
    slices = [Slice(i * 10.2, i * 10.2 + 10, "first", 0) for i in range(99)]
    timeline = build_timeline(slices, EXPECTED)
    assert timeline.missing == ()
    assert 17 < timeline.drift_seconds < 19
    assert timeline.coverage.unexplained_seconds == timeline.drift_seconds


def test_the_end_of_the_window_is_the_earliest_of_its_reasons() -> None:
    assert expectation(recording(stop_at=BEGIN + 100)).wanted.to_at == BEGIN + 100
    assert expectation(recording(stop_wished_at=BEGIN + 90, stop_at=BEGIN + 100)).wanted.to_at == BEGIN + 90
    paused = recording(stop_wished_at=None, end_reason=EndReason.PAUSED_TOO_LONG, ended_at=BEGIN + 80)
    assert expectation(paused).wanted.to_at == BEGIN + 80
    assert expectation(recording()).wanted.from_at == BEGIN + 25


def test_a_stop_within_the_start_allowance_leaves_nothing_wanted() -> None:
    wanted = expectation(recording(seconds=10)).wanted
    assert wanted.from_at == wanted.to_at == BEGIN + 10
