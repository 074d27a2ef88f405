"""One process of the service in the simulated world: the production wiring over simulated outsides.

It can be killed between any two callbacks. What it had sent still arrives; what it had not is gone; its tasks end
without being able to reach anything any more.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from functools import partial
from random import Random
from typing import Any, TypeVar

import sqlalchemy as sa

from pagereel.app import House
from service.database.engine.database import Database
from service.database.engine.errors import unavailable
from service.http.sender import Answer, NoAnswerError, NotSentError, Request
from tests.simulation.loop import VirtualLoop

T = TypeVar("T")
ANSWER_SECONDS = 20
PROCESS: "ContextVar[Process | None]" = ContextVar("process", default=None)


_WORLD = copy_context()  # of what goes on whatever becomes of a process


class ProcessDied(Exception):
    """Whoever asked it gets no answer."""


class Process:
    """`boot` begins it; `kill` ends it as SIGKILL does; `freeze` holds it back as SIGSTOP does, until it goes on as if
    nothing had been. `at_step`: what happens to it after so many callbacks of its own."""

    serves_the_gone = False
    """Whether it does what a caller asked who has hung up before it came to read that. The service's door does not."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.alive = True
        self.house: House | None = None
        self.at_step: dict[int, Callable[[], None]] = {}
        self.steps = 0
        self._frozen: list[asyncio.Handle] | None = None
        self.clock_offset = 0.0
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._context = copy_context()
        self._context.run(PROCESS.set, self)
        self.ended: Callable[[Process, BaseException | None], None] = lambda process, error: None

    def boot(self, build: Callable[["Process"], House]) -> None:
        self._context.run(self._boot, build)

    def _boot(self, build: Callable[["Process"], House]) -> None:
        self.house = build(self)
        running = self.spawn(self.house.worker.run())
        running.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        if self.alive:
            error = None if task.cancelled() else task.exception()
            self.ended(self, error)
        elif not task.cancelled():
            task.exception()

    def spawn(self, coroutine: Any) -> "asyncio.Task[Any]":
        return self.loop.create_task(coroutine, context=self._context)

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)

    def kill(self) -> None:
        self.alive = False
        self._thaw()
        for task in [task for task in self._tasks if not task.done()]:
            task.cancel()

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def freeze(self, seconds: float) -> None:
        self._frozen = []
        self.loop.at(self.loop.time() + seconds, self._thaw, context=_WORLD)

    def _thaw(self) -> None:
        held, self._frozen = self._frozen or [], None
        self.loop.again(held)

    def runs(self, handle: asyncio.Handle) -> bool:
        """Whether this callback of its own may run now."""
        if not self.alive:
            return not isinstance(handle, asyncio.TimerHandle)  # a dead one's timers are void
        self.steps += 1
        if (event := self.at_step.pop(self.steps, None)) is not None:
            event()
        if self._frozen is not None and self.alive:
            self._frozen.append(handle)
            return False
        return True

    async def ask(self, question: Callable[[House], Awaitable[T]], *, however_late: bool = False) -> T:
        """Have it do something, and wait for what it says. Raises `ProcessDied` where it does not say anything; then
        the asker has hung up, and a question that was not yet read is done only with `however_late`."""
        house, hung_up = self.house, asyncio.Event()
        if not self.alive or house is None:
            raise ProcessDied

        async def read(house: House) -> T:
            if hung_up.is_set() and not however_late and not self.serves_the_gone:
                raise ProcessDied
            return await question(house)

        task = self.spawn(read(house))
        await asyncio.wait([task], timeout=ANSWER_SECONDS)
        hung_up.set()
        if not task.done() or task.cancelled() or not self.alive:
            task.add_done_callback(_forget)
            raise ProcessDied
        return task.result()


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


