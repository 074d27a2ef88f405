"""A wanted stop is sent again until Agora obeys it, and what is under way does not hold it up."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from lifecycle_agora import NO_WORKER, Answer
from lifecycle_driver import NOW, Driver, make

from service.explain import explain
from service.lifecycle import apply, next_step, overtaken_at
from service.lifecycle.observations import (
    Acquire,
    Call,
    CallFailed,
    Failure,
    Look,
    Looked,
    NoticeReceived,
    Observation,
    Query,
    Start,
    Started,
    Step,
    StepTaken,
    Stop,
    Stopped,
    StopRequested,
    TaskMissing,
    TaskSeen,
    UpdateOnhold,
    Verify,
    Wait,
)
from service.recording import Attempt, AttemptState, EndReason, Notice, Recording, State

ASKED = 60.0
SID = "a" * 32


def silent(event_type: int, number: int) -> list[float]:
    return []


def stopped_after(driver: Driver) -> float:
    """Seconds from the caller's stop to the one that Agora obeyed."""
    driver.request(ASKED, StopRequested())
    driver.run()
    driver.check_over()
    at = driver.task.stop_at
    assert at is not None, driver.story()
    return at - NOW - ASKED


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("answer", [NO_WORKER, Answer(206, 65), Answer(504, 62)], ids=["404", "206-65", "504-62"])
def test_a_stop_that_is_not_carried_out_is_sent_again_soon(answer: Answer, times: int) -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["stop"] = [answer] * times
    assert stopped_after(driver) < 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_stop_that_is_accepted_and_ignored_is_sent_again_soon(times: int) -> None:
    driver = Driver(deliver=silent)
    driver.agora.ignores_stop = times
    assert stopped_after(driver) < 5


def stopping(**attempt: object) -> Recording:
    """A recording that is to be stopped, whose task runs and can be addressed."""
    known = {
        "state": AttemptState.RUNNING, "resource_id": "r1", "resource_ids": ("r1",), "sid": SID, "sends": 1,
        "start_sent_at": NOW, "start_resent_at": NOW, "started_at": NOW, "acquired_at": NOW,
    }  # fmt: skip
    one = Attempt(number=1, cname="c", uid=7, prefix="pr/x/a1/", planned_at=NOW)
    recording = replace(make(), state=State.RECORDING, attempts=(replace(one, **{**known, **attempt}),))  # type: ignore[arg-type]
    return apply(recording, StopRequested(), NOW + 20).recording


def told(recording: Recording, *observations: Observation, at: float) -> Recording:
    for observation in observations:
        recording = apply(recording, observation, at).recording
    return recording


def notice(event_type: int, sent_at: float) -> NoticeReceived:
    return NoticeReceived(Notice("n", event_type, sent_at, sent_at, "c", "7", SID, None, 6))


STOP = Stop(EndReason.STOPPED)


@pytest.mark.parametrize(
    "sign", [TaskSeen(5), TaskSeen(2), notice(33, NOW + 21.1), notice(70, NOW + 21.1)], ids=["5", "2", "33", "70"]
)
def test_a_stop_that_was_not_found_is_due_at_once_when_something_shows_the_task(sign: Observation) -> None:
    recording = told(stopping(), *[StepTaken(STOP, 1)] * 9, TaskMissing(Call.STOP), at=NOW + 21)
    assert next_step(recording, NOW + 21.2) == Wait(NOW + 27), "otherwise the last wait"
    assert recording.attempts[0].stop_accepted_at is None, "not found is not accepted"
    assert next_step(told(recording, sign, at=NOW + 21.2), NOW + 21.2) == STOP


def test_a_notice_sent_before_the_stop_shows_nothing() -> None:
    recording = told(stopping(), StepTaken(STOP, 1), TaskMissing(Call.STOP), notice(33, NOW + 20.9), at=NOW + 21)
    assert isinstance(next_step(recording, NOW + 21.1), Wait)


@pytest.mark.parametrize("deliver", [silent, lambda event_type, number: [0.3]], ids=["no notices", "notices"])
@pytest.mark.parametrize("seconds", [60, 300, 900])
def test_a_recorder_that_agora_does_not_find_but_that_writes_is_never_held_to_be_over(
    seconds: float, deliver: Callable[[int, int], list[float]]
) -> None:
    driver = Driver(deliver=deliver)
    driver.at(ASKED - 1, lambda: setattr(driver.task, "hidden", (NOW + ASKED, NOW + ASKED + seconds)))
    over_while_it_ran: list[State] = []

    def watch() -> None:
        if driver.task.live and driver.recording.state not in (State.RECORDING, State.STOPPING):
            over_while_it_ran.append(driver.recording.state)

    for second in range(round(ASKED), round(ASKED + seconds + 10)):
        driver.at(second, watch)
    assert stopped_after(driver) < seconds + 7, driver.story()
    assert not over_while_it_ran
    assert driver.recording.state is State.VERIFIED


def not_found() -> Recording:
    return told(stopping(), StepTaken(STOP, 1), TaskMissing(Call.STOP), at=NOW + 21)


