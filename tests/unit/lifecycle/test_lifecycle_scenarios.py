"""Whole lives of recordings against a simulated Agora, on virtual time."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from lifecycle_agora import Answer
from lifecycle_driver import NOW, Driver, make

from service.lifecycle import apply
from service.lifecycle.observations import (
    Acquire,
    CallFailed,
    Failure,
    Look,
    NoticeReceived,
    PauseRequested,
    Query,
    ResumeRequested,
    RtmpRequested,
    Start,
    Stop,
    StopAtChanged,
    StopRequested,
    UpdateOnhold,
    Verify,
    VerifyRequested,
)
from service.policy import Policy
from service.recording import Blame, EndReason, Notice, Parameters, State
from service.report import Interval, Verdict

HOUR = 3600
DAY = 86400
RESTART = Policy(restart=True)


def silent(event_type: int, number: int) -> list[float]:
    return []


@pytest.fixture(params=["notices", "silent", "silent, no wake-up"])
def world(request: pytest.FixtureRequest) -> Callable[..., Driver]:
    """The same world with all notices, with none, and with none while only due times in the row drive."""
    options = {
        "notices": {},
        "silent": {"deliver": silent},
        "silent, no wake-up": {"deliver": silent, "poll_seconds": 2.0},
    }
    return lambda *args, **kwargs: Driver(*args, **options[request.param], **kwargs)


# --- the straight way --------------------------------------------------------------------------------------------


def test_a_stopped_recording_ends_verified(world: Callable[..., Driver]) -> None:
    driver = world()
    driver.request(600, StopRequested())
    recording = driver.run()
    assert (recording.state, recording.end_reason, recording.blame) == ("verified", EndReason.STOPPED, Blame.CALLER)
    order = [state for _, state in driver.states]
    assert order == [
        State.REQUESTED,
        State.STARTING,
        State.RECORDING,
        State.STOPPING,
        State.UPLOADING,
        State.VERIFYING,
        State.VERIFIED,
    ]
    assert driver.first(State.RECORDING) < 16
    assert recording.attention is None
    driver.check_over()


def test_a_recording_that_waits_for_its_start_is_started_a_little_early(world: Callable[..., Driver]) -> None:
    driver = world(make(start_at=NOW + HOUR, stop_at=NOW + HOUR + 600))
    recording = driver.run()
    assert NOW + HOUR - 6 <= driver.task.started_at <= NOW + HOUR
    assert (recording.state, recording.end_reason) == ("verified", EndReason.STOP_AT)
    assert driver.task.ended_at is not None
    assert driver.task.ended_at <= NOW + HOUR + 604
    driver.check_over()


def test_agoras_hour_limit_ends_it_at_the_callers_doing(world: Callable[..., Driver]) -> None:
    driver = world()
    recording = driver.run()
    assert (recording.state, recording.end_reason) == ("verified", EndReason.HOUR_LIMIT)
    driver.check_over()


def test_with_a_stop_at_the_hour_limit_covers_it_plus_an_hour(world: Callable[..., Driver]) -> None:
    driver = world(make(parameters=Parameters(max_recording_hour=10), stop_at=NOW + 600))
    driver.run()
    assert driver.task.hours == 2
    driver.check_over()


def test_while_we_are_down_past_stop_at_the_bill_is_bounded() -> None:
    driver = Driver(make(parameters=Parameters(max_recording_hour=10), stop_at=NOW + 600))
    driver.at(300, lambda: driver.kill(5 * HOUR))
    recording = driver.run()
    assert driver.task.ended_at == driver.task.started_at + 2 * HOUR
    assert (recording.state, recording.end_reason) == ("verified", EndReason.STOP_AT)
    driver.check_over()


# --- windows without notices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dies_after", [61, 95, 130, 200, 301, 447])
def test_without_notices_an_end_is_attended_within_150_and_believed_within_270_seconds(dies_after: float) -> None:
    driver = Driver(deliver=silent)
    driver.agora.page_dies = [(dies_after, 6)]
    recording = driver.run()
    gone = driver.task.gone_at
    assert gone is not None
    assert driver.attended("ending_unconfirmed") <= gone - NOW + 150
    assert gone - NOW + 120 <= driver.first(State.UPLOADING) <= gone - NOW + 270
    assert recording.end_reason is EndReason.ENDED_BY_ITSELF
    driver.check_over()


def test_a_failover_is_no_end(world: Callable[..., Driver]) -> None:
    driver = world(make(policy=RESTART))
    driver.at(300, lambda: driver.agora.fail_over(driver.task, 90))
    driver.request(900, StopRequested())
    recording = driver.run()
    assert len(recording.attempts) == 1
    assert driver.first(State.STOPPING) == 900
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_a_404_that_lasts_longer_than_any_failover_is_believed_but_a_sign_of_life_before_its_end_is_too() -> None:
    driver = Driver(deliver=silent)
    driver.at(110, lambda: driver.agora.fail_over(driver.task, 125))  # the first 404 comes at about 122 s
    driver.request(600, StopRequested())
    recording = driver.run()
    assert driver.attended("ending_unconfirmed") < 150
    assert driver.first(State.STOPPING) == 600
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_a_recorder_that_comes_back_after_its_end_was_believed_is_stopped() -> None:
    driver = Driver(deliver=lambda event_type, number: [0.3] if event_type == 70 else [])
    driver.at(110, lambda: driver.agora.fail_over(driver.task, 400))
    recording = driver.run()
    assert "recorder_alive_after_end" in recording.warnings
    assert driver.task.ended_at is not None
    assert driver.task.ended_at < NOW + 530
    driver.check_over()


@pytest.mark.parametrize("level", [State.VERIFIED, State.DEFECTIVE])
def test_a_recorder_of_a_terminal_recording_that_proves_alive_is_stopped_once(level: State) -> None:
    driver = Driver(deliver=lambda event_type, number: [0.3] if event_type == 70 else [])
    driver.agora.complete = lambda: True  # type: ignore[method-assign]
    driver.defect = level is State.DEFECTIVE
    driver.at(110, lambda: driver.agora.fail_over(driver.task, 900))
    recording = driver.run()
    assert driver.first(level) < 900
    assert recording.state is level
    assert driver.count(Stop) == 2, "the second one finds that the first is being carried out"
    assert driver.task.ended_at is not None
    assert driver.task.ended_at < NOW + 1020
    driver.check_over()


def test_a_replaced_recorder_that_says_it_ended_ends_nothing() -> None:
    """After a failover the old worker may still send its 71 and 11; the new one records on under the same sid."""
    driver = Driver(make(policy=RESTART))
    driver.at(400, lambda: driver.agora._notify(71, driver.task, code=6, fileList=[]))
    driver.at(401, lambda: driver.agora._notify(11, driver.task, exitStatus=1))
    driver.request(900, StopRequested())
    recording = driver.run()
    assert len(recording.attempts) == 1
    assert driver.first(State.STOPPING) == 900
    assert recording.end_reason is EndReason.STOPPED
    driver.check_over()


def test_why_it_ended_is_learnt_from_a_notice_read_late_but_before_the_last_look() -> None:
    driver = Driver(deliver=lambda event_type, number: {11: [0.3], 71: [60.0]}.get(event_type, []))
    driver.agora.page_dies = [(100, 6)]
    recording = driver.run(until=NOW + 140)
    assert (recording.state, recording.end_reason) == ("uploading", EndReason.ENDED_BY_ITSELF)
    recording = driver.run()
    assert (recording.state, recording.end_reason) == ("verified", EndReason.RECORDER_ERROR)


def test_why_it_ended_is_learnt_from_a_notice_read_after_the_verdict_and_callers_are_told() -> None:
    driver = Driver(deliver=lambda event_type, number: {11: [0.3], 71: [1000.0, 1100.0]}.get(event_type, []))
    driver.agora.page_dies = [(100, 6)]
    recording = driver.run(until=NOW + 900)
    assert (recording.state, recording.end_reason) == ("verified", EndReason.ENDED_BY_ITSELF)
    recording = driver.run(until=NOW + 2000)
    assert (recording.state, recording.end_reason) == ("verified", EndReason.RECORDER_ERROR)
    assert recording.blame is Blame.AGORA
    assert [entry.detail for entry in driver.entries if entry.kind == "changed"] == [
        {"end_reason": EndReason.RECORDER_ERROR}
    ]


def test_the_first_notice_of_an_end_is_believed_as_soon_as_agora_agrees() -> None:
    driver = Driver()
    driver.agora.page_dies = [(200, 6)]
    recording = driver.run()
    assert driver.first(State.UPLOADING) < 220
    assert (recording.end_reason, recording.blame) == (EndReason.RECORDER_ERROR, Blame.AGORA)
    driver.check_over()


def test_a_notice_of_an_end_is_believed_after_a_failover_window_where_agora_cannot_be_asked() -> None:
    driver = Driver()
    driver.agora.page_dies = [(200, 6)]
    driver.agora.outages = [(NOW + 195, NOW + 3 * HOUR)]
    driver.run()
    assert 320 <= driver.first(State.UPLOADING) < 400
    driver.check_over()


# --- starting ----------------------------------------------------------------------------------------------------

AMBIGUOUS = {
    "206 that did nothing": Answer(206, 65),
    "500 that did nothing": Answer(500, 62),
    "lost": "lost",
    "answer lost": "answer_lost",
}


@pytest.mark.parametrize("times", [1, 2, 4, 5])
@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_an_ambiguous_start_is_decided_and_never_doubled(world: Callable[..., Driver], fault: str, times: int) -> None:
    driver = world()
    driver.agora.faults["start"] = [AMBIGUOUS[fault]] * times
    driver.request(600, StopRequested())
    recording = driver.run()
    assert (recording.state, recording.end_reason) == ("verified", EndReason.STOPPED)
    assert len(driver.agora.tasks) == 1
    assert len(recording.attempts) == 1
    driver.check_over()


def test_without_a_place_in_the_budget_the_watch_period_stretches_and_that_is_no_trouble() -> None:
    driver = Driver()
    recording = driver.run(until=NOW + 200)
    assert recording.state is State.RECORDING
    now = NOW + 200
    short = CallFailed(Query(), Failure.UNAVAILABLE, "budget", "no place", 11)
    change = apply(recording, short, now)
    after = change.recording.attempts[0]
    assert change.history == ()
    assert (change.recording.attention, change.recording.failures) == (None, 0)
    assert now + 20 < (after.next_query_at or 0) < now + 60
    # Where its end hangs on the answer it is asked again as after any failure.
    ending = replace(recording, attempts=(replace(recording.attempts[0], missing_since_at=now - 10),))
    assert apply(ending, short, now).recording.attention is not None


def test_an_unknown_start_is_repeated_at_3_6_and_9_seconds_and_then_probed_with_a_fresh_resource() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = [Answer(206, 65)] * 4
    driver.request(300, StopRequested())
    driver.run()
    early = [(at - NOW, type(step)) for at, step in driver.steps if at < NOW + 25]
    starts = [at for at, kind in early if kind is Start][:4]
    for (a, b), wait in zip(itertools.pairwise(starts), (3, 6, 9), strict=True):
        assert 0.8 * wait <= b - a - 0.2 <= 1.2 * wait + 0.2
    assert [kind for _, kind in early if kind is not Look][:6] == [Acquire, Start, Start, Start, Start, Acquire]


def test_while_a_start_is_repeated_without_an_answer_the_bucket_shows_its_task() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = ["answer_lost", "lost", "lost", "lost", "lost"]
    driver.request(600, StopRequested())
    recording = driver.run()
    looked = [at - NOW for at, step in driver.steps if isinstance(step, Look)]
    probed = [at - NOW for at, step in driver.steps if isinstance(step, Acquire)][1:]
    assert not probed or looked[0] < probed[0]
    assert len(driver.agora.tasks) == 1
    assert recording.state is State.VERIFIED


def test_already_started_without_a_sid_is_found_in_the_bucket() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = ["answer_lost"]
    driver.request(600, StopRequested())
    recording = driver.run()
    assert driver.count(Look) > 0
    assert driver.first(State.RECORDING) < 60
    assert recording.attempts[0].sid == driver.task.sid
    assert recording.state is State.VERIFIED


def test_the_task_of_a_conflict_is_addressed_with_the_resource_id_it_was_made_with() -> None:
    """Two resource ids were tried without an answer, the second made the task: 404 under the first tells nothing."""
    driver = Driver(make(policy=Policy(start_within_seconds=900)), deliver=silent)
    driver.agora.faults["start"] = ["lost"] * 4 + ["answer_lost"] + ["lost"] * 3
    driver.request(400, StopRequested())
    recording = driver.run()
    assert len(driver.agora.tasks) == 1
    assert recording.attempts[0].resource_id == driver.task.rid
    driver.check_over()


def test_a_stop_that_is_404_under_one_resource_id_goes_to_the_other_at_once() -> None:
    driver = Driver(deliver=silent)  # nothing records within the start deadline, so it is given up
    driver.agora.faults["start"] = ["lost"] * 4 + ["answer_lost"] + ["lost"] * 3
    driver.run()
    found = next(at for at, step in driver.steps if isinstance(step, Stop))
    stop_at = driver.agora.tasks[0].stop_at
    assert stop_at is not None
    assert stop_at - found < 2
    driver.check_over()


@pytest.mark.parametrize("kind", [Answer(500, 502), Answer(429), Answer(400, 433)])
def test_a_start_that_surely_had_no_effect_is_tried_again(world: Callable[..., Driver], kind: Answer) -> None:
    driver = world()
    driver.agora.faults["start"] = [kind, kind]
    driver.request(600, StopRequested())
    assert driver.run().state is State.VERIFIED
    driver.check_over()


def test_without_capacity_it_fails_in_time(world: Callable[..., Driver]) -> None:
    driver = world()
    driver.agora.faults["acquire"] = [Answer(400, 406)] * 100
    recording = driver.run()
    assert (recording.state, recording.end_reason) == ("failed", EndReason.CAPACITY)
    assert 120 <= driver.first(State.FAILED) <= 122
    assert not driver.agora.tasks


def test_without_workers_for_a_start_it_fails_in_time(world: Callable[..., Driver]) -> None:
    driver = world()
    driver.agora.faults["start"] = [Answer(500, 502)] * 100
    recording = driver.run()
    assert (recording.state, recording.end_reason) == ("failed", EndReason.CAPACITY)
    assert driver.first(State.FAILED) <= 122
    driver.check_over()


def test_a_first_start_that_is_refused_fails_at_once() -> None:
    driver = Driver()
    driver.agora.faults["start"] = [Answer(400, 2)]
    recording = driver.run()
    assert (recording.state, recording.end_reason, recording.blame) == ("failed", EndReason.REFUSED, Blame.CALLER)
    assert recording.attention is not None
    assert recording.attention.code == "refused"


@pytest.mark.parametrize("refused", ["start", "acquire"])
def test_a_refusal_after_an_unknown_start_decides_nothing(refused: str) -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = ["answer_lost", *([Answer(401)] if refused == "start" else ["lost"] * 3)]
    if refused == "acquire":
        driver.at(5, lambda: driver.agora.faults["acquire"].append(Answer(401)))
    driver.request(300, StopRequested())
    recording = driver.run()
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_while_agora_is_away_it_fails_in_time_and_the_unknown_start_is_settled_when_agora_is_back() -> None:
    driver = Driver(deliver=silent)
    driver.agora.outages = [(NOW + 0.15, NOW + 900)]
    recording = driver.run()
    assert driver.first(State.STOPPING) < 150
    assert (recording.state, recording.end_reason) == ("failed", EndReason.AGORA_UNAVAILABLE)
    assert driver.first(State.FAILED) < 900 + 400
    driver.check_over()


def test_an_answered_but_never_recording_task_is_stopped_in_time() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["query"] = [Answer(200, body={"status": 2, "onhold": None})] * 50
    driver.run()
    assert 120 <= driver.first(State.STOPPING) <= 125
    driver.check_over()


def test_down_over_the_whole_start_window_it_was_missed_and_that_is_our_fault() -> None:
    driver = Driver(make(start_at=NOW + 60))
    driver.kill(600)
    recording = driver.run()
    assert (recording.state, recording.end_reason, recording.blame) == ("failed", EndReason.MISSED, Blame.US)


def test_a_recording_that_began_while_we_were_down_is_kept() -> None:
    driver = Driver(deliver=silent)
    driver.at(0.3, lambda: None)
    driver.at(2, lambda: driver.kill(1000))
    driver.request(1500, StopRequested())
    recording = driver.run()
    assert driver.first(State.STOPPING) == 1500
    assert (recording.state, recording.end_reason) == ("verified", EndReason.STOPPED)
    driver.check_over()


@pytest.mark.parametrize("after", [0.05, 0.15, 0.25, 0.35, 1, 3, 6, 7, 12, 20])
def test_stopped_before_it_has_begun_nothing_stays_alive(world: Callable[..., Driver], after: float) -> None:
    driver = world()
    driver.request(after, StopRequested())
    recording = driver.run()
    assert recording.state in (State.CANCELLED, State.VERIFIED)
    assert recording.end_reason is EndReason.STOPPED
    driver.check_over()


@pytest.mark.parametrize(
    "fault", [Answer(429), Answer(500, 502), Answer(400, 2), Answer(206, 65), "answer_lost", "lost"]
)
def test_stopped_while_the_start_is_on_its_way_nothing_is_started_after_it(fault: Answer | str) -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["start"] = [fault]
    driver.request(0.31, StopRequested())
    recording = driver.run()
    assert recording.state in (State.VERIFIED, State.CANCELLED)
    assert recording.end_reason is EndReason.STOPPED
    if isinstance(fault, Answer) and fault.status != 206:
        assert driver.count(Start) == 1
    driver.check_over()


def test_no_recorded_data_after_a_claimed_start_within_the_allowance_is_a_cancellation() -> None:
    driver = Driver()
    driver.agora.faults["stop"] = [Answer(206, 435)]
    driver.agora.listed = lambda prefix: []  # type: ignore[method-assign]
    driver.agora.complete = lambda: False  # type: ignore[method-assign]
    driver.at(7.9, lambda: driver.agora._end(driver.task, 0))
    driver.request(7, StopRequested())
    assert driver.run().state is State.CANCELLED


# --- ends that nobody wished -------------------------------------------------------------------------------------


def test_an_unreachable_page_fails_it_and_is_to_blame() -> None:
    driver = Driver()
    driver.agora.page_dies = [(3, 5)]
    recording = driver.run()
    assert (recording.state, recording.end_reason, recording.blame) == (
        "failed",
        EndReason.PAGE_UNREACHABLE,
        Blame.PAGE,
    )
    assert driver.first(State.FAILED) < 30
    driver.check_over()


def test_an_unreachable_page_fails_it_without_notices_too() -> None:
    driver = Driver(deliver=silent)
    driver.agora.page_dies = [(3, 5)]
    recording = driver.run()
    assert recording.state is State.FAILED
    assert driver.first(State.FAILED) < 400
    driver.check_over()


def test_a_restart_takes_over_the_hours_left_and_the_pause(world: Callable[..., Driver]) -> None:
    driver = world(make(policy=RESTART, parameters=Parameters(max_recording_hour=3)))
    driver.agora.page_dies = [(1.5 * HOUR, 6)]
    driver.request(HOUR, PauseRequested())
    driver.request(2 * HOUR, ResumeRequested())
    recording = driver.run()
    first, second = driver.agora.tasks
    assert (first.hours, second.hours) == (3, 2)
    assert second.uid != first.uid
    assert second.prefix != first.prefix
    assert second.held[0][1] is False
    assert recording.state is State.VERIFIED
    assert recording.end_reason is EndReason.HOUR_LIMIT
    assert second.ended_at is not None
    assert second.ended_at <= NOW + 3 * HOUR + 70
    assert len(recording.pauses) == 1, "one pause, whoever recorded it"
    assert recording.pauses[0].from_at == pytest.approx(NOW + HOUR, abs=2)
    assert recording.pauses[0].to_at == pytest.approx(NOW + 2 * HOUR, abs=3)
    driver.check_over()


def test_restarts_are_bounded(world: Callable[..., Driver]) -> None:
    driver = world(make(policy=RESTART))
    driver.agora.page_dies = [(600, 6), (600, 6), (600, 6)]
    recording = driver.run()
    assert len(recording.attempts) == 2
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_a_stop_wish_beats_a_restart(world: Callable[..., Driver]) -> None:
    driver = world(make(policy=RESTART))
    driver.agora.page_dies = [(600, 6)]
    driver.request(599.5, StopRequested())
    recording = driver.run()
    assert len(recording.attempts) == 1
    assert recording.end_reason is EndReason.STOPPED
    driver.check_over()


def test_a_restart_that_finds_no_capacity_leaves_what_was_recorded_to_be_verified() -> None:
    driver = Driver(make(policy=RESTART))
    driver.agora.page_dies = [(600, 6)]
    driver.at(500, lambda: driver.agora.faults["acquire"].extend([Answer(400, 406)] * 100))
    recording = driver.run()
    assert (recording.state, recording.end_reason) == ("verified", EndReason.CAPACITY)
    driver.check_over()


def test_what_an_attempt_may_have_written_unseen_is_looked_for_though_its_successor_was_refused() -> None:
    driver = Driver(make(policy=RESTART), deliver=lambda event_type, number: [0.3] if event_type == 11 else [])
    driver.agora.faults["start"] = ["answer_lost", "lost", Answer(400, 2)]
    driver.agora.page_dies = [(20, 6)]
    recording = driver.run()
    assert recording.attempts[0].recording_at is None
    assert (recording.state, recording.end_reason) == ("verified", EndReason.REFUSED)


# --- pauses ------------------------------------------------------------------------------------------------------


def test_a_pause_is_confirmed_from_asking_for_it_to_its_end(world: Callable[..., Driver]) -> None:
    driver = world()
    driver.request(100, PauseRequested())
    driver.request(400, ResumeRequested())
    driver.request(600, StopRequested())
    recording = driver.run()
    (pause,) = recording.pauses
    assert pause.to_at is not None
    assert (pause.from_at - NOW, pause.to_at - NOW) == (pytest.approx(100, abs=2.5), pytest.approx(400, abs=2.5))
    assert driver.task.held == [
        (pytest.approx(NOW + 100, abs=2.5), True),
        (pytest.approx(NOW + 400, abs=2.5), False),
    ]
    driver.check_over()


def test_a_second_pause_is_confirmed_from_its_own_asking() -> None:
    driver = Driver()
    driver.request(100, PauseRequested())
    driver.request(200, ResumeRequested())
    driver.request(300, PauseRequested())
    driver.request(600, StopRequested())
    assert [pause.from_at - NOW for pause in driver.run().pauses] == [100, 300]


def test_a_pause_ends_with_the_wish_even_if_the_recorder_hears_of_it_late() -> None:
    driver = Driver(deliver=silent)
    driver.request(100, PauseRequested())
    driver.agora.outages = [(NOW + 199, NOW + 320)]
    driver.request(200, ResumeRequested())
    driver.request(600, StopRequested())
    (pause,) = driver.run().pauses
    assert driver.task.held[-1][0] > NOW + 320
    assert pause.to_at == NOW + 200


def test_paused_again_before_the_recorder_heard_of_the_resume_the_pause_goes_on() -> None:
    driver = Driver(deliver=silent)
    driver.request(100, PauseRequested())
    driver.agora.outages = [(NOW + 199, NOW + 320)]
    driver.request(200, ResumeRequested())
    driver.request(210, PauseRequested())
    driver.request(600, StopRequested())
    recording = driver.run()
    assert [(pause.from_at - NOW, (pause.to_at or 0) - NOW) for pause in recording.pauses] == [
        (100, 200),
        (210, pytest.approx(600, abs=20)),
    ]


def test_a_pause_whose_answer_was_lost_is_confirmed_from_when_it_was_first_sent() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["update"] = ["answer_lost", "lost", "lost"]
    driver.request(100, PauseRequested())
    driver.request(400, ResumeRequested())
    driver.request(600, StopRequested())
    (pause,) = driver.run().pauses
    assert pause.from_at == NOW + 100


def test_a_pause_that_was_taken_back_after_its_answer_was_lost_is_undone_at_once() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["update"] = ["answer_lost"]
    driver.request(100, PauseRequested())
    driver.request(105, ResumeRequested())
    driver.request(600, StopRequested())
    driver.run()
    assert [onhold for _, onhold in driver.task.held] == [True, False]
    assert driver.task.held[1][0] < NOW + 120


def test_started_on_hold_the_wanted_window_begins_with_the_resume(world: Callable[..., Driver]) -> None:
    driver = world(make(parameters=Parameters(onhold=True, max_recording_hour=1)))
    driver.request(100, ResumeRequested())
    driver.request(600, StopRequested())
    recording = driver.run()
    assert recording.window_from_at == NOW + 100
    assert driver.task.held[0] == (pytest.approx(NOW + 100, abs=2.5), False)
    assert recording.pauses == ()
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_resumed_before_the_start_was_sent_it_does_not_start_on_hold() -> None:
    driver = Driver(make(parameters=Parameters(onhold=True, max_recording_hour=1), start_at=NOW + 60))
    driver.request(30, ResumeRequested())
    driver.request(600, StopRequested())
    recording = driver.run()
    assert recording.window_from_at == NOW + 60
    assert driver.task.held == []
    assert driver.count(UpdateOnhold) == 0
    assert len(driver.task.slices) > 20


def test_paused_before_it_has_begun_it_starts_on_hold_and_that_is_a_pause() -> None:
    driver = Driver(make(start_at=NOW + 60))
    driver.request(30, PauseRequested())
    driver.request(200, ResumeRequested())
    driver.request(600, StopRequested())
    recording = driver.run()
    (pause,) = recording.pauses
    assert pause.from_at == pytest.approx(NOW + 55, abs=1)
    assert pause.to_at == pytest.approx(NOW + 200, abs=1)
    assert driver.task.held == [(pytest.approx(NOW + 200, abs=1), False)]


def test_on_hold_throughout_it_is_cancelled_not_defective() -> None:
    driver = Driver(make(parameters=Parameters(onhold=True, max_recording_hour=1)))
    driver.request(600, StopRequested())
    assert driver.run().state is State.CANCELLED
    driver.check_over()


def test_a_pause_that_is_too_long_is_warned_of_and_then_ends_the_recording() -> None:
    driver = Driver(make(parameters=Parameters(max_recording_hour=5)))
    driver.request(100, PauseRequested())
    recording = driver.run()
    assert "pause_too_long" in recording.warnings
    assert recording.end_reason is EndReason.PAUSED_TOO_LONG
    assert driver.first(State.STOPPING) == pytest.approx(100 + 3600 + 120, abs=1)
    driver.check_over()


def test_a_refused_update_is_told_and_the_wish_taken_back() -> None:
    driver = Driver()
    driver.agora.faults["update"] = [Answer(400, 2)]
    driver.request(100, PauseRequested())
    driver.request(150, PauseRequested())
    driver.request(600, StopRequested())
    recording = driver.run()
    assert "update_refused" in recording.warnings
    assert driver.refused[0].detail == "unsupported_by_agora"
    assert driver.count(UpdateOnhold) == 1
    assert recording.state is State.VERIFIED


def test_a_refused_push_target_leaves_the_one_before_it_and_any_later_wish() -> None:
    driver = Driver(replace(make(), rtmp="rtmp://one.example.org/…"))
    driver.agora.faults["update"] = [Answer(400, 2)]
    driver.request(60, RtmpRequested("rtmp://two.example.org/…"))
    driver.run(until=NOW + 90)
    assert (driver.recording.rtmp, driver.recording.rtmp_version) == ("rtmp://one.example.org/…", 0)
    assert driver.recording.warnings == ("rtmp_refused",)
    driver.agora.faults["update"] = [Answer(400, 2)]
    driver.request(100, RtmpRequested("rtmp://three.example.org/…"))
    driver.request(100.05, RtmpRequested("rtmp://four.example.org/…"))
    driver.run(until=NOW + 130)
    assert (driver.recording.rtmp, driver.recording.rtmp_version) == ("rtmp://four.example.org/…", 2)
    assert (driver.recording.attempts[0].rtmp, driver.recording.attempts[0].rtmp_version) == (driver.recording.rtmp, 2)


def test_a_refused_resume_leaves_a_pause_that_ends_when_it_is_too_long() -> None:
    driver = Driver(make(parameters=Parameters(max_recording_hour=5, onhold=True)))
    driver.agora.faults["update"] = [Answer(400, 2)]
    driver.request(100, ResumeRequested())
    recording = driver.run()
    assert recording.end_reason is EndReason.PAUSED_TOO_LONG
    assert recording.pauses[-1].from_at < NOW + 120
    driver.check_over()


# --- stopping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Answer(206, 65), Answer(504, 62), "lost", "answer_lost", Answer(400, 2)])
def test_a_stop_that_fails_is_tried_until_it_succeeds(world: Callable[..., Driver], fault: Answer | str) -> None:
    driver = world()
    driver.agora.faults["stop"] = [fault] * 4
    driver.request(600, StopRequested())
    recording = driver.run()
    assert recording.state is State.VERIFIED
    assert driver.task.ended_at is not None
    assert driver.task.ended_at < NOW + 700
    driver.check_over()


def test_a_stop_that_agora_accepts_and_forgets_is_sent_again() -> None:
    driver = Driver(deliver=silent)
    driver.agora.ignores_stop = 2
    driver.request(600, StopRequested())
    driver.run()
    assert driver.task.ended_at is not None
    assert driver.task.ended_at < NOW + 720
    driver.check_over()


def test_a_stop_that_is_always_refused_is_repeated_until_the_hour_limit_ended_the_task() -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["stop"] = [Answer(400, 2)] * 1000
    driver.request(600, StopRequested())
    recording = driver.run()
    assert driver.attended("stop_refused") < 601
    assert driver.task.ended_at == driver.task.started_at + HOUR
    assert driver.first(State.UPLOADING) < HOUR + 300
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_where_agora_refuses_everything_for_ever_the_end_is_believed_after_the_hour_limit() -> None:
    """The resource id's life is over, or the customer's keys are: neither stop nor query can be had."""
    driver = Driver(deliver=silent)
    driver.at(300, lambda: driver.agora.faults["query"].extend([Answer(401)] * 1000))
    driver.at(300, lambda: driver.agora.faults["stop"].extend([Answer(401)] * 1000))
    driver.request(600, StopRequested())
    recording = driver.run()
    assert HOUR + 120 <= driver.first(State.UPLOADING) <= HOUR + 130
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_stop_at_cannot_be_moved_beyond_the_running_tasks_hour_limit() -> None:
    driver = Driver(make(parameters=Parameters(max_recording_hour=10), stop_at=NOW + 600))
    driver.request(100, StopAtChanged(NOW + 3 * HOUR))
    driver.request(200, StopAtChanged(NOW + 900))
    recording = driver.run()
    assert [error.detail for error in driver.refused] == ["hour_limit"]
    said = str(driver.refused[0])
    assert "Agora was asked for 2 hours, which cannot be changed while it runs, and ends the recording by" in said
    assert recording.stop_at == NOW + 900
    assert driver.first(State.STOPPING) == 900


def test_stop_at_cannot_be_moved_beyond_the_callers_own_hours() -> None:
    driver = Driver(make(parameters=Parameters(max_recording_hour=2)))
    driver.request(100, StopAtChanged(NOW + 3 * HOUR))
    driver.request(200, StopAtChanged(NOW + 900))
    driver.run()
    assert "max_recording_hour, which is 2 and cannot be changed, ends the recording by" in str(driver.refused[0])


# --- the bucket --------------------------------------------------------------------------------------------------


def test_late_files_heal_incomplete_to_verified_and_callers_are_told_once() -> None:
    driver = Driver()
    driver.agora.upload_late_seconds = 2 * HOUR
    driver.request(600, StopRequested())
    recording = driver.run()
    assert recording.state is State.VERIFIED
    assert [state for _, state in driver.states].count(State.INCOMPLETE) == 1
    looks = [at for at, code in driver.steps if type(code).__name__ == "Verify"]
    assert len(looks) < 10
    assert looks == sorted(set(looks))


@pytest.mark.parametrize(("uploaded", "days"), [(True, 1), (False, 7)])
def test_incomplete_ends_defective_after_a_day_where_uploaded_was_said_else_after_seven(
    uploaded: bool, days: int
) -> None:
    driver = Driver(deliver=lambda event_type, number: [0.3] if uploaded or event_type != 31 else [])
    driver.agora.complete = lambda: False  # type: ignore[method-assign]
    driver.request(600, StopRequested())
    recording = driver.run()
    assert recording.state is State.DEFECTIVE
    assert driver.first(State.DEFECTIVE) == pytest.approx(days * 86400 + 600, abs=300)
    driver.check_over()


def test_a_late_copy_of_backuped_does_not_prolong_the_patience() -> None:
    late = [0.3, 3 * 86400, 6 * 86400]
    driver = Driver(deliver=lambda event_type, number: late if event_type == 32 else [0.3])
    driver.agora.upload_late_seconds = 30 * 86400
    driver.request(600, StopRequested())
    driver.run()
    assert driver.first(State.DEFECTIVE) == pytest.approx(7 * 86400 + 600, abs=300)


def test_what_no_upload_can_heal_is_defective_at_once() -> None:
    driver = Driver()
    driver.defect = True
    driver.request(600, StopRequested())
    driver.run()
    assert driver.first(State.DEFECTIVE) < 620


def test_a_bucket_that_cannot_be_looked_at_ends_unproven_and_says_so_meanwhile() -> None:
    driver = Driver()
    driver.agora.bucket_down = [(NOW + 300, NOW + 30 * 86400)]
    driver.request(600, StopRequested())
    recording = driver.run(until=NOW + 20 * 86400)
    assert driver.attended("storage_unreachable") < 620
    noted = next(line for line in driver.entries if line.kind == "attention")
    assert noted.detail["detail"] == "transport: no answer", "the cause is said"
    assert recording.state is State.UNPROVEN
    assert driver.first(State.UNPROVEN) == pytest.approx(86400 + 600, abs=60)
    assert recording.attention is None
    driver.check_over()


def test_a_later_look_at_a_terminal_recording_changes_the_report_and_not_the_state() -> None:
    driver = Driver()
    driver.request(600, StopRequested())
    driver.at(HOUR, lambda: setattr(driver, "defect", True))
    for after in (HOUR + 1, HOUR + 2, HOUR + 3):
        driver.request(after, VerifyRequested())
    driver.agora.bucket_down = [(NOW + 2 * HOUR, NOW + 3 * HOUR)]
    driver.request(2 * HOUR + 1, VerifyRequested())
    recording = driver.run()
    assert recording.state is State.VERIFIED
    assert recording.latest_report is not None
    assert recording.latest_report.verdict is Verdict.UNREACHABLE
    changed = [entry.detail["verdict"] for entry in driver.entries if entry.kind == "changed"]
    assert changed == [Verdict.DEFECTIVE], "a difference is told once, and not seeing anything is none"


def _looks_after_the_end(driver: Driver, share: float) -> list[float]:
    """Days after the verdict on which a recording stopped after ten minutes is looked at again."""
    driver.recording = replace(driver.recording, policy=replace(driver.recording.policy, reaudit_share=share))
    driver.request(600, StopRequested())
    recording = driver.run()
    assert recording.state is State.VERIFIED
    driver.check_over()
    since = recording.state_since_at
    return [round((at - since) / DAY, 1) for at, step in driver.steps if isinstance(step, Verify) and at > since]


def test_a_verified_recording_of_the_sample_is_looked_at_again_after_a_week_and_a_month() -> None:
    assert _looks_after_the_end(Driver(), 1.0) == [7.0, 30.0]
    assert _looks_after_the_end(Driver(), 0.0) == []


def test_a_second_look_that_finds_the_bucket_shut_is_tried_the_next_day() -> None:
    driver = Driver()
    driver.agora.bucket_down = [(NOW + 6 * DAY, NOW + 9.5 * DAY)]
    assert _looks_after_the_end(driver, 1.0) == [7.0, 8.0, 9.0, 10.0, 30.0]


def test_stall_is_told_when_no_slice_comes_though_it_records() -> None:
    driver = Driver()
    driver.agora.listed = lambda prefix: []  # type: ignore[method-assign]
    driver.request(600, StopRequested())
    driver.run(until=NOW + 500)
    assert driver.attended("stalled") < 180


def test_a_pause_open_at_the_end_is_closed_by_it() -> None:
    driver = Driver()
    driver.request(100, PauseRequested())
    driver.request(600, StopRequested())
    (pause,) = driver.run().pauses
    assert pause == Interval(NOW + 100, pytest.approx(NOW + 601, abs=2))


def test_queries_come_about_every_two_minutes_while_it_records() -> None:
    driver = Driver(deliver=silent)
    driver.run(until=NOW + 3000)
    asked = [at for at, step in driver.steps if isinstance(step, Query)]
    assert all(95 < b - a < 145 for a, b in itertools.pairwise(asked[2:]))


def test_a_recorder_that_breaks_down_over_refused_uploads_is_blamed_on_the_storage() -> None:
    driver = Driver()
    driver.agora.page_dies = [(60, 6)]

    def upload_error() -> None:
        attempt = driver.recording.attempt
        assert attempt is not None
        details: dict[str, object] = {"module": 1, "errorLevel": 5, "errorCode": 32}
        told = Notice("n", 1, NOW, NOW, attempt.cname, str(attempt.uid), attempt.sid or "", None, 0, details)
        driver.observe(NoticeReceived(told))

    driver.at(30, upload_error)
    recording = driver.run()
    assert (recording.end_reason, recording.blame) == (EndReason.STORAGE_REFUSED, Blame.STORAGE)
    assert "upload_error" in recording.warnings