def track_tasks(
    loop: asyncio.AbstractEventLoop, coroutine: Any, context: Any = None, **more: Any
) -> "asyncio.Task[Any]":
    """A task factory: a task belongs to the process in whose context it was made."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=context, **more)
    process = context.get(PROCESS) if context is not None else PROCESS.get()
    if process is not None:
        process.adopt(task)
    return task


def may_run(handle: asyncio.Handle) -> bool:
    """Before each callback of the loop: whether the process that it belongs to lets it run."""
    process = handle._context.get(PROCESS)
    return process is None or process.runs(handle)


class ProcessDatabase:
    """`database.run` as one process sees it: it takes time, it can be away, and a dead process reaches it no more.

    `trouble()` says what befalls the next transaction: "", "refused" (before it), or "unanswered" (after it)."""

    def __init__(
        self,
        process: Process,
        database: Database,
        random: Random,
        trouble: Callable[[], str],
        after: Callable[[], None],
    ) -> None:
        self._process = process
        self._database = database
        self._random = random
        self._trouble = trouble
        self._after = after
        self.pool = None
        self.exclusive = False  # several processes share it
        self.writer = ProcessWriter(process, database, random, trouble, after)

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        trouble, pause = self._trouble(), self._process.loop.pause
        await pause(self._random.uniform(0.0002, 0.004))
        if trouble == "refused":
            raise unavailable()
        result = await self._database.run(fn)
        self._after()
        await pause(self._random.uniform(0.0002, 0.004))
        if trouble == "unanswered":
            raise unavailable()
        return result


class ProcessWriter:
    """The inbox's way to the writer; each batch is one transaction of its own."""

    def __init__(
        self,
        process: Process,
        database: Database,
        random: Random,
        trouble: Callable[[], str],
        after: Callable[[], None],
    ) -> None:
        assert database.writer is not None
        self._process = process
        self._writer = database.writer
        self.raw = database.writer.raw
        self._random = random
        self._trouble = trouble
        self._after = after

    def submit(self, job: Callable[[], Any], done: Callable[[Any, Any], None]) -> None:
        loop = self._process.loop
        loop.at(loop.time() + self._random.uniform(0.0002, 0.004), self._execute, job, done, self._trouble())

    def _execute(self, job: Callable[[], Any], done: Callable[[Any, Any], None], trouble: str) -> None:
        loop = self._process.loop
        answer = partial(done, None, OSError("the database is away"))
        if trouble != "refused":
            result = job()
            self._after()
            if trouble != "unanswered":
                answer = partial(done, result, None)
        loop.at(loop.time() + self._random.uniform(0.0002, 0.004), answer)


class Network:
    """The way from a process to Agora. `fate(url)` says what befalls the next request, see `Weather`."""

    def __init__(
        self,
        process: Process,
        random: Random,
        fate: Callable[[str], str],
        arrive: Callable[[Process, Request, str], tuple[int, bytes] | None],
        answered: Callable[[Process, Request, int, bytes], None],
    ) -> None:
        self._process = process
        self._random = random
        self._fate = fate
        self._arrive = arrive
        self._answered = answered

    async def send(self, request: Request) -> Answer:
        loop, random = self._process.loop, self._random
        fate = self._fate(request.url)
        if fate == "refused":
            await loop.pause(0.02)
            raise NotSentError("ClientConnectorError")
        back: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        delay = random.choice((16, 18, 20, 22, 60, 250)) if fate == "late" else random.uniform(0.03, 0.6)
        if fate not in ("lost", "silent"):
            # What was sent arrives, whatever becomes of the sender: it belongs to the world from here on.
            loop.at(loop.time() + delay, self._at_agora, request, fate, back, context=_WORLD)
        patience = request.timeout_seconds
        if fate in ("lost", "muted") and random.random() < 0.5:  # the connection breaks before that
            patience *= random.uniform(0.05, 1)
        try:
            async with asyncio.timeout(patience):
                status, body = await back
        except TimeoutError:
            raise NoAnswerError("TimeoutError") from None
        self._answered(self._process, request, status, body)
        return Answer(status, body)

    def _at_agora(self, request: Request, fate: str, back: "asyncio.Future[tuple[int, bytes]]") -> None:
        answer = self._arrive(self._process, request, fate)
        loop = self._process.loop
        if answer is not None and fate not in ("muted", "late", "hung"):
            delay = self._random.uniform(1, 14) if fate == "slow" else self._random.uniform(0.02, 0.6)
            loop.at(loop.time() + delay, _answer, back, answer, context=_WORLD)


def _answer(back: "asyncio.Future[tuple[int, bytes]]", answer: tuple[int, bytes]) -> None:
    if not back.done():
        back.set_result(answer)
