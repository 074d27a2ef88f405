"""Keeps the request budget of one process in memory, by the rule of `pace`. Several replicas share one in the database
instead."""

import asyncio
from collections.abc import Awaitable, Callable

from service.agora.pace import Priority, Rate, take
from service.errors import Unavailable

Take = Callable[[str, Priority, float], Awaitable[None]]
"""`take(rate_group, priority, deadline)` returns when the call may be made, and raises `Unavailable` `budget` if that
is not before `deadline` (of the loop's clock)."""


class LocalBudget:
    """`LocalBudget(rate).take` is a `Take`."""

    def __init__(self, rate: Rate | None = None) -> None:
        self._rate = rate or Rate()
        self._states: dict[str, float] = {}

    async def take(self, rate_group: str, priority: Priority, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            state, wait = take(self._states.get(rate_group, float("-inf")), now, priority, self._rate)
            if not wait:
                self._states[rate_group] = state
                return
            if now + wait > deadline:
                raise Unavailable("budget", "no place in the request budget in time", retry_after_seconds=wait)
            await asyncio.sleep(wait)
