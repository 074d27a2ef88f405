"""A length that was asked for is counted from when it records, whoever has asked for it and whatever became of them."""

from dataclasses import replace

import pytest
from lifecycle_driver import NOW, Driver, make

from handlers.resources.recordings import view_recording
from service.errors import Code, ServiceError
from service.lifecycle import apply, hours_wanted
from service.lifecycle.deadlines import hour_limit_at, planned_seconds, planned_stop_at
from service.lifecycle.observations import Looked, ResumeRequested, StopAtChanged, StopRequested
from service.media.expectation import expectation
from service.policy import Policy
from service.recording import AttemptState, EndReason, Parameters, Recording, State
from tests.database.samples import attempt

LENGTH = 100.0


def silent(event_type: int, number: int) -> list[float]:
    return []


@pytest.mark.parametrize("notices", [True, False])
def test_it_is_stopped_so_long_after_it_began_to_record(notices: bool) -> None:
    driver = Driver(make(record_for_seconds=LENGTH), **({} if notices else {"deliver": silent}))
    recording = driver.run()
    began, stopped = recording.recorded_from_at, driver.task.stop_at
    assert began is not None
    assert stopped is not None
    assert driver.task.ready_at is not None
    assert 0 <= began - driver.task.ready_at < (1 if notices else 6)
    assert recording.stop_at == began + LENGTH
    assert recording.stop_at <= stopped < recording.stop_at + 1
    assert (recording.state, recording.end_reason) == (State.VERIFIED, EndReason.STOP_AT)
    assert driver.recording.history
    assert [entry.kind for entry in driver.entries].count("stop_at_set") == 1
    driver.check_over()


def test_the_wanted_window_is_the_length_and_has_no_allowance() -> None:
    recording = Driver(make(record_for_seconds=10.0)).run()
    wanted = expectation(recording).wanted
    assert wanted.to_at is not None
    assert (wanted.from_at, wanted.to_at - wanted.from_at) == (recording.recorded_from_at, 10.0)


def test_where_it_never_records_the_start_deadline_ends_it() -> None:
    driver = Driver(make(record_for_seconds=LENGTH))
    driver.agora._ready = lambda task: None  # type: ignore[method-assign]
    recording = driver.run()
    assert recording.state is State.FAILED
    assert recording.stop_at is None
    assert driver.task.ended_at is not None
    assert driver.task.ended_at < NOW + 125
    driver.check_over()


def test_an_instant_given_later_goes_before_the_length() -> None:
    driver = Driver(make(record_for_seconds=LENGTH))
    driver.request(30, StopAtChanged(NOW + 50))
    recording = driver.run()
    assert (recording.stop_at, driver.first(State.STOPPING)) == (NOW + 50, 50)


def test_a_stop_goes_before_the_length() -> None:
    driver = Driver(make(record_for_seconds=LENGTH))
    driver.request(30, StopRequested())
    assert driver.run().end_reason is EndReason.STOPPED


def test_what_begins_on_hold_is_counted_from_its_resume() -> None:
    driver = Driver(make(record_for_seconds=LENGTH, parameters=Parameters(onhold=True, max_recording_hour=1)))
    driver.request(60, ResumeRequested())
    recording = driver.run()
    assert recording.recorded_from_at == NOW + 60
    assert recording.stop_at == NOW + 60 + LENGTH


def test_another_attempt_counts_on() -> None:
    driver = Driver(make(record_for_seconds=LENGTH, policy=Policy(restart="on_failure")))
    driver.agora.page_dies = [(30, 6)]
    recording = driver.run()
    assert len(recording.attempts) == 2
    assert recording.stop_at == (recording.recorded_from_at or 0) + LENGTH
    assert recording.recorded_from_at is not None
    assert recording.recorded_from_at < NOW + 10


def test_agoras_own_hour_limit_is_what_the_length_and_the_start_can_take() -> None:
    wanted = make(record_for_seconds=3000.0, parameters=Parameters(max_recording_hour=9))
    assert hours_wanted(wanted, NOW) == 2
    assert hours_wanted(make(parameters=Parameters(max_recording_hour=9)), NOW) == 9


def test_what_never_recorded_lacks_its_length_and_not_its_hour_limit() -> None:
    asked = make(record_for_seconds=10.0)
    wanted = expectation(asked).wanted
    assert asked.window_from_at is not None
    assert wanted.to_at is not None
    assert wanted.from_at == asked.window_from_at + asked.policy.start_allowance_seconds
    assert wanted.to_at - wanted.from_at == 10.0


@pytest.mark.parametrize(("length", "shown"), [(100.0, 100.0), (None, 3600.0), (7200.0, 3600.0)])
def test_the_planned_length_is_the_one_asked_for_within_the_hour_limit(length: float | None, shown: float) -> None:
    asked = make(record_for_seconds=length, parameters=Parameters(max_recording_hour=1))
    assert planned_seconds(asked) == shown
    recorded = replace(asked, recorded_from_at=NOW + 8, stop_at=None if length is None else NOW + 8 + length)
    assert planned_seconds(recorded) == shown


