"""Time goes on though somebody sets the machine's clock."""

import time

import pytest

from pagereel.clock import BELIEVED_AFTER_SECONDS, SteadyClock


class Machine:
    def __init__(self) -> None:
        self.wall, self.boot = 1_700_000_000.0, 12.0
        self.clock = SteadyClock(lambda: self.wall, lambda: self.boot)

    def passes(self, seconds: float) -> float:
        self.wall += seconds
        self.boot += seconds
        return self.clock()


@pytest.mark.parametrize("step", [3600.0, -3600.0, 5.0, -5.0])
def test_a_step_that_is_taken_back_moves_nothing(step: float) -> None:
    machine = Machine()
    machine.wall += step
    assert machine.passes(10) == 1_700_000_010
    assert machine.passes(BELIEVED_AFTER_SECONDS - 20) == 1_700_000_290
    machine.wall -= step
    assert machine.passes(1) == 1_700_000_291
    machine.wall += step
    assert machine.passes(BELIEVED_AFTER_SECONDS - 1) == 1_700_000_590, "the next step is waited for anew"


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_that_lasts_is_followed(step: float) -> None:
    machine = Machine()
    machine.wall += step
    machine.clock()
    assert machine.passes(BELIEVED_AFTER_SECONDS) == 1_700_000_300 + step
    assert machine.passes(1) == 1_700_000_301 + step


def test_what_a_clock_is_out_by_little_by_little_is_followed_at_once() -> None:
    machine = Machine()
    for _ in range(100):
        machine.wall += 0.5
        machine.passes(60)
    assert machine.clock() == 1_700_006_050


def test_it_is_this_machines_time() -> None:
    assert abs(SteadyClock()() - time.time()) < 1
