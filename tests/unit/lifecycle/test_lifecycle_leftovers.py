"""A recorder that was believed over and is not: it is found, and stopped, and nothing new is started beside it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from lifecycle_agora import Answer
from lifecycle_driver import NOW, Driver, make

from service.errors import ServiceError
from service.explain import explain
from service.lifecycle import apply, next_step
from service.lifecycle.observations import (
    Call,
    CallFailed,
    Failure,
    Judged,
    NoticeReceived,
    Query,
    Start,
    Stop,
    StopRequested,
    TaskMissing,
    TaskSeen,
    VerifyRequested,
    Wait,
)
from service.operations.recordings.counting import count_change
from service.operations.recordings.writing import ledger_rows
from service.policy import Policy
from service.recording import AttemptState, EndReason, Notice, Recording, State
from service.report import FileKind, JudgedFile, Level, Report, Verdict
from tests.database.samples import attempt, recording

HOUR = 3600
RESTART = Policy(restart=True, start_within_seconds=900)
AWAY_SECONDS = 400


def silent(event_type: int, number: int) -> list[float]:
    return []


def only_started(event_type: int, number: int) -> list[float]:
    return [0.3] if event_type == 70 else []


def away(driver: Driver, seconds: float = AWAY_SECONDS) -> None:
    """Agora's failover lasts longer than a 404 is doubted: a second recorder is started, and the first comes back."""
    driver.at(110, lambda: driver.agora.fail_over(driver.agora.tasks[0], seconds))


def starts(driver: Driver) -> list[float]:
    return [at - NOW for at, step in driver.steps if isinstance(step, Start)]


@pytest.mark.parametrize(
    ("deliver", "within_seconds"), [(only_started, 15), (silent, 520)], ids=["its notice", "asked again, unheard"]
)
def test_a_recorder_that_comes_back_beside_its_successor_is_stopped(
    deliver: Callable[[int, int], list[float]], within_seconds: float
) -> None:
    driver = Driver(make(policy=RESTART), deliver=deliver)
    away(driver)
    driver.request(1200, StopRequested())
    recording = driver.run()
    first, second = driver.agora.tasks
    assert first.ended_at is not None
    assert first.ended_at <= NOW + 110 + AWAY_SECONDS + within_seconds
    assert second.ended_at is not None
    assert second.ended_at >= NOW + 1200, "its successor goes on"
    assert "recorder_alive_after_end" in recording.warnings
    assert next(step.leftover for _, step in driver.steps if isinstance(step, Stop)) == 1
    assert recording.end_reason is EndReason.STOPPED
    assert recording.state is State.VERIFIED
    assert not any(task.live for task in driver.agora.tasks)
    assert next_step(recording, driver.clock.now) == Wait(None)


def test_nothing_is_started_while_an_older_recorder_is_alive() -> None:
    driver = Driver(make(policy=RESTART), deliver=only_started)
    away(driver)
    driver.at(120, lambda: driver.agora.faults["acquire"].extend([Answer(400, 406)] * 30))
    driver.at(110 + AWAY_SECONDS, lambda: driver.agora.faults["stop"].extend([Answer(500, 62)] * 6))
    recording = driver.run()
    first = driver.agora.tasks[0]
    assert first.ended_at is not None
    assert len(driver.agora.tasks) == 2, "and afterwards it goes on with a new one"
    assert driver.agora.tasks[1].started_at > first.ended_at
    assert driver.agora.most_alive == 1
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_stopped_while_only_an_older_recorder_is_alive_it_ends_with_that_one() -> None:
    driver = Driver(make(policy=RESTART), deliver=only_started)
    away(driver)
    driver.at(120, lambda: driver.agora.faults["acquire"].extend([Answer(400, 406)] * 60))
    driver.at(110 + AWAY_SECONDS, lambda: driver.agora.faults["stop"].extend([Answer(500, 62)] * 4))
    driver.request(110 + AWAY_SECONDS + 2, StopRequested())
    recording = driver.run()
    assert driver.first(State.STOPPING) < driver.first(State.UPLOADING)
    assert len(driver.agora.tasks) == 1
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_an_older_recorder_of_a_terminal_recording_that_proves_alive_is_stopped() -> None:
    driver = Driver(make(policy=RESTART), deliver=only_started)
    driver.agora.complete = lambda: True  # type: ignore[method-assign]
    away(driver, 2 * HOUR - 600)
    driver.agora.page_dies = [(3 * HOUR, 0)]
    driver.recording = make(policy=RESTART)
    driver.request(700, StopRequested())
    recording = driver.run()
    first = driver.agora.tasks[0]
    assert driver.first(State.VERIFIED) < 2 * HOUR - 600
    assert recording.state is State.VERIFIED
    assert first.ended_at is not None
    assert not any(task.live for task in driver.agora.tasks)


