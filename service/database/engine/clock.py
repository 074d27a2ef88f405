"""One clock for all replicas: the database's, carried on by this process's monotonic clock.

Leases, due instants and windows are compared by several processes. By their own clocks one that is an hour ahead would
take everybody's work and stop recordings early; and a clock that is set while a process runs would move them all.
"""

import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from service.database.engine.database import Database

# An answer that took longer says too little about when it was given.
_CLEAR_SECONDS: Final = 0.5


class DatabaseClock:
    """Call it for Unix seconds. `sync` before the first call, and now and then."""

    def __init__(
        self,
        database: Database,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._wall = wall
        self._monotonic = monotonic
        self._offset: float | None = None

    def __call__(self) -> float:
        assert self._offset is not None, "it was synchronised before it is asked"
        return self._monotonic() + self._offset

    async def sync(self) -> float:
        """Take up the database's time; how many seconds this machine's clock is ahead of it. Raises `ServiceError`
        while the database is away; the clock then goes on as it was."""
        before = self._monotonic()
        there = await self._database.run(_now)
        after = self._monotonic()
        if self._offset is None or after - before <= _CLEAR_SECONDS:
            self._offset = there - (before + after) / 2
        return self._wall() - self()


def _now(connection: sa.Connection) -> float:
    return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())
