"""How long a wanted stop waits, measured on worlds in which calls hang and Agora's answers to a stop are wrong.

`python -m tests.simulation.stops 1000` prints by fault how many seconds pass until the stop request arrives that Agora
obeys. They count from the instant at which the stop is accepted and the task can be addressed: its sid lies open in an
answer, in a notification, or in the name of an object.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.agora import Fate, Task
from tests.simulation.ground import Ground
from tests.simulation.lessons import Lesson
from tests.simulation.many import in_processes
from tests.simulation.promises import Promises
from tests.simulation.weather import Weather
from tests.simulation.world import World

# Each recording of a world meets one of these.
FAULTS = (
    "none",
    "404 while alive, once",
    "404 while alive, twice",
    "ignored with 200, once",
    "ignored with 200, twice",
    "hanging stop",
    "hanging query",
    "hanging start, which took effect",
    "hanging start, which never arrived",
    "hanging start, repeated",
    "late start",
)
KILLED = 0.5  # the share of processes that are killed, where any are


@dataclass
class Measured:
    """Seconds of virtual time by fault. `untaken`: tasks that ended without a stop, in spite of one."""

    waited: dict[str, list[float]] = field(default_factory=dict)
    untaken: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, other: "Measured") -> None:
        for fault, seconds in other.waited.items():
            self.waited.setdefault(fault, []).extend(seconds)
        self.untaken += other.untaken
        self.broken += other.broken

    @property
    def all(self) -> list[float]:
        return sorted(seconds for each in self.waited.values() for seconds in each)

    def said(self) -> str:
        rows = [(fault, sorted(self.waited[fault])) for fault in FAULTS if fault in self.waited]
        lines = [f"{'fault':36} {'stops':>6} {'p50':>6} {'p99':>6} {'most':>6}"]
        for fault, seconds in [*rows, ("all", self.all)]:
            figures = " ".join(f"{share_of(seconds, share):6.1f}" for share in (0.5, 0.99, 1))
            lines.append(f"{fault:36} {len(seconds):6} {figures}")
        return "\n".join([*lines, f"{self.untaken} tasks ended without a stop, {len(self.broken)} promises broken"])


def share_of(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass(frozen=True)
class Trial:
    """One world, in which each fault befalls one recording. `kills`: processes are killed as well."""

    seed: int
    notices: bool = True
    kills: bool = False


def play_trial(ground: Ground, trial: Trial) -> Measured:
    random = Random(f"stops {trial}")
    weather = Weather(
        dropped=0.0 if trial.notices else 1.0, kills=KILLED if trial.kills else 0.0, workers=1 + trial.seed % 2
    )
    world = World(ground, trial.seed, weather, [_lesson(number, random) for number in range(len(FAULTS))])
    promises = Promises(world)
    _trouble(world, random)
    world.run()
    promises.check()
    measured = Measured(broken=[f"{trial}: {one}" for one in world.story.broken])
    for lesson in world.lessons:
        for task in world.tasks_of(lesson):
            _measure(measured, lesson, task)
    return measured


def play_crowd(ground: Ground, number: int) -> list[tuple[float, float]]:
    """So many recordings are stopped within a second; when each stop was accepted and obeyed, in the order of the
    first. The account's budget of calls is all that holds them up."""
    random = Random(f"crowd {number}")
    lessons = [Lesson(one, random.uniform(0, number / 4), 0) for one in range(number)]
    for lesson in lessons:
        lesson.length = number / 2 + 60 - lesson.asks_at + random.uniform(0, 1)
    world = World(ground, number, Weather(), lessons)
    promises = Promises(world)
    world.run()
    promises.check()
    assert not world.story.broken, world.story.broken[:3]
    obeyed = [
        (lesson.stopped[1], task.obeyed_at)
        for lesson in lessons
        for task in world.tasks_of(lesson)
        if lesson.stopped is not None and task.obeyed_at is not None
    ]
    return sorted(obeyed)


def play_overtaken(ground: Ground, outcome: str, kill_at: int | None = None) -> tuple[bool, list[str]]:
    """One recording is stopped while its start hangs: `hung` took effect, `silent` did not. Its process is killed
    before its callback number `kill_at`; whether it came that far, and what was broken."""
    world = World(ground, 1, Weather(), [Lesson(0, 0.5, 7.0)])
    promises, way, boot, started, reached = Promises(world), world._way, world._boot, [0], [False]

    def hanging_way(url: str) -> str:
        if not url.endswith("/start"):
            return way(url)
        started[0] += 1
        return outcome if started[0] == 1 else ""

    def kill() -> None:
        reached[0] = True
        world._kill(world.processes[0])

    def booted(number: int) -> None:
        boot(number)
        if kill_at is not None and not reached[0]:
            world.processes[0].at_step[kill_at] = kill

    world._way, world._boot = hanging_way, booted  # type: ignore[method-assign]
    world.run()
    promises.check()
    running = [task.sid for task in world.agora.tasks if task.live]
    broken = [*world.story.broken, *(f"left running: {sid}" for sid in running)]
    return reached[0], [f"{outcome}, killed before callback {kill_at}: {one}" for one in broken]


