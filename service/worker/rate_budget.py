"""The budget of calls to Agora, shared by all replicas: the arithmetic of `agora.pace` on a row of the database."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from service.agora.pace import Priority, Rate, take
from service.database import budgets
from service.database.engine.database import Database
from service.errors import Code, ServiceError, Unavailable


@dataclass(slots=True, order=True)
class _Waiter:
    """Somebody of this process who wants to make a call; the most urgent first, then who came first."""

    priority: Priority
    number: int
    moved: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


@dataclass(slots=True)
class _Line:
    """Those who wait for one rate group, as a heap. `state_at`: its theoretical arrival time as this process knows it;
    others can only have moved it on since."""

    waiting: list[_Waiter] = field(default_factory=list)
    state_at: float = 0


class SharedBudget:
    """`SharedBudget(...).take` is what `AgoraClient` asks before each call.

    Of all who wait in a process only the first of each line asks the database, and not before there can be a place: one
    transaction a call. Where no other process can be at the database, what is in memory is all there is to know.
    """

    def __init__(self, database: Database, rate: Rate, clock: Callable[[], float]) -> None:
        self._database = database
        self._rate = rate
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._numbers = itertools.count()

    async def take(self, rate_group: str, priority: Priority, deadline: float) -> None:
        """Return when the call may be made. Raises `Unavailable` (`budget`) where that is not before `deadline`, in
        seconds of the loop's clock."""
        line = self._lines.setdefault(rate_group, _Line())
        waiter = _Waiter(priority, next(self._numbers))
        _join(line, waiter)
        try:
            least = self._least(line, waiter)
            if least and asyncio.get_running_loop().time() + least > deadline:
                raise _short(least)
            async with asyncio.timeout_at(deadline):
                while (wait := await self._wait(rate_group, line, waiter)) is None or wait > 0:
                    await _moved(waiter, wait)
        except TimeoutError:
            raise _short(self._least(line, waiter)) from None
        finally:
            _leave(line, waiter)

    def _least(self, line: _Line, waiter: _Waiter) -> float:
        """How long it will wait at least: those before it come first."""
        ahead = sum(other < waiter for other in line.waiting)
        _, wait = take(line.state_at, self._clock(), waiter.priority, self._rate)
        return wait + ahead / self._rate.per_second

    async def _wait(self, rate_group: str, line: _Line, waiter: _Waiter) -> float | None:
        """0: the place is taken; else for how long there is none. None: others go first."""
        if line.waiting[0] is not waiter:
            return None
        state_at, wait = take(line.state_at, self._clock(), waiter.priority, self._rate)
        if self._database.exclusive:
            line.state_at = state_at
        elif not wait:
            line.state_at, wait = await self._ask(rate_group, waiter.priority)
        return wait

    async def _ask(self, rate_group: str, priority: Priority) -> tuple[float, float]:
        def decide(state_at: float) -> tuple[float, tuple[float, float]]:
            decided = take(state_at, self._clock(), priority, self._rate)
            return decided[0], decided

        try:
            return await self._database.run(lambda connection: budgets.take(connection, rate_group, decide))
        except ServiceError as error:
            if error.code is Code.UNAVAILABLE:
                raise Unavailable("database_unavailable", "the request budget cannot be read") from error
            raise


def _short(seconds: float) -> Unavailable:
    return Unavailable("budget", "no place in the request budget in time", retry_after_seconds=seconds)


def _join(line: _Line, waiter: _Waiter) -> None:
    first = line.waiting[0] if line.waiting else waiter
    heappush(line.waiting, waiter)
    if line.waiting[0] is not first:
        first.moved.set()


def _leave(line: _Line, waiter: _Waiter) -> None:
    if line.waiting[0] is waiter:
        heappop(line.waiting)
    else:
        line.waiting.remove(waiter)
        heapify(line.waiting)
    if line.waiting:
        line.waiting[0].moved.set()


async def _moved(waiter: _Waiter, seconds: float | None) -> None:
    """Until its place in the line may have changed, or for so long."""
    waiter.moved.clear()
    try:
        async with asyncio.timeout(seconds):
            await waiter.moved.wait()
    except TimeoutError:
        return
