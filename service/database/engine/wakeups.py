"""Wakes the other processes on the same PostgreSQL by LISTEN and NOTIFY over one connection per process.

Wake-ups only reduce delays. The poll replaces a wake-up that was lost with a connection or sent before any process
listened, so no caller waits here, and no outage is raised. A NOTIFY is not part of the transaction that it reports,
because at its commit it takes a lock shared by all notifiers.
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
# Calls of `ring` within this time are combined into one NOTIFY.
GATHER_SECONDS = 0.05
# A silent connection may be dead. It is probed at this interval, and replaced if it does not answer.
PROBE_SECONDS = 15.0
PROBE_TIMEOUT_SECONDS = 5.0
AGAIN_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class Wakeups:
    """Sends and receives wake-ups. `heard` maps a name to the function that is called when another process rings it.
    `run()` works until it is cancelled."""

    def __init__(self, pool: Pool, heard: Mapping[str, Callable[[], None]]) -> None:
        self._pool = pool
        self._heard = dict(heard)
        self._rung: set[str] = set()
        self._due = asyncio.Event()
        self.listening = asyncio.Event()
        """Set while the connection is open."""

    def ring(self, name: str) -> None:
        """Wake the other processes soon, but not this one. Never waits and never fails."""
        self._rung.add(name)
        self._due.set()

    async def run(self) -> None:
        """Connect, and reconnect after every loss."""
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
            for wake in self._heard.values():  # wake-ups sent while not listening
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