def _lesson(number: int, random: Random) -> Lesson:
    """Recordings whose start or query hangs are stopped while it does."""
    fault = FAULTS[number]
    hangs = "start" in fault or "query" in fault
    lesson = Lesson(number, random.uniform(0, 60), random.uniform(6, 30) if hangs else random.uniform(20, 90))
    lesson.stops_by_itself = random.random() < 0.25
    return lesson


def _trouble(world: World, random: Random) -> None:
    way, fate, seen = world._way, world.fate, dict[tuple[str, str], int]()

    def troubled_way(url: str) -> str:
        verb = url.rpartition("/")[2]
        if verb not in ("start", "query", "stop"):
            return way(url)
        cname = world.agora.cname_of(url.partition("//")[2])
        lesson = world.lesson_of(cname)
        fault = "none" if lesson is None else FAULTS[lesson.number]
        number = seen[cname, verb] = seen.get((cname, verb), 0) + 1
        if verb == "stop" and fault == "hanging stop" and number == 1:
            return random.choice(("hung", "silent"))
        if verb == "query" and fault == "hanging query" and number <= 3:
            return "silent"
        if verb == "start" and number == 1:
            return _FIRST_START.get(fault, "")
        if verb == "start" and fault == "hanging start, repeated" and number <= 3:
            return "silent"
        return ""

    def troubled_fate(cname: str) -> Fate:
        drawn, lesson = fate(cname), world.lesson_of(cname)
        fault = "none" if lesson is None else FAULTS[lesson.number]
        times = 2 if fault.endswith("twice") else 1
        drawn.misses_stops = times if fault.startswith("404") else 0
        drawn.deaf_to_stops = times if fault.startswith("ignored") else 0
        return drawn

    world._way, world.fate = troubled_way, troubled_fate  # type: ignore[method-assign]
    world.agora._fates = troubled_fate


_FIRST_START = {
    "hanging start, which took effect": "hung",
    "hanging start, which never arrived": "silent",
    "hanging start, repeated": "hung",
    "late start": "late",
}


def _measure(measured: Measured, lesson: Lesson, task: Task) -> None:
    ends = [lesson.stop_at] if lesson.stop_at is not None else []
    ends += [lesson.stopped[1]] if lesson.stopped is not None else []
    if not ends:
        return
    if task.obeyed_at is None:
        measured.untaken += 1
        return
    open_at = addressable_at(task)
    wanted_at = max(min(ends), open_at if open_at is not None else task.obeyed_at)
    measured.waited.setdefault(FAULTS[lesson.number], []).append(max(0.0, task.obeyed_at - wanted_at))


def addressable_at(task: Task) -> float | None:
    """When its sid first lay open, to whoever looked."""
    arrivals = [one.arrives_at for recorder in task.recorders for one in recorder.slices if one.arrives_at is not None]
    return min([*arrivals, *([] if task.exposed_at is None else [task.exposed_at])], default=None)


def trials(stops: int, *, kills: bool = False) -> list[Trial]:
    """As many worlds as it takes for so many stops; in every fourth no notification arrives."""
    return [Trial(seed, notices=seed % 4 != 3, kills=kills) for seed in range(-(-stops // len(FAULTS)))]


def measure(wanted: Iterable[Trial], jobs: int) -> Measured:
    """All of them, in so many processes."""
    measured, every = Measured(), list(wanted)
    for done in in_processes(jobs, _play, [every[first : first + 8] for first in range(0, len(every), 8)]):
        measured.add(done)
    return measured


def _play(some: list[Trial]) -> Measured:
    measured = Measured()
    with Ground() as ground:
        for trial in some:
            measured.add(play_trial(ground, trial))
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.stops", description=__doc__)
    parser.add_argument("stops", type=int)
    parser.add_argument("--kills", action="store_true", help="kill processes meanwhile")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    measured = measure(trials(asked.stops, kills=asked.kills), asked.jobs)
    print(measured.said(), *measured.broken[:5], sep="\n")
    return bool(measured.broken)


if __name__ == "__main__":
    # A spawned process imports by name, which it cannot do with what is called `__main__`.
    from tests.simulation.stops import main as imported

    sys.exit(imported())
