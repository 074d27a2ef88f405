"""What a change of a recording adds to the metrics: time that ran away, repairs, coverage, and what was never heard."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from samples import recording

from metrics import REGISTRY
from service.lifecycle.observations import Entry, NoticeReceived, TaskSeen
from service.operations.recordings.counting import count_change, find_repairs
from service.recording import Attempt, AttemptState, EndReason, Notice, Recording, State
from service.report import Coverage, Interval, Level, ReportSummary, Verdict

HOUR = 3600
SEEN = TaskSeen(8, None, True, ())


def value(name: str) -> float:
    found = REGISTRY.get_sample_value(name)
    assert found is not None, name
    return found


def added(name: str, counting: Callable[[], None]) -> float:
    before = value(name)
    counting()
    return round(value(name) - before, 3)


def attempt(number: int = 1, **changes: object) -> Attempt:
    made = Attempt(number, "test-1", number, "rec/1/", planned_at=1000.0 * number, started_at=1000.0 * number + 10)
    return replace(made, **{"state": AttemptState.RUNNING, "sid": "s1", **changes})


def running(**changes: object) -> Recording:
    return replace(recording(), **{"state": State.RECORDING, "attempts": (attempt(),), **changes})


def ended(before: Recording, at: float) -> Recording:
    first = replace(before.attempts[0], ended_at=at, state=AttemptState.ENDED)
    return replace(before, attempts=(first, *before.attempts[1:]), state=State.UPLOADING, ended_at=at)


@pytest.mark.parametrize(
    ("wishes", "ran_on"),
    [
        ({"stop_wished_at": 1500.0}, 500.0),
        ({"stop_at": 1900.0, "stop_wished_at": 1950.0}, 100.0),
        ({"stop_wished_at": 1000.0}, 990.0),  # from its start: before that nothing ran
        ({"ended_at": 1200.0, "stop_wished_at": 1500.0}, 800.0),  # believed over, and alive
        ({"attempts": (attempt(), attempt(2, planned_at=1700.0))}, 300.0),
        ({}, 0.0),
    ],
)
def test_what_a_task_ran_beyond_its_wanted_end_ran_away(wishes: dict[str, object], ran_on: float) -> None:
    before = running(**wishes)
    counted = added("pagereel_overrun_seconds_total", lambda: count_change(before, ended(before, 2000.0), SEEN, 2000.0))
    assert counted == ran_on


def test_beyond_the_hour_limit_a_task_runs_away_too() -> None:
    before = running()
    after = ended(before, 1010 + before.parameters.max_recording_hour * HOUR + 7)
    assert added("pagereel_overrun_seconds_total", lambda: count_change(before, after, SEEN, 0)) == 7


def test_the_time_of_a_task_that_was_believed_over_and_lives_counts_once() -> None:
    before = running(stop_wished_at=1200.0)
    over = ended(before, 1500.0)
    alive = replace(over, attempts=(replace(over.attempts[0], ended_at=None, counted_until=1500.0),))

    def recorded() -> float:
        return REGISTRY.get_sample_value("pagereel_recorded_seconds_total", {"resolution": "hd"}) or 0

    was = recorded()
    count_change(before, over, SEEN, 1500.0)
    count_change(over, alive, SEEN, 1600.0)
    runaway = added("pagereel_overrun_seconds_total", lambda: count_change(alive, ended(alive, 1800.0), SEEN, 1800.0))
    assert round(recorded() - was, 3) == 790
    assert runaway == 300


@pytest.mark.parametrize(
    ("kind", "detail", "stop_sent_at", "repairs"),
    [
        ("attempt_ended", {"attempt": 1, "proof": "404"}, None, ["end_unannounced"]),
        ("attempt_ended", {"attempt": 1, "proof": "query"}, None, ["end_unannounced"]),
        ("attempt_ended", {"attempt": 1, "proof": "query"}, 1900.0, []),  # nobody needs to tell us of our own stop
        ("attempt_ended", {"attempt": 1, "proof": "web_recorder_stopped"}, None, []),
        ("sid_found", {"attempt": 1}, None, ["start_unanswered"]),
        ("stop_ignored", {}, 1900.0, ["stop_ignored"]),
        ("recorder_alive", {"attempt": 1}, None, ["recorder_alive"]),
        ("judged", {}, None, []),
    ],
)
def test_what_looking_put_right_is_a_repair(
    kind: str, detail: dict[str, str | int | float | bool | None], stop_sent_at: float | None, repairs: list[str]
) -> None:
    after = running(attempts=(attempt(stop_sent_at=stop_sent_at),))
    assert list(find_repairs(after, after, [Entry(kind, detail)])) == repairs


def test_files_that_came_late_are_a_repair() -> None:
    late = running(state=State.INCOMPLETE)
    assert list(find_repairs(late, replace(late, state=State.VERIFIED), [])) == ["files_late"]
    assert list(find_repairs(late, replace(late, state=State.DEFECTIVE), [])) == []


def test_the_coverage_counts_once_when_a_recording_is_concluded() -> None:
    coverage = Coverage(Interval(0, 100), 100, 99, 0, 1, 1, 5, 0.99)
    report = ReportSummary(1, Verdict.VERIFIED, Level.LISTING, 0, 0, (), 0, coverage)
    before = running(state=State.VERIFYING, latest_report=report)
    verified = replace(before, state=State.VERIFIED)
    assert added("pagereel_recording_coverage_ratio_sum", lambda: count_change(before, verified, SEEN, 0)) == 0.99
    assert added("pagereel_recording_coverage_ratio_count", lambda: count_change(verified, verified, SEEN, 0)) == 0


@pytest.mark.parametrize(
    ("last", "number", "skipped", "overtaken"),
    [(3, 4, 0, 0), (3, 7, 3, 0), (7, 5, 0, 1), (3, 3, 0, 0), (None, 5, 0, 0)],
)
def test_numbers_that_are_jumped_over_may_be_lost_and_those_that_come_late_are_not(
    last: int | None, number: int, skipped: int, overtaken: int
) -> None:
    before = running(attempts=(attempt(last_sequence=last),))
    notice = Notice("n", 33, None, None, "test-1", "1", "s1", number, 2)
    for name, amount in (("notification_sequence_gaps", skipped), ("notifications_out_of_order", overtaken)):
        counted = added(f"pagereel_{name}_total", lambda: count_change(before, before, NoticeReceived(notice), 0))
        assert counted == amount


def counted_as(before: Recording, after: Recording) -> dict[str, float]:
    """What a change adds to the counter of ends, by reason."""
    name = "pagereel_recordings_ended_total"
    had = {reason: REGISTRY.get_sample_value(name, {"reason": reason}) or 0 for reason in EndReason}
    count_change(before, after, SEEN, 2000.0)
    new = {reason.value: (REGISTRY.get_sample_value(name, {"reason": reason}) or 0) - had[reason] for reason in had}
    return {reason: count for reason, count in new.items() if count}


def test_an_end_by_stop_at_is_counted_when_it_is_known_what_was_waited_for() -> None:
    before = running(end_reason=EndReason.STOP_AT)
    over = ended(before, 1900.0)
    assert counted_as(before, over) == {}
    failed = replace(over, state=State.FAILED, end_reason=EndReason.CAPACITY)
    assert counted_as(over, failed) == {"capacity": 1}
    assert counted_as(over, replace(over, state=State.VERIFIED)) == {"stop_at": 1}


def test_an_end_by_stop_at_of_what_recorded_is_counted_at_once() -> None:
    before = running(end_reason=EndReason.STOP_AT, attempts=(attempt(recording_at=1020.0),))
    assert counted_as(before, ended(before, 1900.0)) == {"stop_at": 1}
    assert counted_as(ended(before, 1900.0), replace(ended(before, 1900.0), state=State.VERIFIED)) == {}