def test_an_end_by_404_alone_is_asked_after_three_times_and_then_no_more() -> None:
    driver = Driver(deliver=silent)
    driver.agora.page_dies = [(300, 6)]
    driver.run()
    over = driver.first(State.UPLOADING)
    asked = [at - NOW - over for at, call in driver.agora.calls if call == "query" and at - NOW > over + 1]
    ended_at = (driver.recording.attempts[0].ended_at or 0) - NOW - over
    assert asked == pytest.approx([ended_at + wait for wait in Policy().recheck_seconds], abs=1)


@pytest.mark.parametrize("state", [State.UPLOADING, State.VERIFIED])
def test_what_a_task_says_after_its_end_by_404_alone_has_agora_asked_at_once(state: State) -> None:
    """Its uploads go on after a true end, so it is asked and not believed; the later questions stay as they were."""
    ended_at = 1000.0
    tried = attempt(1, "test-1", 7, state=AttemptState.ENDED, sid="sid-1", started_at=900.0, ended_at=ended_at)
    tried = replace(tried, resource_id="r", ended_proof="404", next_query_at=ended_at + 180)
    over = replace(recording(), state=state, attempts=(tried,), policy=Policy(), next_look_at=5000.0)

    def told(sent_at: float, now: float, event_type: int = 33) -> Recording:
        notice = Notice("n", event_type, sent_at, sent_at, "test-1", "7", "sid-1", None, 6)
        return apply(over, NoticeReceived(notice), now).recording

    assert next_step(told(990.0, 1010.0), 1010.0) == Wait(ended_at + 180), "it was sent before"
    assert next_step(told(1005.0, 1010.0, 2), 1010.0) == Wait(ended_at + 180), "it says nothing of the task"
    asked = told(1005.0, 1010.0)
    assert next_step(asked, 1010.0) == Query(1)
    still = apply(asked, TaskMissing(Call.QUERY, leftover=1), 1011.0).recording
    assert next_step(still, 1011.0) == Wait(ended_at + 180)
    alive = apply(asked, TaskSeen(5, leftover=1), 1011.0).recording
    assert isinstance(next_step(alive, 1011.0), Stop)


def _ended_by_404(state: State, **changes: Any) -> Recording:
    tried = attempt(1, "test-1", 7, state=AttemptState.ENDED, sid="sid-1", started_at=900.0, ended_at=1000.0, hours=1)
    tried = replace(tried, resource_id="r", ended_proof="404", start_sent_at=900.0, next_query_at=1180.0)
    known = replace(recording(), state=state, attempts=(tried,), policy=Policy(), next_look_at=5000.0, ended_at=1000.0)
    return replace(known, **{"end_reason": EndReason.STOP_AT, "stop_at": 1001.0, **changes})


@pytest.mark.parametrize("state", [State.UPLOADING, State.INCOMPLETE, State.VERIFIED, State.FAILED])
@pytest.mark.parametrize("wished_at", [None, 990.0])
def test_a_stop_after_an_end_by_404_alone_has_agora_asked_at_once(state: State, wished_at: float | None) -> None:
    over = _ended_by_404(state, stop_wished_at=wished_at)
    change = apply(over, StopRequested(), 1010.0)
    asked = change.recording
    assert change.history[0].kind == "stop_requested"
    assert (asked.state, asked.stop_wished_at) == (state, wished_at)
    assert asked.attention is not None
    assert asked.attention.code == "ending_unconfirmed"
    assert next_step(asked, 1010.0) == Query(1)
    still = apply(asked, TaskMissing(Call.QUERY, leftover=1), 1011.0).recording
    assert (still.attention, still.state) == (None, state)
    assert next_step(still, 1011.0) == Wait(1180.0)
    alive = apply(asked, TaskSeen(5, leftover=1), 1011.0).recording
    assert isinstance(next_step(alive, 1011.0), Stop)
    refused = CallFailed(Query(1), Failure.REFUSED, "resource_expired")
    assert apply(asked, refused, 1011.0).recording.attention is None


