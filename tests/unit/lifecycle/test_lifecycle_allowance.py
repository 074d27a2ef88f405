"""The start allowance takes at most a tenth of a planned window."""

from dataclasses import replace
from typing import Any

import pytest
from lifecycle_driver import NOW, Driver, make

from service.lifecycle import apply
from service.lifecycle.observations import StopAtChanged, StopRequested
from service.media.expectation import expectation
from service.policy import Policy
from service.recording import Parameters, Recording


def wanted(recording: Recording) -> tuple[float, float]:
    window = expectation(recording).wanted
    return window.from_at - NOW, (window.to_at or 0) - NOW


@pytest.mark.parametrize(
    ("asked", "window"),
    [
        ({"start_at": NOW + 60, "stop_at": NOW + 80}, (62, 80)),
        ({"start_at": NOW + 60, "stop_at": NOW + 100}, (64, 100)),
        ({"start_at": NOW + 60, "stop_at": NOW + 660}, (90, 660)),
        ({"stop_at": NOW + 40}, (30, 40)),
        ({"stop_at": NOW + 600}, (30, 600)),
    ],
    ids=["20 s", "40 s", "10 min", "from the request", "long from the request"],
)
def test_at_most_a_tenth_of_a_planned_window_is_not_missed(asked: dict[str, Any], window: tuple[float, float]) -> None:
    assert wanted(Driver(make(**asked)).run()) == pytest.approx(window)


def test_a_smaller_allowance_of_the_settings_stays() -> None:
    asked = make(start_at=NOW + 60, stop_at=NOW + 100, policy=Policy(start_allowance_seconds=1))
    assert wanted(Driver(asked).run()) == pytest.approx((61, 100))


def test_the_stop_time_that_stands_at_the_end_counts() -> None:
    driver = Driver(make(start_at=NOW + 60, stop_at=NOW + 100))
    driver.request(70, StopAtChanged(NOW + 660))
    assert wanted(driver.run()) == pytest.approx((90, 660))


def test_a_stop_of_a_caller_within_the_allowance_leaves_nothing_wanted() -> None:
    driver = Driver()
    driver.request(20, StopRequested())
    assert wanted(driver.run()) == pytest.approx((20, 20), abs=1)


def test_a_length_counts_from_its_beginning_as_before() -> None:
    lived = Driver(make(record_for_seconds=20.0)).run()
    begin, end = wanted(lived)
    assert end - begin == pytest.approx(20)
    assert lived.policy.start_allowance_seconds == 30


def test_one_on_hold_that_was_never_resumed_wants_nothing() -> None:
    held = make(stop_at=NOW + 100, parameters=Parameters(max_recording_hour=1, onhold=True))
    assert apply(replace(held), StopRequested(), NOW + 5).recording.window_from_at is None
    begin, end = wanted(Driver(held).run())
    assert begin == end
