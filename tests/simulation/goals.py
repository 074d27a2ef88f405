"""What the goals G3, G4, G5 and G8 of docs/reliability.md count, measured on worlds made for it.

`python -m tests.simulation.goals 10000` prints how many starts went unanswered, how soon each task that came of one was
known, and how long tasks ran on after their stop was accepted.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.ground import Ground
from tests.simulation.lessons import Lesson
from tests.simulation.many import in_processes
from tests.simulation.promises import Promises
from tests.simulation.weather import Weather
from tests.simulation.world import World

CHUNK = 10
# What becomes of a start so that nobody learns its outcome, and of a stop that goes wrong.
UNCLEAR = ("muted", "late", "halfway", "lost")
WRONG = ("muted", "late", "halfway", "lost", "busy", "refused")
AGAIN = 0.4  # how often the same befalls a repeated call where processes are killed too; else none is


@dataclass
class Counted:
    """Seconds are of virtual time. `known_after`: from a task's beginning until its sid is in the books. `ran_on`: from
    the accepted stop, or from then on if that is later, until the task takes the stop."""

    faults: int = 0
    tasks: int = 0
    known_after: list[float] = field(default_factory=list)
    ran_on: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, other: "Counted") -> None:
        self.faults += other.faults
        self.tasks += other.tasks
        self.known_after += other.known_after
        self.ran_on += other.ran_on
        self.broken += other.broken

    def said(self) -> str:
        known, ran = sorted(self.known_after), sorted(self.ran_on)
        return (
            f"{self.faults:,} faults, {self.tasks:,} tasks, {len(self.broken)} broken;"
            f" known after p99 {_share(known, 0.99):.1f} s, at most {_share(known, 1):.1f} s;"
            f" ran on for p99 {_share(ran, 0.99):.1f} s, at most {_share(ran, 1):.1f} s"
        )


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass(frozen=True)
class Trial:
    """One world. `verb`: the calls that go wrong. `notices`: whether any come."""

    seed: int
    recordings: int
    verb: str
    notices: bool
    kills: bool = False


def play_trial(ground: Ground, trial: Trial) -> Counted:
    random = Random(f"goals {trial}")
    weather = Weather(
        dropped=0.0 if trial.notices else 1.0, kills=0.5 if trial.kills else 0.0, workers=1 + trial.seed % 2
    )
    lessons = [Lesson(n, random.uniform(0, 90), random.uniform(80, 140)) for n in range(trial.recordings)]
    world = World(ground, trial.seed, weather, lessons)
    promises, counted, known = Promises(world), Counted(), {}
    world._way = _troubled(world, trial.verb, AGAIN if trial.kills else 0, counted)  # type: ignore[method-assign]

    def look() -> None:
        for (sid,) in ground.raw.execute("SELECT sid FROM attempts WHERE sid IS NOT NULL"):
            known.setdefault(sid, world.now)

    world.watchers.append(look)
    world.run()
    promises.check()
    counted.broken = [f"{trial}: {one}" for one in world.story.broken]
    if not trial.kills:
        _measure(world, known, counted)
    counted.tasks = len(world.agora.tasks)
    return counted


def _troubled(world: World, verb: str, later: float, counted: Counted) -> Callable[[str], str]:
    """The first call of that kind for each recording goes wrong, and later ones at times."""
    way, seen, random = world._way, set[str](), Random(f"trouble {world.seed}")

    def troubled(url: str) -> str:
        if not url.endswith(f"/{verb}"):
            return way(url)
        cname = world.agora.cname_of(url)
        again = cname in seen
        seen.add(cname)
        if again and random.random() >= later:
            return ""
        counted.faults += 1
        return random.choice(UNCLEAR if verb == "start" else WRONG)

    return troubled


def _measure(world: World, known: dict[str, float], counted: Counted) -> None:
    for lesson in world.lessons:
        for task in world.tasks_of(lesson):
            over = task.stopping_at if task.stopping_at is not None else task.ended_at
            known_at = known.get(task.sid)
            if known_at is None or over is None:
                counted.broken.append(f"seed {world.seed}: a task was never known: {task.sid[:6]}")
                continue
            counted.known_after.append(known_at - task.made_at)
            if lesson.stopped is not None:
                counted.ran_on.append(max(0.0, over - max(lesson.stopped[1], known_at)))


def _play(trials: list[Trial]) -> Counted:
    counted = Counted()
    with Ground() as ground:
        for trial in trials:
            counted.add(play_trial(ground, trial))
    return counted


def count(trials: Iterable[Trial], jobs: int) -> Counted:
    """All of them, in so many processes."""
    counted, every = Counted(), list(trials)
    for done in in_processes(jobs, _play, [every[first : first + 4] for first in range(0, len(every), 4)]):
        counted.add(done)
    return counted


def trials(recordings: int, verb: str, *, notices: bool, kills: bool = False) -> list[Trial]:
    """Worlds of `CHUNK` recordings each."""
    seeds = range(-(-recordings // CHUNK))
    return [Trial(seed, min(CHUNK, recordings - seed * CHUNK), verb, notices, kills) for seed in seeds]


def play_killed_at(ground: Ground, step: int) -> tuple[bool, list[str]]:
    """One recording whose process is killed before its callback number `step`; whether it came that far, and what was
    broken."""
    lesson = Lesson(0, 0.5, 40.0)
    world = World(ground, 1, Weather(), [lesson])
    promises, boot, reached = Promises(world), world._boot, False

    def kill() -> None:
        nonlocal reached
        reached = True
        world._kill(world.processes[0])

    def booted(number: int) -> None:
        boot(number)
        if not reached:
            world.processes[0].at_step[step] = kill

    world._boot = booted  # type: ignore[method-assign]
    world.run()
    promises.check()
    return reached, [f"killed before callback {step}: {one}" for one in world.story.broken]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.goals", description=__doc__)
    parser.add_argument("starts", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    broken = 0
    for name, verb, share, more in (
        ("unclear starts, with notices", "start", 0.4, {"notices": True}),
        ("unclear starts, bucket alone", "start", 0.4, {"notices": False}),
        ("unclear starts and kills", "start", 0.2, {"notices": True, "kills": True}),
        ("stops that go wrong", "stop", 0.1, {"notices": True}),
    ):
        counted = count(trials(round(asked.starts * share), verb, **more), asked.jobs)
        print(f"{name}: {counted.said()}", *counted.broken[:5], sep="\n  ")
        broken += len(counted.broken)
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
