"""The budget of calls to Agora, shared by all replicas: the arithmetic of `agora.pace` on a row of the database."""

import asyncio
from collections.abc import Callable

from service.agora.pace import Priority, Rate, take
from service.database import budgets
from service.database.run import Database
from service.errors import Code, ServiceError, Unavailable


class SharedBudget:
    """`SharedBudget(...).take` is what `AgoraClient` asks before each call."""

    def __init__(self, database: Database, rate: Rate, clock: Callable[[], float]) -> None:
        self._database = database
        self._rate = rate
        self._clock = clock

    async def take(self, rate_group: str, priority: Priority, deadline: float) -> None:
        """Return when the call may be made. Raises `Unavailable` (`budget`) where that is not before `deadline`, in
        seconds of the loop's clock."""
        loop = asyncio.get_running_loop()
        while True:
            wait = await self._ask(rate_group, priority)
            if not wait:
                return
            if loop.time() + wait > deadline:
                raise Unavailable("budget", "no place in the request budget in time", retry_after_seconds=wait)
            await asyncio.sleep(wait)

    async def _ask(self, rate_group: str, priority: Priority) -> float:
        try:
            return await self._database.run(
                lambda connection: budgets.take(
                    connection, rate_group, lambda state: take(state, self._clock(), priority, self._rate)
                )
            )
        except ServiceError as error:
            if error.code is Code.UNAVAILABLE:
                raise Unavailable("database_unavailable", "the request budget cannot be read") from error
            raise