@pytest.mark.parametrize(
    ("changes", "now"),
    [({"ended_proof": "query"}, 1010.0), ({"sid": None}, 1010.0), ({}, 900.0 + HOUR + 121)],
    ids=["Agora said it", "it cannot be asked", "its hours are over"],
)
def test_a_stop_is_refused_where_nothing_can_run(changes: dict[str, Any], now: float) -> None:
    over = _ended_by_404(State.INCOMPLETE)
    over = replace(over, attempts=(replace(over.attempts[0], **changes),))
    with pytest.raises(ServiceError) as refused:
        apply(over, StopRequested(), now)
    assert refused.value.detail == "nothing_runs"


def _saw(over: Recording, began_at: float, sid: str = "sid-1", now: float = 1100.0) -> Recording:
    """After a look at a bucket whose newest slice begins then."""
    slices = (JudgedFile(f"{over.attempts[0].prefix}{sid}_x.ts", FileKind.SLICE, starts_at=began_at, listed=True),)
    return apply(over, Judged(Report(Verdict.INCOMPLETE, Level.LISTING, now, files=slices)), now).recording


@pytest.mark.parametrize("state", [State.VERIFYING, State.INCOMPLETE, State.VERIFIED])
def test_a_slice_that_begins_after_an_end_by_404_alone_shows_that_the_recorder_lives(state: State) -> None:
    over = _ended_by_404(state)
    alive = _saw(over, 1031.0)
    assert isinstance(next_step(alive, 1100.0), Stop)
    assert (alive.attention and alive.attention.code) == "recorder_alive"
    assert next_step(_saw(over, 1002.0), 1100.0) == Query(1), "two clocks may differ so much: Agora is asked"
    for nothing in (_saw(over, 999.0), _saw(over, 1031.0, sid="other"), _saw(over, 1031.0, now=900.0 + HOUR + 121)):
        assert nothing.attempts[0].state is AttemptState.ENDED
        assert nothing.attempts[0].next_query_at == 1180.0


def test_after_a_notice_well_after_an_end_by_404_alone_agora_is_asked_again_soon() -> None:
    over = _ended_by_404(State.UPLOADING)
    notice = Notice("n", 33, 1035.0, 1035.0, "test-1", "7", "sid-1", None, 6)
    asked = apply(over, NoticeReceived(notice), 1036.0).recording
    still = apply(asked, TaskMissing(Call.QUERY, leftover=1), 1037.0).recording
    assert next_step(still, 1037.0) == Wait(1052.0)
    told = "Agora does not find its recorder, and nothing else shows that it has ended."
    assert explain(still, []).summary.endswith(f"{told} Pagereel asks Agora again at 1970-01-01 00:17:32 UTC.")
    later = apply(still, TaskMissing(Call.QUERY, leftover=1), 1160.0).recording
    assert next_step(later, 1160.0) == Wait(1180.0)


def _told_71(over: Recording, sent_at: float, now: float) -> Recording:
    notice = Notice("n", 71, sent_at, sent_at, "test-1", "7", "sid-1", None, 6, {"code": 6})
    return apply(over, NoticeReceived(notice), now).recording


@pytest.mark.parametrize("state", [State.UPLOADING, State.VERIFIED])
def test_event_71_corrects_an_end_by_404_that_was_too_early(state: State) -> None:
    over = _ended_by_404(state)
    later = _told_71(over, 1090.0, 1100.0)
    assert (later.ended_at, later.attempts[0].ended_at, later.state) == (1090.0, 1090.0, state)
    assert next_step(later, 1100.0) == Query(1), "another recorder may have taken over"
    assert _told_71(over, 990.0, 1100.0).attempts[0].ended_at == 1000.0, "that of a recorder before a failover"
    assert _told_71(later, 1050.0, 1110.0).attempts[0].ended_at == 1090.0
    paused = replace(over, end_reason=EndReason.PAUSED_TOO_LONG)
    assert _told_71(paused, 1090.0, 1100.0).ended_at == 1000.0, "it ended the wanted window"
    certain = replace(over, attempts=(replace(over.attempts[0], ended_proof="query"),))
    assert _told_71(certain, 1090.0, 1100.0).ended_at == 1000.0
    (line,) = ledger_rows(later)
    assert line.ended_at == 1090.0
    with patch("service.operations.recordings.counting.meter") as meter:
        count_change(over, later, VerifyRequested(), 1100.0)
    meter.task_ended.assert_called_once_with(90.0, 1280 * 720)
    meter.ran_on.assert_called_once_with(90.0)
    assert "ran on for 1 min 30 s. Agora bills that time." in explain(later, []).summary
    for barely in (over, _told_71(over, 1004.0, 1100.0)):
        assert "ran on" not in explain(barely, []).summary