@pytest.mark.parametrize("start_at", [None, NOW + 5000], ids=["at-once", "planned"])
def test_a_later_stop_at_keeps_to_the_rules_of_the_start_before_it_has_begun_too(start_at: float | None) -> None:
    """Nothing runs yet, so no task's limit forbids what the hours do not allow."""
    waiting = make(start_at=start_at, parameters=Parameters(max_recording_hour=2))
    begins = start_at or NOW
    for stop_at, code in ((begins + 7201, Code.CONFLICT), (begins + 0.5, Code.INVALID), (begins - 10, Code.INVALID)):
        with pytest.raises(ServiceError) as raised:
            apply(waiting, StopAtChanged(stop_at), NOW)
        assert raised.value.code is code
    with pytest.raises(ServiceError, match=r"max_recording_hour, which is 2 .* ends the recording by 20"):
        apply(waiting, StopAtChanged(begins + 7201), NOW)
    for stop_at in (begins + 1, begins + 7200):
        assert apply(waiting, StopAtChanged(stop_at), NOW).recording.stop_at == stop_at


def test_where_a_late_resume_leaves_too_few_hours_the_planned_stop_is_their_end() -> None:
    """The hours run while it is on hold: the answer says when it really ends."""
    driver = Driver(make(record_for_seconds=3000.0, parameters=Parameters(max_recording_hour=1, onhold=True)))
    driver.request(2000, ResumeRequested())
    driver.run(until=NOW + 2100)
    recording = driver.recording
    assert recording.state is State.RECORDING
    assert planned_stop_at(recording) == hour_limit_at(recording) < (recording.stop_at or 0)


@pytest.mark.parametrize(
    ("given_at", "stop_at", "shown"),
    [(None, None, 100.0), (30, NOW + 50, None), (30, NOW + 600, None), (1, NOW + 600, None)],
    ids=["kept", "sooner", "later", "before it records"],
)
def test_an_instant_given_later_takes_the_place_of_the_length(
    given_at: float | None, stop_at: float | None, shown: float | None
) -> None:
    driver = Driver(make(record_for_seconds=LENGTH))
    if given_at is not None and stop_at is not None:
        driver.request(given_at, StopAtChanged(stop_at))
    driver.run(until=NOW + 40)
    recording, begin = driver.recording, driver.recording.recorded_from_at or NOW
    view = view_recording(recording, NOW + 40)
    assert view.record_for_seconds == shown
    assert view.schedule.planned_seconds == pytest.approx(LENGTH if stop_at is None else stop_at - begin, abs=0.01)


def test_the_whole_time_up_to_an_instant_that_was_given_before_it_began_is_wanted() -> None:
    driver = Driver(make(record_for_seconds=10.0))
    driver.request(1, StopAtChanged(NOW + 600))
    wanted = expectation(driver.run()).wanted
    assert wanted.to_at == NOW + 600
    assert wanted.to_at - wanted.from_at > 500


def seen_late() -> Recording:
    """It began to record 4 s after its start, and Agora showed that 60 s later."""
    sent = NOW + 1
    one = attempt(
        1, "test-1", 7, state=AttemptState.RUNNING, sid="5" * 32, resource_id="r",
        start_sent_at=sent, started_at=sent + 64, recording_at=sent + 64,
    )  # fmt: skip
    made = make(record_for_seconds=LENGTH)
    ends = {"recorded_from_at": sent + 64, "stop_at": sent + 64 + LENGTH}
    return replace(made, state=State.RECORDING, attempts=(one,), **ends)


def listed(at: float, first_at: float) -> Looked:
    return Looked(3, 3000, "pr/x/1/b.ts", at, began_at=at - 15, first_at=first_at)


def test_a_beginning_that_was_seen_late_is_dated_back_to_the_first_slice() -> None:
    before = seen_late()
    assert before.recorded_from_at is not None
    first = before.recorded_from_at - 59
    after = apply(before, listed(first + 65, first), first + 66).recording
    assert after.attempts[0].recording_at == after.recorded_from_at == first
    assert after.stop_at == first + LENGTH
    assert after.warnings == before.warnings
    passed = apply(before, listed(first + 130, first), first + 131)
    assert passed.recording.stop_at == first + LENGTH
    assert "length_late" in passed.recording.warnings
    assert [entry.detail["late_seconds"] for entry in passed.history if entry.kind == "warning"] == [31.0]


def test_what_shows_nothing_of_this_task_or_little_changes_no_beginning() -> None:
    before = seen_late()
    (one,) = before.attempts
    assert before.recorded_from_at is not None
    assert one.start_sent_at is not None
    for first in (before.recorded_from_at - 5, one.start_sent_at - 1):
        after = apply(before, listed(before.recorded_from_at, first), before.recorded_from_at + 1).recording
        assert (after.recorded_from_at, after.stop_at) == (before.recorded_from_at, before.stop_at)
    moved = replace(before, stop_at=before.recorded_from_at + 500)  # a caller's own instant
    first = before.recorded_from_at - 59
    assert apply(moved, listed(first + 65, first), first + 66).recording.stop_at == moved.stop_at
