"""A length that was asked for is counted from when it records, whoever has asked for it and whatever became of them."""

from dataclasses import replace

import pytest
from lifecycle_driver import NOW, Driver, make

from service.lifecycle import hours_wanted
from service.lifecycle.instants import planned_seconds
from service.lifecycle.observations import ResumeRequested, StopAtChanged, StopRequested
from service.media.expectation import expectation
from service.recording import EndReason, Parameters, Policy, State

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