def test_an_end_is_never_before_the_proof_that_it_recorded() -> None:
    tried = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", started_at=900.0, missing_since_at=1000.0)
    tried = replace(tried, recording_at=1004.0)
    seen = replace(recording(), state=State.RECORDING, attempts=(tried,), policy=Policy())
    over = apply(seen, TaskMissing(Call.QUERY), 1000.0 + Policy().failover_window_seconds).recording
    assert (over.state, over.ended_at, over.attempts[0].ended_at) == (State.UPLOADING, 1004.0, 1004.0)


def test_an_end_by_404_that_is_believed_after_a_long_absence_is_asked_after_once() -> None:
    late = 1000.0 + 2 * HOUR
    tried = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", started_at=900.0, recording_at=905.0)
    seen = replace(recording(), state=State.RECORDING, attempts=(replace(tried, missing_since_at=1000.0),))
    over = apply(replace(seen, policy=Policy()), TaskMissing(Call.QUERY), late).recording
    assert over.attempts[0].ended_proof == "404"
    assert over.attempts[0].next_query_at == late + Policy().recheck_seconds[0]
    again = apply(over, TaskMissing(Call.QUERY, leftover=1), late + 200).recording
    assert again.attempts[0].next_query_at is None


def test_an_end_that_a_notice_told_is_not_asked_after() -> None:
    driver = Driver()
    driver.agora.page_dies = [(300, 6)]
    driver.run()
    assert max(at for at, call in driver.agora.calls if call == "query") < NOW + 310


def test_asking_after_an_end_goes_on_where_agora_does_not_answer() -> None:
    driver = Driver(make(policy=RESTART), deliver=silent)
    away(driver)
    driver.agora.outages = [(NOW + 600, NOW + 900)]
    driver.run()
    first = driver.agora.tasks[0]
    assert first.ended_at is not None
    assert first.ended_at < NOW + 900 + 120 + 30


# --- a start that was refused when it was repeated ---------------------------------------------------------------


def test_a_start_refused_when_it_was_repeated_fails_as_soon_as_the_bucket_says_that_nothing_came_of_it() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = ["lost", *[Answer(400, 2)] * 9]
    recording = driver.run()
    assert (recording.state, recording.end_reason) == (State.FAILED, EndReason.REFUSED)
    assert driver.first(State.FAILED) < 160
    assert len(starts(driver)) == 2, "and is not sent again"
    driver.check_over()


def test_a_start_refused_when_it_was_repeated_that_took_effect_is_found_and_stopped() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = ["answer_lost", *[Answer(400, 2)] * 9]
    recording = driver.run()
    assert driver.task.ended_at is not None
    assert driver.task.ended_at < driver.task.started_at + 60
    assert recording.end_reason is EndReason.REFUSED
    driver.check_over()


def test_while_the_bucket_cannot_be_listed_a_refused_repetition_decides_nothing() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = ["lost", *[Answer(400, 2)] * 9]
    driver.agora.bucket_down = [(NOW, NOW + 1000)]
    driver.run()
    assert driver.first(State.FAILED) > 1000
    driver.check_over()


# --- ends before anything was seen -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [3, 4, 5])
def test_what_lies_in_the_bucket_counts_though_agora_says_that_the_page_never_loaded(code: int) -> None:
    driver = Driver(
        make(policy=Policy(start_within_seconds=900)), deliver=lambda event_type, _: [0.3] if event_type == 71 else []
    )
    driver.agora.page_dies = [(200, code)]
    driver.agora.faults["query"] = [Answer(500, 500)] * 15
    recording = driver.run()
    assert recording.attempts[0].recording_at is None
    assert recording.state is State.VERIFIED
