"""Wakes the other processes on the same PostgreSQL: LISTEN and NOTIFY over one connection of this process.

It only hastens. What is lost with a connection, or told before anybody listened, the poll finds; so nobody waits for
anything here, and no outage leaves it. A NOTIFY is no part of the transaction that it tells of: at its commit it takes
a lock that all who notify share.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import asyncpg
import structlog

from service.database.engine.errors import is_outage
from service.database.engine.postgres import Pool
from service.isolation import note_error

CHANNEL = "pagereel"
# What is rung within so many seconds is one NOTIFY.
GATHER_SECONDS = 0.05
# A connection that says nothing may be dead: it is asked this often, and made anew where it does not answer.
PROBE_SECONDS = 15.0
PROBE_TIMEOUT_SECONDS = 5.0
AGAIN_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class Wakeups:
    """`heard`: what to call when another process rings a name. `run()` listens and tells until it is cancelled."""

    def __init__(self, pool: Pool, heard: Mapping[str, Callable[[], None]]) -> None:
        self._pool = pool
        self._heard = dict(heard)
        self._rung: set[str] = set()
        self._due = asyncio.Event()
        self.listening = asyncio.Event()
        """Set while the connection stands."""

    def ring(self, name: str) -> None:
        """Wake the others soon; this process is not told. Never waits and never fails."""
        self._rung.add(name)
        self._due.set()

    async def run(self) -> None:
        """Connect, and again after every loss."""
        while True:
            try:
                await self._talk()
            except Exception as error:
                if is_outage(error):
                    _log.warning("wakeups_away", error=type(error).__name__)
                else:
                    note_error("wakeups", error)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _talk(self) -> None:
        connection = await self._pool.connect()
        try:
            own = connection.get_server_pid()
            await connection.add_listener(CHANNEL, partial(self._hear, own))
            connection.add_termination_listener(lambda _: self._due.set())
            for wake in self._heard.values():  # whatever was told while nobody listened
                wake()
            self.listening.set()
            while not connection.is_closed():
                await self._tell(connection)
        finally:
            self.listening.clear()
            connection.terminate()

    async def _tell(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._due.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=PROBE_TIMEOUT_SECONDS)
            return
        self._due.clear()
        rung, self._rung = self._rung, set()
        for name in rung:
            await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, name, timeout=PROBE_TIMEOUT_SECONDS)
        await asyncio.sleep(GATHER_SECONDS)

    def _hear(self, own: int, _: Any, sender: int, __: str, name: str) -> None:
        wake = self._heard.get(name)
        if wake is not None and sender != own:
            wake()
