"""A guard that is taken away is missed: some seed then breaks a promise that it keeps with the guard in place."""

import pytest

from tests.simulation.ground import Ground
from tests.simulation.guards import GUARDS
from tests.simulation.simulate import play
from tests.simulation.world import World

MOST_SEEDS = 400
# The promise that is broken without it.
MISSED = {
    "write-ahead": "I2",
    "fencing": "I2",
    "dedupe": "I6",
    "failover window": "I1",
    "stop beats restart": "I2",
}


def test_every_guard_is_tried() -> None:
    assert set(MISSED) == set(GUARDS)


# The fence is missed by one seed in about sixty only: too long a search for every day.
SEARCHED = [pytest.param(name, marks=pytest.mark.proof) if name == "fencing" else name for name in GUARDS]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SEARCHED)
def test_without_a_guard_a_seed_is_found_that_breaks_a_promise(ground: Ground, name: str) -> None:
    guard = GUARDS[name]
    with guard.taken_away(ground) as take_away:

        def change(world: World) -> None:
            guard.weather(world)
            take_away(world)

        every = (play(ground, seed, change=change) for seed in range(MOST_SEEDS))
        found = next((one for one in every if any(each.startswith(MISSED[name]) for each in one.broken)), None)
    assert found is not None, f"nobody missed {name} in {MOST_SEEDS} seeds"
    kept = play(ground, found.seed, change=guard.weather)
    assert not kept.broken, kept.story
