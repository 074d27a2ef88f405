"""Goals of docs/reliability.md, counted on virtual time: unclear starts, stops that go wrong, a kill anywhere."""

import os

import pytest

from tests.simulation.goals import Counted, Trial, count, play_killed_at, play_trial, trials
from tests.simulation.ground import Ground

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
STARTS = 10_000
STOPS = 1_000
STEPS_AT_MOST = 5_000


def _kept(counted: Counted, *, known_within: float) -> None:
    assert not counted.broken, counted.broken[:3]
    assert max(counted.known_after) <= known_within, counted.said()
    assert sorted(counted.ran_on)[int(len(counted.ran_on) * 0.99)] <= 15, counted.said()


def test_an_unclear_start_is_known_within_30_seconds_and_stopped_within_15(ground: Ground) -> None:
    _kept(play_trial(ground, Trial(1, 10, "start", notices=True)), known_within=30)


def test_from_the_bucket_alone_an_unclear_start_is_known_within_60_seconds(ground: Ground) -> None:
    _kept(play_trial(ground, Trial(1, 10, "start", notices=False)), known_within=60)


def test_no_stop_that_goes_wrong_lets_a_task_run_on(ground: Ground) -> None:
    counted = play_trial(ground, Trial(1, 10, "stop", notices=True))
    assert counted.faults == 10
    assert not counted.broken
    assert max(counted.ran_on) < 60


@pytest.mark.parametrize("first", range(1, 5))
def test_killed_before_some_callbacks_it_ends_well(ground: Ground, first: int) -> None:
    for step in range(first * 7, 700, 90):
        _, broken = play_killed_at(ground, step)
        assert not broken


@pytest.mark.proof
@pytest.mark.parametrize(("share", "notices", "kills"), [(0.4, True, False), (0.4, False, False), (0.2, True, True)])
def test_proof_10000_unclear_starts_make_no_second_task_and_each_is_known_in_time(
    share: float, notices: bool, kills: bool
) -> None:
    counted = count(trials(round(STARTS * share * SCALE), "start", notices=notices, kills=kills), jobs=2)
    print(f"\n{counted.said()}")
    assert not counted.broken, counted.broken[:3]
    if not kills:
        _kept(counted, known_within=30 if notices else 60)


@pytest.mark.proof
def test_proof_1000_stops_that_go_wrong_leave_no_task_running_on() -> None:
    counted = count(trials(round(STOPS * SCALE), "stop", notices=True), jobs=2)
    print(f"\n{counted.said()}")
    assert not counted.broken, counted.broken[:3]
    assert max(counted.ran_on) < 60


@pytest.mark.proof
def test_proof_killed_before_any_callback_it_ends_well(ground: Ground) -> None:
    step, reached = 0, True
    while reached:
        step += max(1, round(1 / SCALE))
        assert step < STEPS_AT_MOST
        reached, broken = play_killed_at(ground, step)
        assert not broken
    print(f"\nkilled before each of {step} callbacks")
