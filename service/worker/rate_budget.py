"""The budget of calls to Agora, which all replicas share. It is the arithmetic of `agora.pace` on a database row."""

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
    """A call of this process that waits for the budget. Calls are ordered by priority, and then by arrival."""

    priority: Priority
    number: int
    moved: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


@dataclass(slots=True)
class _Line:
    """The waiting calls of one rate group, as a heap. `state_at` is the group's theoretical arrival time as this
    process knows it. Other processes can only have advanced it."""

    waiting: list[_Waiter] = field(default_factory=list)
    state_at: float = 0


class SharedBudget:
    """The budget that `AgoraClient` consults before each call, with `take`.

    Only the first waiter of each line in a process queries the database, and only when a place is possible, so there is
    one transaction per call. If no other process can use the database, the state in memory is authoritative.
    """

    def __init__(self, database: Database, rate: Rate, clock: Callable[[], float]) -> None:
        self._database = database
        self._rate = rate
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._numbers = itertools.count()

    async def take(self, rate_group: str, priority: Priority, deadline: float) -> None:
        """Wait until the call may be made. Raise `Unavailable` (`budget`) if that is not possible before `deadline`, in
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
        """Return the minimum wait in seconds, including the calls ahead in the line."""
        ahead = sum(other < waiter for other in line.waiting)
        _, wait = take(line.state_at, self._clock(), waiter.priority, self._rate)
        return wait + ahead / self._rate.per_second

    async def _wait(self, rate_group: str, line: _Line, waiter: _Waiter) -> float | None:
        """Return 0 if the place is taken, the seconds until one may be free, or None if other calls go first."""
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
    """Wait until the waiter's place in the line may have changed, at most for `seconds`."""
    waiter.moved.clear()
    try:
        async with asyncio.timeout(seconds):
            await waiter.moved.wait()
    except TimeoutError:
        return