def test_a_slice_that_begins_after_the_404_has_the_stop_sent_again_at_once_and_the_end_doubted_anew() -> None:
    missed = told(not_found(), *[StepTaken(STOP, 1)] * 9, TaskMissing(Call.STOP), at=NOW + 40)
    assert next_step(missed, NOW + 40) == Look(), "the bucket is looked at for such slices"
    late = told(missed, Looked(1, 10, "k", NOW + 40, began_at=NOW + 20), at=NOW + 40)
    assert next_step(late, NOW + 41) == Wait(NOW + 46), "it arrived late for a moment before the stop"
    assert late.attempts[0].missing_since_at == NOW + 21
    alive = told(missed, Looked(1, 10, "k", NOW + 44, began_at=NOW + 27), at=NOW + 44)
    assert next_step(alive, NOW + 44) == STOP
    again = told(alive, StepTaken(STOP, 1), TaskMissing(Call.STOP), at=NOW + 45)
    assert again.attention is not None
    assert again.attention.detail.startswith("Agora does not find the task, which still ran after the stop")
    assert "Pagereel tries again at 2023-11-14 22:14:11 UTC." in explain(again, []).summary
    assert told(again, TaskMissing(Call.STOP), at=NOW + 142).state is State.STOPPING
    assert told(again, TaskMissing(Call.STOP), at=NOW + 166).state is State.UPLOADING


@pytest.mark.parametrize(("event_type", "sent_at"), [(33, 40.0), (70, 40.0)])
def test_a_notice_that_is_younger_than_the_404_has_the_end_doubted_longer(event_type: int, sent_at: float) -> None:
    doubted = told(not_found(), notice(event_type, NOW + sent_at), at=NOW + 41)
    assert next_step(doubted, NOW + 41) == STOP
    assert told(doubted, TaskMissing(Call.STOP), at=NOW + 142).state is State.STOPPING
    older = told(not_found(), notice(event_type, NOW + 20.5), at=NOW + 41)
    assert told(older, TaskMissing(Call.STOP), at=NOW + 142).state is State.UPLOADING


def test_a_stop_that_is_being_carried_out_is_not_repeated() -> None:
    recording = told(stopping(), StepTaken(STOP, 1), Stopped(), at=NOW + 21)
    assert next_step(recording, NOW + 21.8) == STOP
    recording = told(recording, StepTaken(STOP, 1), Stopped(already=True), at=NOW + 21.8)
    assert next_step(recording, NOW + 30) == Wait(NOW + 36.8)
    assert isinstance(next_step(told(recording, notice(33, NOW + 24), at=NOW + 24), NOW + 24), Wait), "its uploads"


UNDER_WAY: list[Step] = [Query(), Look(), Verify(), UpdateOnhold(True), Acquire(new=False), Start(1)]


@pytest.mark.parametrize("under_way", UNDER_WAY, ids=lambda step: type(step).__name__)
def test_a_stop_that_is_due_overtakes_every_other_step(under_way: Step) -> None:
    at = overtaken_at(stopping(), under_way, NOW + 20)
    assert at is not None
    assert at <= NOW + 20


def test_a_stop_does_not_overtake_itself() -> None:
    assert overtaken_at(stopping(), STOP, NOW + 20) is None


@pytest.mark.parametrize("under_way", UNDER_WAY, ids=lambda step: type(step).__name__)
def test_nothing_is_overtaken_while_no_stop_is_wanted(under_way: Step) -> None:
    running = replace(stopping(), state=State.RECORDING, stop_wished_at=None, end_reason=None)
    at = overtaken_at(running, under_way, NOW + 20)
    assert at is not None
    assert at >= NOW + 3600, "the hour limit"


def hanging() -> Recording:
    """To be stopped while nobody knows whether its start took effect."""
    return stopping(state=AttemptState.START_SENT, sid=None, started_at=None)


def test_a_look_for_the_task_goes_beside_a_start_that_hangs_and_no_second_start_does() -> None:
    recording = hanging()
    assert overtaken_at(recording, Start(1), NOW + 20) == NOW + 15
    assert next_step(recording, NOW + 20) == Look()
    looked = told(recording, Looked(0, 0, "", None), at=NOW + 20)
    assert next_step(looked, NOW + 20) == Wait(NOW + 22)
    assert next_step(told(looked, Looked(0, 0, "", None), at=NOW + 26), NOW + 26) == Start(1)


@pytest.mark.parametrize("sid", [SID, None])
def test_a_start_that_is_answered_after_the_stop_is_applied_and_what_it_made_is_stopped(sid: str | None) -> None:
    recording = told(hanging(), Started(sid, attempt=1), at=NOW + 21)
    assert recording.state is State.STOPPING
    assert next_step(recording, NOW + 23) == (STOP if sid else Look())


def test_a_start_that_failed_after_the_stop_is_repeated_with_the_same_uid() -> None:
    failed = CallFailed(Start(1), Failure.UNKNOWN, "transport")
    recording = told(hanging(), failed, at=NOW + 21)
    assert next_step(recording, NOW + 25) == Look()
    assert next_step(told(recording, Looked(0, 0, "", None), at=NOW + 25), NOW + 26) == Start(1)
    assert [one.uid for one in recording.attempts] == [7]


def test_a_stop_that_is_refused_stays_in_sight_when_queries_fail_too() -> None:
    """Where credentials are wrong both fail by turns; the one that bills is what needs somebody."""
    recording = stopping()
    for step in (STOP, Query(), STOP):
        recording = told(recording, CallFailed(step, Failure.REFUSED, "unauthorized"), at=NOW + 21)
        assert recording.attention is not None
        assert (recording.attention.code, recording.attention.detail) == ("stop_refused", "stop: unauthorized")
