"""`Database.run`: one function, one transaction, whole or not at all."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from service.database.engine.database import Database, StartRefused
from service.database.tables import budgets
from service.errors import Code, ServiceError
from tests.postgres import Postgres

ADD = budgets.insert().values(rate_group="g", tat=1)


def groups(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(budgets.c.rate_group)).scalars())


async def test_a_transaction_is_committed_with_its_result(database: Database, database_url: str) -> None:
    assert await database.run(lambda c: c.execute(ADD).rowcount) == 1
    await database.close()
    async with await Database.open(database_url) as again:
        assert await again.run(groups) == ["g"]


async def test_a_raised_error_rolls_everything_back_and_passes_on(database: Database) -> None:
    def fail(connection: sa.Connection) -> None:
        connection.execute(ADD)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await database.run(fail)
    assert await database.run(groups) == []


async def test_a_mistake_in_sql_is_not_called_an_outage(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        await database.run(lambda c: c.execute(sa.text("SELECT * FROM nowhere")))
    with pytest.raises(sa.exc.IntegrityError):
        await database.run(lambda c: [c.execute(ADD), c.execute(ADD)])


async def test_a_cancelled_caller_leaves_a_whole_transaction(database: Database, database_url: str) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        connection.execute(ADD)
        entered.set()
        if database.writer is not None:  # on PostgreSQL the function runs on the loop: nothing can cut in here
            go_on.wait(5)
        connection.execute(budgets.insert().values(rate_group="h", tat=1))

    caller = asyncio.create_task(database.run(slow))
    while not entered.is_set():
        await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await database.close()
    async with await Database.open(database_url) as again:
        assert sorted(await again.run(groups)) == ["g", "h"]


async def test_closing_waits_for_the_transaction_of_a_cancelled_caller(database: Database, database_url: str) -> None:
    caller = asyncio.create_task(database.run(lambda c: c.execute(ADD)))
    await asyncio.sleep(0)
    caller.cancel()
    await database.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
    async with await Database.open(database_url) as again:
        assert await again.run(groups) == ["g"]


async def test_two_transactions_that_add_to_one_row_lose_nothing(database: Database) -> None:
    await database.run(lambda c: c.execute(ADD))

    def add_one(connection: sa.Connection) -> None:
        tat = connection.execute(sa.select(budgets.c.tat).with_for_update()).scalar_one()
        connection.execute(budgets.update().values(tat=tat + 1))

    await asyncio.gather(*(database.run(add_one) for _ in range(20)))
    assert await database.run(lambda c: c.execute(sa.select(budgets.c.tat)).scalar_one()) == 21


async def test_a_live_sqlite_connection_is_durable_and_takes_the_write_lock_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with await Database.open(f"sqlite:///{path}") as database:

        def look(connection: sa.Connection) -> list[object]:
            with (
                closing(sqlite3.connect(path, timeout=0)) as other,
                pytest.raises(sqlite3.OperationalError, match="locked"),
            ):
                other.execute("BEGIN IMMEDIATE")
            pragmas = ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
            return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]

        assert await database.run(look) == [2, "wal", 1, 5000]
        assert database.writer is not None
        assert database.writer.raw.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_urgent_work_overtakes_transactions_that_wait(tmp_path: Path) -> None:
    async with await Database.open(f"sqlite:///{tmp_path}/x.db") as database:
        writer, order, entered, go_on = database.writer, [], threading.Event(), threading.Event()
        assert writer is not None
        first = asyncio.ensure_future(database.run(lambda _: (entered.set(), go_on.wait(5))))
        while not entered.is_set():
            await asyncio.sleep(0)
        later = [asyncio.ensure_future(database.run(lambda _: order.append("ordinary"))) for _ in range(3)]
        await asyncio.sleep(0)
        landed = asyncio.Event()
        writer.submit(lambda: order.append("urgent"), lambda *_: landed.set())
        go_on.set()
        await asyncio.gather(first, landed.wait(), *later)
        assert order == ["urgent", "ordinary", "ordinary", "ordinary"]


@asynccontextmanager
async def held_up(path: Path) -> AsyncIterator[tuple[Database, Callable[[], None]]]:
    """A database whose writer is busy with a first transaction, until the second of what is given is called."""
    async with await Database.open(f"sqlite:///{path}/x.db") as database:
        entered, go_on = threading.Event(), threading.Event()
        await database.run(budgets.create)
        first = asyncio.ensure_future(database.run(lambda _: (entered.set(), go_on.wait(5))))
        while not entered.is_set():
            await asyncio.sleep(0)
        yield database, go_on.set
        await first


def adds(name: str) -> Callable[[sa.Connection], object]:
    return lambda connection: connection.execute(budgets.insert().values(rate_group=name, tat=1))


async def test_transactions_that_wait_share_a_commit_and_one_that_fails_fails_alone(tmp_path: Path) -> None:
    commits: list[str] = []

    def fails(connection: sa.Connection) -> None:
        adds("lost")(connection)
        raise LookupError("mine")

    async with held_up(tmp_path) as (database, go_on):
        assert database.writer is not None
        sa.event.listen(database.writer.connection, "commit", lambda _: commits.append("commit"))
        waiting = [asyncio.ensure_future(database.run(adds(name))) for name in ("a", "b")]
        waiting.append(asyncio.ensure_future(database.run(fails)))
        waiting += [asyncio.ensure_future(database.run(adds(name))) for name in ("a", "c")]  # a second a is a mistake
        await asyncio.sleep(0)
        go_on()
        came = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one).__name__ for one in came if isinstance(one, Exception)] == ["LookupError", "IntegrityError"]
        assert len(commits) == 2, "the one that held all up, and one for all of these"
        assert sorted(await database.run(groups)) == ["a", "b", "c"]


async def test_where_a_shared_commit_is_lost_nobody_is_told_that_his_was_made(tmp_path: Path) -> None:
    async with held_up(tmp_path) as (database, go_on):
        assert database.writer is not None
        full = asyncio.Event()
        database.writer.when_full = partial(asyncio.get_running_loop().call_soon_threadsafe, full.set)

        def breaks(connection: sa.Connection) -> None:
            connection.exec_driver_sql("ROLLBACK")  # as SQLite itself does where the disk is full
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        first, *others = [asyncio.ensure_future(database.run(one)) for one in (adds("a"), breaks, adds("b"))]
        await asyncio.sleep(0)
        go_on()
        came = await asyncio.gather(first, *others, return_exceptions=True)
        assert [getattr(one, "code", None) for one in came] == [Code.UNAVAILABLE, Code.UNAVAILABLE, None]
        await full.wait()
        assert await database.run(groups) == ["b"]


async def test_a_second_process_on_a_sqlite_file_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    program = f"""
import asyncio, sys
from service.database.engine.database import Database, StartRefused
try:
    asyncio.run(Database.open({url!r}))
