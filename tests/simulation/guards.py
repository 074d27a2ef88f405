"""The guards that the service relies on, taken away one at a time, from outside: a statement is rewritten on its way,
an interval of the policy is made nothing, a seam lets through what the real one would not.

Each is a change of the world for `play`; `sql` rewrites every statement while it lasts.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import orjson
import sqlalchemy as sa

from service.lifecycle.change import Draft
from service.lifecycle.observations import Start
from service.worker.store import Task, Work
from tests.simulation.ground import Ground
from tests.simulation.process import Process
from tests.simulation.weather import Weather
from tests.simulation.world import World


@contextmanager
def without_write_ahead(ground: Ground) -> Iterator[Callable[[World], None]]:
    """A start is written down when it is reported, not before it is sent."""
    claim, report = Work.claim, Work.report
    taken: dict[tuple[str, int], str] = {}

    async def claim_only(work: Work, *about: Any) -> list[Task]:
        before = dict(ground.raw.execute("SELECT id, document FROM recordings").fetchall())
        tasks = await claim(work, *about)
        for task in tasks:
            if isinstance(task.step, Start):
                key = task.recording.id, task.fence
                taken[key] = ground.raw.execute("SELECT document FROM recordings WHERE id = ?", key[:1]).fetchone()[0]
                version = orjson.loads(taken[key])["version"]
                old = orjson.dumps({**orjson.loads(before[key[0]]), "version": version}).decode()
                ground.raw.execute("UPDATE recordings SET document = ? WHERE id = ?", (old, key[0]))
        return tasks

    async def report_both(work: Work, task: Task, *about: Any) -> Any:
        document = taken.pop((task.recording.id, task.fence), None)
        if document is not None:
            version = orjson.loads(document)["version"]
            ground.raw.execute(
                "UPDATE recordings SET document = ? WHERE id = ? AND version = ?",
                (document, task.recording.id, version),
            )
        return await report(work, task, *about)

    def forget(world: World) -> None:
        taken.clear()
        # The books are wrong on purpose: is it noticed by what happens?
        world.before_call = lambda verb, path, said: None

    with mock.patch.object(Work, "claim", claim_only), mock.patch.object(Work, "report", report_both):
        yield forget


@contextmanager
def without_fencing(ground: Ground) -> Iterator[Callable[[World], None]]:
    """A worker that lost its lease saves all the same."""
    with _rewritten(ground, "AND recordings.fence = ?", "AND recordings.fence >= 0 * ?"):
        yield lambda world: None


@contextmanager
def without_dedupe(ground: Ground) -> Iterator[Callable[[World], None]]:
    """Each delivery of a notice is stored as another one."""
    numbers = itertools.count()

    def change(world: World) -> None:
        world.on_notice = lambda notice: notice._replace(notice_id=f"{notice.notice_id}#{next(numbers)}")

    yield change


@contextmanager
def without_failover_window(ground: Ground) -> Iterator[Callable[[World], None]]:
    """Agora's 404 is believed at once."""

    def change(world: World) -> None:
        timing = world.settings.timing.model_copy(update={"failover_window_seconds": 0.0})
        world.settings = world.settings.model_copy(update={"timing": timing})

    yield change


@contextmanager
def without_stop_first(ground: Ground) -> Iterator[Callable[[World], None]]:
    """A restart is decided without asking whether somebody wanted an end."""
    asked = Draft._may_restart

    def may_restart(draft: Draft, reason: Any) -> bool:
        wished = draft.recording
        draft.recording = replace(wished, state="recording", stop_wished_at=None, end_reason=None)  # type: ignore[arg-type]
        try:
            return asked(draft, reason)
        finally:
            draft.recording = wished

    with mock.patch.object(Draft, "_may_restart", may_restart):
        yield lambda world: None


@contextmanager
def without_steady_clock(ground: Ground) -> Iterator[Callable[[World], None]]:
    """Every step of a machine's clock is followed at once."""

    def change(world: World) -> None:
        world.clock = lambda wall, carrier: wall

    yield change


@contextmanager
def without_a_look_at_the_caller(ground: Ground) -> Iterator[Callable[[World], None]]:
    """What a process finds in its sockets is done, whether or not somebody still waits for it."""
    with mock.patch.object(Process, "serves_the_gone", True):
        yield lambda world: None


@contextmanager
def _rewritten(ground: Ground, old: str, new: str) -> Iterator[None]:
    def rewrite(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> tuple[str, Any]:
        return statement.replace(old, new), parameters

    sa.event.listen(ground.engine, "before_cursor_execute", rewrite, retval=True)
    try:
        yield
    finally:
        sa.event.remove(ground.engine, "before_cursor_execute", rewrite)


@dataclass(frozen=True, slots=True)
class Guard:
    """`taken_away` is the simulation without it; `weather` is one in which it is needed."""

    taken_away: Callable[[Ground], AbstractContextManager[Callable[[World], None]]]
    weather: Callable[[World], None]


def _suspensions(world: World) -> None:
    """Whoever acquires first is suspended until somebody else has taken over and sent the start."""
    world.weather = Weather(slow=0.9, workers=3)
    first = ["acquire"]

    def seconds(verb: str) -> float:
        if verb not in first:
            return 0
        first.remove(verb)
        return world.settings.worker.lease_seconds + world.random.uniform(1, 15)

    world.stall_seconds = seconds


def _broken_pages(world: World) -> None:
    world.weather = Weather(dies_at_end=1, workers=1)
    for lesson in world.lessons:
        lesson.preset = "restarting"


def _unsure_starts(world: World) -> None:
    world.weather = Weather(late=0.3, halfway=0.3, muted=0.1, dropped=0.5, workers=1)


def _set_clocks(world: World) -> None:
    world.weather = Weather(clock_steps=1, workers=2)


def _frozen_doors(world: World) -> None:
    """Processes stand still while callers pause for a few seconds."""
    world.weather = Weather(stalled_calls=0.3, workers=3)
    for lesson in world.lessons:
        lesson.length = 200 + lesson.length % 100
        lesson.stops_by_itself, lesson.onhold_until, lesson.starts_after = False, None, None
        lesson.pause = (60, 65)


GUARDS = {
    "write-ahead": Guard(without_write_ahead, _unsure_starts),
    "fencing": Guard(without_fencing, _suspensions),
    "dedupe": Guard(without_dedupe, lambda world: setattr(world, "weather", Weather(doubled=0.5))),
    "failover window": Guard(without_failover_window, lambda world: setattr(world, "weather", Weather(fails_over=1))),
    "stop beats restart": Guard(without_stop_first, _broken_pages),
    "steady clock": Guard(without_steady_clock, _set_clocks),
    "callers who hung up": Guard(without_a_look_at_the_caller, _frozen_doors),
}
