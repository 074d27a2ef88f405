"""A wanted stop waits neither for an answer that is wrong nor behind a call that hangs nor out of turn."""

import os

import pytest

from tests.simulation.ground import Ground
from tests.simulation.stops import (
    FAULTS,
    Measured,
    Trial,
    measure,
    play_crowd,
    play_overtaken,
    play_trial,
    share_of,
    trials,
)

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
STOPS = 5_000
CROWD = 200
STEPS_AT_MOST = 5_000
P99_SECONDS, MOST_SECONDS = 5.0, 10.0
# What Agora's budget allows, and how much longer a stop may wait.
PER_SECOND, SLACK_SECONDS = 8, 5


def _kept(measured: Measured) -> None:
    assert not measured.broken, measured.broken[:3]
    assert not measured.untaken
    assert set(measured.waited) == set(FAULTS)
    assert share_of(measured.all, 0.99) <= P99_SECONDS, measured.said()
    assert share_of(measured.all, 1) <= MOST_SECONDS, measured.said()


def test_a_stop_waits_neither_for_a_wrong_answer_nor_behind_a_call_that_hangs(ground: Ground) -> None:
    measured = Measured()
    for seed in range(4):
        measured.add(play_trial(ground, Trial(seed, notices=seed != 3)))
    _kept(measured)


def test_no_kill_amid_such_stops_leaves_a_task_or_makes_a_second_one(ground: Ground) -> None:
    for seed in range(3):
        assert not play_trial(ground, Trial(seed, kills=True)).broken


@pytest.mark.parametrize("outcome", ["hung", "silent"])
def test_a_stop_that_overtakes_a_hanging_start_survives_a_kill_before_some_callbacks(
    ground: Ground, outcome: str
) -> None:
    assert not play_overtaken(ground, outcome)[1]
    for step in range(11, 500, 61):
        assert not play_overtaken(ground, outcome, step)[1]


def test_stops_that_wait_for_the_budget_go_oldest_first_and_as_fast_as_it_allows(ground: Ground) -> None:
    _in_turn(play_crowd(ground, 40))


def _in_turn(stops: list[tuple[float, float]]) -> None:
    waited = [obeyed - accepted for accepted, obeyed in stops]
    assert max(waited) <= len(stops) / PER_SECOND + SLACK_SECONDS
    for number, (_, obeyed) in enumerate(stops):
        overtaken_by = sum(later < obeyed for _, later in stops[number + 1 :])
        assert overtaken_by <= PER_SECOND * SLACK_SECONDS / 2, "a call may take longer than another, and no more"


@pytest.mark.proof
def test_proof_5000_stops_that_meet_wrong_answers_and_hanging_calls_are_obeyed_in_time() -> None:
    measured = measure(trials(round(STOPS * SCALE)), jobs=2)
    print(f"\n{measured.said()}")
    _kept(measured)


@pytest.mark.proof
def test_proof_kills_amid_5000_such_stops_leave_no_task_and_make_no_second_one() -> None:
    measured = measure(trials(round(STOPS * SCALE), kills=True), jobs=2)
    assert not measured.broken, measured.broken[:3]


@pytest.mark.proof
@pytest.mark.parametrize("outcome", ["hung", "silent"])
def test_proof_a_stop_overtakes_a_hanging_start_whatever_callback_the_process_is_killed_before(
    ground: Ground, outcome: str
) -> None:
    step, reached = 0, True
    while reached:
        step += max(1, round(1 / SCALE))
        assert step < STEPS_AT_MOST
        reached, broken = play_overtaken(ground, outcome, step)
        assert not broken


@pytest.mark.proof
def test_proof_200_stops_at_once_go_oldest_first_and_as_fast_as_the_budget_allows(ground: Ground) -> None:
    _in_turn(play_crowd(ground, max(40, round(CROWD * SCALE))))
