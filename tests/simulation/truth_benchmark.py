"""How often is the final verdict wrong? A storm of recordings for Pagereel and three baselines, judged by the world.

`python -m tests.simulation.truth_benchmark 10000` prints the table of docs/reliability.md.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

import orjson

from tests.simulation.agora import Fate, Task
from tests.simulation.baselines import BASELINES, Baseline
from tests.simulation.ground import Ground
from tests.simulation.lessons import Lesson
from tests.simulation.many import in_processes
from tests.simulation.promises import Promises
from tests.simulation.recorder import Damage
from tests.simulation.truth import truth_of
from tests.simulation.weather import Weather
from tests.simulation.world import World

CHUNK = 50
ALLOWED = 5.0
STORM = Weather(
    dropped=0.10, doubled=0.10, reordered=0.20, hours_late=0.05, fails_over=0.02, file_lost=0.02, stop_muted=0.01
)
SYSTEMS = ("Pagereel", "callbacks only", "stop answer only", "poll only")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One recording of one system. `true` None: it cannot be told for certain, so no verdict is wrong."""

    system: str
    said: bool | None
    true: bool | None

    @property
    def wrong(self) -> bool:
        return self.true is not None and self.said is not self.true


class StormWorld(World):
    """The storm: every system's recording of a lesson meets the same fate."""

    def __init__(self, ground: Ground, seed: int, lessons: list[Lesson]) -> None:
        super().__init__(ground, seed, replace(STORM), lessons)
        self._seed = seed
        self.baselines: dict[str, Baseline] = {}
        for lesson in lessons:
            for make in BASELINES:
                one = make(self, lesson)
                self.baselines[one.cname] = one
        self.first_tasks.extend(one.run for one in self.baselines.values())

    def fate(self, cname: str) -> Fate:
        baseline = self.baselines.get(cname)
        lesson = baseline._lesson if baseline is not None else self.lesson_of(cname)
        assert lesson is not None
        random = Random(f"fate {self._seed} {lesson.number}")
        fate = Fate(ready_seconds=random.uniform(2, 8))
        slices = int(lesson.length / 15)
        if random.random() < STORM.fails_over:
            fate.fails_over = (random.uniform(20, lesson.length - 20), random.uniform(15, 85), random.random() < 0.3)
        if random.random() < STORM.file_lost:
            number = random.randrange(slices)
            kind = random.choice(("lost", "cut", "playlist"))
            lost, cut = {number} if kind == "lost" else set(), {number} if kind == "cut" else set()
            fate.damage = Damage(lost=lost, cut=cut, playlist_lost=kind == "playlist")
        return fate

    async def _deliver(self, body: bytes, signature: str) -> str:
        said = orjson.loads(body)
        baseline = self.baselines.get(said["payload"]["cname"])
        if baseline is None:
            return await super()._deliver(body, signature)
        baseline.notice(said)
        return "taken"


def play_storm(ground: Ground, seed: int, recordings: int) -> list[Outcome]:
    """So many lessons, each recorded by every system. Raises where one of Pagereel's promises is broken."""
    random = Random(f"storm {seed}")
    lessons = [Lesson(number, random.uniform(0, 240), random.uniform(60, 240)) for number in range(recordings)]
    world = StormWorld(ground, seed, lessons)
    promises = Promises(world)
    world.run()
    promises.check()
    if world.story.broken:
        raise AssertionError(f"storm {seed}: {world.story.broken[:5]}")
    states = dict(ground.raw.execute("SELECT id, state FROM recordings"))
    found = [
        Outcome(SYSTEMS[0], states[lesson.id] == "verified", _true(lesson, world.tasks_of(lesson), world.now))
        for lesson in lessons
    ]
    for one in world.baselines.values():
        lesson = replace(one._lesson, asked=one.asked, stopped=one.stopped)
        found.append(Outcome(one.name, one.complete, _true(lesson, [one.task], world.now)))
    return found


def _true(lesson: Lesson, tasks: list[Task], at: float) -> bool | None:
    truth = truth_of(lesson, tasks, at)
    if truth.whole is False or truth.least > ALLOWED or not truth.media:
        return False
    return True if truth.whole and truth.most <= ALLOWED else None


def _play(seeds: list[tuple[int, int]]) -> list[Outcome]:
    with Ground() as ground:
        return [one for seed, recordings in seeds for one in play_storm(ground, seed, recordings)]


def run(recordings: int, jobs: int) -> list[Outcome]:
    """Play `recordings` of each system in `jobs` processes."""
    work = [[(seed, min(CHUNK, recordings - seed * CHUNK))] for seed in range(-(-recordings // CHUNK))]
    return [one for found in in_processes(jobs, _play, work) for one in found]


def table(outcomes: Iterable[Outcome]) -> str:
    """Markdown: one row a system."""
    rows = [
        "| system | recordings | wrong | said complete, was not | said incomplete, was not | no verdict | undecidable |"
    ]
    rows.append("|---|---|---|---|---|---|---|")
    counts: Counter[tuple[str, str]] = Counter()
    for one in outcomes:
        counts[one.system, "all"] += 1
        counts[one.system, "open"] += one.true is None
        if one.wrong:
            counts[one.system, "wrong"] += 1
            counts[one.system, {True: "false yes", False: "false no", None: "none"}[one.said]] += 1
    for system in SYSTEMS:
        numbers = [counts[system, what] for what in ("all", "wrong", "false yes", "false no", "none", "open")]
        rows.append(f"| {system} | {' | '.join(f'{number:,}' for number in numbers)} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.truth_benchmark", description=__doc__)
    parser.add_argument("recordings", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    began = time.monotonic()
    outcomes = run(asked.recordings, asked.jobs)
    print(table(outcomes))
    print(f"{asked.recordings} recordings a system in {(time.monotonic() - began) / 60:.1f} min")
    return any(one.wrong for one in outcomes if one.system == SYSTEMS[0])


if __name__ == "__main__":
    sys.exit(main())
