"""Goals of docs/reliability.md, counted on virtual time: unclear starts, stops that go wrong, a kill anywhere."""

import os
from typing import Any

import pytest

from metrics import REGISTRY
from tests.simulation.goals import Counted, Trial, count, play_killed_at, play_trial, trials
from tests.simulation.ground import Ground
from tests.simulation.lessons import Lesson
from tests.simulation.promises import Promises
from tests.simulation.weather import Weather
from tests.simulation.world import World

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


def test_beyond_the_budget_the_watch_period_stretches_and_nothing_else_suffers(ground: Ground) -> None:
    """Fifteen recordings that are to be asked after every 30 s, and room for a call every four seconds."""
    lessons = [Lesson(number, number * 20.0, 500.0 + number) for number in range(15)]
    world = World(ground, 1, Weather(dropped=1.0), lessons)
    timing = world.settings.timing.model_copy(update={"watch_seconds": 30.0})
    limits = world.settings.limits.model_copy(update={"requests_per_second": 0.25})
    world.settings = world.settings.model_copy(update={"timing": timing, "limits": limits})
    promises, arrive, queries = Promises(world), world.agora.call, list[float]()

    def call(path: str, *about: Any, **more: Any) -> Any:
        queries.extend([world.now] if path.endswith("/query") else [])
        return arrive(path, *about, **more)

    world.agora.call = call  # type: ignore[method-assign]
    name, query = "pagereel_agora_rate_limit_timeouts_total", {"operation": "query"}
    before = REGISTRY.get_sample_value(name, query) or 0
    world.run()
    promises.check()
    assert not world.story.broken
    states = {state for (state,) in ground.raw.execute("SELECT state FROM recordings")}
    assert states <= {"verified", "defective"}, "a start that waits for its place may be late"
    busy = [at for at in queries if 320 <= at < 500]
    assert 0.6 * 0.25 * 180 <= len(busy) <= 0.25 * 180 + 2, "all the room is used, and no more"
    assert (REGISTRY.get_sample_value(name, query) or 0) > before, "the metric says so"
