"""Processes on one PostgreSQL wake each other, again after a lost connection, and go by one clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from service.database.engine.clock import DatabaseClock
from service.database.engine.database import Database
from service.database.engine.postgres import Pool
from service.database.engine.wakeups import Wakeups
from service.errors import ServiceError
from tests.postgres import Postgres
from tests.tcp_proxy import TcpProxy


@asynccontextmanager
async def _running(wakeups: Wakeups) -> AsyncIterator[None]:
    task = asyncio.create_task(wakeups.run())
    try:
        async with asyncio.timeout(20):
            await wakeups.listening.wait()
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_ring_wakes_every_other_process_and_not_its_own(postgres: Postgres) -> None:
    url = postgres.create_database()
    pool = await Pool.open(lambda: url, 1)
    own, steps, notices = asyncio.Event(), asyncio.Event(), asyncio.Event()
    here = Wakeups(pool, {"steps": own.set})
    there = Wakeups(pool, {"steps": steps.set, "notices": notices.set})
    try:
        async with _running(here), _running(there), asyncio.timeout(20):
            assert all(each.is_set() for each in (own, steps, notices)), "what was told before is not known"
            for event in (own, steps, notices):
                event.clear()
            here.ring("steps")
            here.ring("unknown")
            await steps.wait()
            there.ring("steps")
            await own.wait()
            assert not notices.is_set()
    finally:
        await pool.close()
        postgres.drop_database(url)


async def test_a_lost_connection_is_made_anew_and_wakes_at_once(postgres: Postgres) -> None:
    url = postgres.create_database()
    pool = await Pool.open(lambda: url, 1)
    heard = asyncio.Event()
    wakeups = Wakeups(pool, {"steps": heard.set})
    try:
        async with _running(wakeups), asyncio.timeout(20):
            heard.clear()
            connection = await pool.connect()
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
            )
            await connection.close()
            await heard.wait()
            assert wakeups.listening.is_set()
    finally:
        await pool.close()
        postgres.drop_database(url)


# What the server says when it goes and the end of the connection are two things; something may be asked in between.
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


async def _said_goodbye(proxy: TcpProxy, postgres: Postgres, url: str) -> None:
    """The server has ended each connection; the proxy has passed on its last words, but not the end."""
    ends, proxy.to_client.holds_end = proxy.ends_held, True
    await asyncio.to_thread(postgres.execute, _END_OTHERS, url.rpartition("/")[2])
    while proxy.ends_held == ends:
        await asyncio.sleep(0.01)
    for _ in range(10):  # what was written on this loop is read on it in its next turns
        await asyncio.sleep(0)


async def test_a_ring_between_the_servers_last_words_and_the_end_ends_nothing(postgres: Postgres) -> None:
    url = postgres.create_database()
    heard = asyncio.Event()
    async with TcpProxy(postgres.port) as proxy:
        pool = await Pool.open(lambda: url.replace(str(postgres.port), str(proxy.port)), 1)
        wakeups = Wakeups(pool, {"steps": heard.set})
        try:
            async with _running(wakeups), asyncio.timeout(20):
                await _said_goodbye(proxy, postgres, url)
                heard.clear()
                wakeups.ring("steps")
                await heard.wait()
        finally:
            proxy.cut()  # nobody waits for an end that is held
            await pool.close()
    postgres.drop_database(url)


async def test_a_wall_clock_that_is_set_moves_nothing(postgres: Postgres) -> None:
    url = postgres.create_database()
    steps = [0.0]
    async with await Database.open(url) as database:
        clock = DatabaseClock(database, wall=lambda: asyncio.get_running_loop().time() + steps[0])
        with pytest.raises(AssertionError):
            clock()
        await clock.sync()
        before = clock()
        behind = await clock.sync()
        steps[0] = 3600
        ahead = await clock.sync()
        assert ahead - behind == pytest.approx(3600, abs=1), "the skew is told"
        assert abs(clock() - before) < 60, "and moves nothing"
    with pytest.raises(ServiceError):
        await clock.sync()
    assert abs(clock() - before) < 60, "without a database it goes on"
    postgres.drop_database(url)
