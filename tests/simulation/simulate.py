"""One seed, played and judged."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.ground import Ground
from tests.simulation.lessons import Lesson
from tests.simulation.promises import Promises
from tests.simulation.weather import Weather
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a seed. `broken`: which promises were broken, none if all is well."""

    seed: int
    weather: str
    story: str
    broken: tuple[str, ...]
    seconds: float
    states: tuple[str, ...]
    tasks: int


def play(ground: Ground, seed: int, *, change: Callable[[World], None] = lambda world: None) -> Played:
    """Play one seed. `change` alters the world before anything happens in it: that is how a guard is taken away."""
    random = Random(f"plan {seed}")
    weather = Weather.draw(random)
    weather.stalls = Random(f"stall {seed}").choice((0, 0, 0, 0, 0, 0.3, 0.8))
    weather.stalled_calls = Random(f"stalled {seed}").choice((0, 0, 0, 0, 0.02, 0.1))
    weather.slow = Random(f"slow {seed}").choice((0, 0, 0, 0, 0.1, 0.6))
    weather.hung = Random(f"hung {seed}").choice((0, 0, 0, 0, 0.1, 0.3))
    weather.misses = Random(f"misses {seed}").choice((0, 0, 0, 0, 0.3, 0.8))
    weather.clock_steps = Random(f"clock {seed}").choice((0, 0, 0, 0, 0.5, 1))
    lessons = [Lesson.draw(number, random) for number in range(random.choice((1, 1, 1, 2)))]
    world = World(ground, seed, weather, lessons)
    promises = Promises(world)
    change(world)
    world.run()
    promises.check()
    states = tuple(state for (state,) in ground.raw.execute("SELECT state FROM recordings ORDER BY id"))
    return Played(
        seed, weather.said(), world.story.read(), tuple(world.story.broken), world.now, states, len(world.agora.tasks)
    )
