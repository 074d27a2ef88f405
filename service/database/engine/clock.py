"""One clock for all replicas: the database's clock, continued by this process's monotonic clock.

Several processes compare leases, due times and windows. With local clocks, a process an hour ahead would take all work
and stop recordings early, and a clock that is set while a process runs would shift all of them.
"""

import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from service.database.engine.database import Database

# The time of an answer slower than this is too uncertain.
_CLEAR_SECONDS: Final = 0.5


class DatabaseClock:
    """Returns Unix seconds when called. Call `sync` before the first call and regularly afterwards."""

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
        """Adopt the database's time. Return the seconds by which this machine's clock is ahead. If the database is
        unreachable, raise `ServiceError`; the clock then continues unchanged."""
        before = self._monotonic()
        there = await self._database.run(_now)
        after = self._monotonic()
        if self._offset is None or after - before <= _CLEAR_SECONDS:
            self._offset = there - (before + after) / 2
        return self._wall() - self()


def _now(connection: sa.Connection) -> float:
    return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())
