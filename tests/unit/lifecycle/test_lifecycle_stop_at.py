"""A recording that has nothing when its `stop_at` comes was stopped by nobody: what it waited for is named, and it has
failed. One that has something ended as its caller wanted."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from lifecycle_agora import Answer
from lifecycle_driver import NOW, Driver, make

from service.lifecycle.observations import StopRequested
from service.recording import Blame, EndReason, Parameters, Recording, State


def silent(event_type: int, number: int) -> list[float]:
    return []


def driver_to(stop_after: float, *, ready: bool = True, notices: bool = True) -> Driver:
    driver = Driver(make(stop_at=NOW + stop_after), **({} if notices else {"deliver": silent}))
    if not ready:
        driver.agora._ready = lambda task: None  # type: ignore[method-assign]
    return driver


def ends_as(recording: Recording) -> tuple[State, EndReason | None, Blame | None]:
    return recording.state, recording.end_reason, recording.blame


@pytest.mark.parametrize("notices", [True, False])
def test_a_page_that_is_not_ready_by_then_is_named(notices: bool) -> None:
    driver = driver_to(20, ready=False, notices=notices)
    assert ends_as(driver.run()) == (State.FAILED, EndReason.PAGE_LOAD_TIMEOUT, Blame.PAGE)
    driver.check_over()


@pytest.mark.parametrize("call", ["acquire", "start"])
@pytest.mark.parametrize("refused", [3, 100])
def test_capacity_that_is_not_there_until_shortly_before_is_named(call: str, refused: int) -> None:
    driver = driver_to(14, ready=False)
    driver.agora.faults[call] = [Answer(400, 406)] * refused
    assert ends_as(driver.run()) == (State.FAILED, EndReason.CAPACITY, Blame.AGORA)
    driver.check_over()


@pytest.mark.parametrize(("expired", "waits"), [(1, False), (2, False), (3, True)])
def test_a_resource_id_that_expired_is_replaced_at_once_twice_in_a_row(expired: int, waits: bool) -> None:
    """Also where the back-off has grown."""
    driver = Driver(make())
    driver.agora.faults["start"] = [Answer(400, 406)] * 3 + [Answer(400, 433)] * expired
    recording = driver.run()
    sent = [at for at, name in driver.agora.calls if name == "start"]
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert len(sent) == 4 + expired
    assert gaps[2] >= 4, "the back-off has grown"
    assert all(gap < 1 for gap in gaps[3 : 3 + min(expired, 2)])
    assert (gaps[-1] >= 4) is waits
    assert recording.state is State.VERIFIED
    driver.check_over()


def test_a_resource_id_that_expired_is_not_what_it_waited_for() -> None:
    driver = driver_to(14, ready=False)
    driver.agora.faults["start"] = [Answer(400, 406), Answer(400, 433), *[Answer(400, 406)] * 100]
    assert ends_as(driver.run()) == (State.FAILED, EndReason.CAPACITY, Blame.AGORA)
    driver = Driver(make())
    driver.agora.faults["start"] = [Answer(400, 433)] * 100
    assert ends_as(driver.run()) == (State.FAILED, EndReason.AGORA_UNAVAILABLE, Blame.AGORA), "it never holds"
    assert len(driver.agora.faults["start"]) > 80
    driver.check_over()


@pytest.mark.parametrize("until", [13, 100])
def test_an_agora_that_does_not_answer_until_shortly_before_is_named(until: float) -> None:
    driver = driver_to(20, ready=False)
    driver.agora.outages = [(NOW, NOW + until)]
    assert ends_as(driver.run()) == (State.FAILED, EndReason.AGORA_UNAVAILABLE, Blame.AGORA)
    driver.check_over()


def test_what_agora_says_of_the_page_goes_before_what_the_time_says() -> None:
    driver = driver_to(20, ready=False)
    driver.at(19.9, lambda: driver.agora._end(driver.task, 5))
    assert ends_as(driver.run()) == (State.FAILED, EndReason.PAGE_UNREACHABLE, Blame.PAGE)


def test_a_window_in_which_no_recorder_could_begin_is_the_callers_and_no_cancellation() -> None:
    driver = driver_to(4)
    assert ends_as(driver.run()) == (State.FAILED, EndReason.STOP_AT, Blame.CALLER)


def test_who_stops_it_while_it_waits_cancels_it() -> None:
    driver = driver_to(60, ready=False)
    driver.request(30, StopRequested())
    assert ends_as(driver.run()) == (State.CANCELLED, EndReason.STOPPED, Blame.CALLER)


def test_a_recording_on_hold_that_nobody_resumes_is_cancelled() -> None:
    driver = Driver(make(stop_at=NOW + 60, parameters=Parameters(onhold=True, max_recording_hour=1)))
    assert ends_as(driver.run()) == (State.CANCELLED, EndReason.STOP_AT, Blame.CALLER)


def _already_started(driver: Driver) -> None:
    driver.agora.faults["start"] = ["answer_lost"]


def _never_answered(driver: Driver) -> None:
    driver.agora.faults["start"] = ["answer_lost", *["lost"] * 3]


@pytest.mark.parametrize("plot", [_already_started, _never_answered])
def test_an_unclear_start_that_did_record_ends_by_its_stop_at(plot: Callable[[Driver], None]) -> None:
    driver = driver_to(20, notices=False)  # its sid is known only later, by its first file
    plot(driver)
    assert ends_as(driver.run()) == (State.VERIFIED, EndReason.STOP_AT, Blame.CALLER)
    driver.check_over()