except StartRefused as error:
    print(error)
    sys.exit(7)
"""
    async with await Database.open(url):
        other = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
        assert other.returncode == 7, other.stderr
        assert "another process (pid " in other.stdout
        with pytest.raises(StartRefused):
            await Database.open(url)
    async with await Database.open(url):
        pass  # the lock goes with the one that held it


async def test_a_guest_reads_and_writes_beside_the_one_that_serves(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"

    def add(number: int) -> Callable[[sa.Connection], object]:
        return lambda connection: connection.execute(budgets.insert().values(rate_group=f"g{number}", tat=1))

    async with await Database.open(url) as serving, await Database.open(url, beside=True) as guest:
        await serving.run(budgets.create)
        assert (serving.exclusive, guest.exclusive) == (True, False)
        await asyncio.gather(*((serving, guest)[number % 2].run(add(number)) for number in range(40)))
        assert len(await guest.run(groups)) == len(await serving.run(groups)) == 40
    async with await Database.open(url, beside=True) as alone:
        assert alone.exclusive, "where nobody serves it is as any other"


async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as raised:
        await Database.open(f"sqlite:///{tmp_path}/no/such/folder/x.db")
    assert raised.value.code is Code.UNAVAILABLE


async def test_a_full_disk_is_unavailable_and_heals(tmp_path: Path) -> None:
    async with await Database.open(f"sqlite:///{tmp_path}/x.db") as database:
        await database.run(budgets.create)
        assert database.writer is not None
        pages = await database.run(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
        database.writer.raw.execute(f"PRAGMA max_page_count = {pages}")

        def fill(connection: sa.Connection) -> None:
            connection.execute(budgets.insert(), [{"rate_group": "x" * 900 + str(n), "tat": 0} for n in range(100)])

        with pytest.raises(ServiceError) as raised:
            await database.run(fill)
        assert raised.value.code is Code.UNAVAILABLE
        database.writer.raw.execute("PRAGMA max_page_count = 1000000")
        await database.run(fill)


async def test_an_unreachable_server_is_unavailable() -> None:
    with pytest.raises(ServiceError) as raised:
        await Database.open("postgresql://nobody@127.0.0.1:1/none")
    assert raised.value.code is Code.UNAVAILABLE


async def test_an_unknown_kind_of_url_is_refused() -> None:
    with pytest.raises(StartRefused, match="sqlite:///PATH"):
        await Database.open("mysql://x/y")


async def test_a_server_that_crashed_and_came_back_serves_again() -> None:
    with Postgres(durable=True) as server:
        async with await Database.open(server.url()) as database:
            await database.run(budgets.create)
            await database.run(lambda c: c.execute(ADD))
            server.kill9()
            with pytest.raises(ServiceError) as raised:
                await database.run(groups)
            assert raised.value.code is Code.UNAVAILABLE
            server.start()
            assert await database.run(groups) == ["g"]


async def test_inline_runs_on_the_loops_own_thread(tmp_path: Path) -> None:
    async with await Database.open(f"sqlite:///{tmp_path}/x.db", inline=True) as database:
        assert await database.run(lambda _: threading.current_thread()) is threading.main_thread()
