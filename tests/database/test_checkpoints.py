"""The write-ahead log of SQLite is copied into the database at once, also where no process lives long."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service.database.engine.sqlite import Checkpointer, Writer

LEFT = """
import os, sqlite3, sys
killed = sqlite3.connect(sys.argv[1], isolation_level=None)
for words in ("journal_mode=WAL", "wal_autocheckpoint=0"):
    killed.execute("PRAGMA " + words)
killed.execute("CREATE TABLE t (x)")
killed.execute("INSERT INTO t VALUES (7)")
os._exit(9)
"""


def copied(path: Path, aside: Path) -> list[int]:
    """What the database holds without its log."""
    aside.write_bytes(path.read_bytes())
    try:
        with closing(sqlite3.connect(f"file:{aside}?immutable=1", uri=True)) as alone:
            return [row[0] for row in alone.execute("SELECT x FROM t")]
    except sqlite3.DatabaseError:
        return []


async def test_what_a_killed_process_left_in_the_log_is_copied_when_the_next_one_begins(tmp_path: Path) -> None:
    path, aside = tmp_path / "pagereel.db", tmp_path / "aside.db"
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", LEFT, str(path))
    assert await killed.wait() == 9
    look = partial(copied, path, aside)
    assert look() == []
    writer = Writer(str(path), guest=True)  # it has no checkpointer of its own
    checkpointer = Checkpointer(str(path), writer, 3600)
    try:
        async with asyncio.timeout(30):
            while look() != [7]:
                await asyncio.sleep(0.02)
    finally:
        checkpointer.close()
        await writer.close()


async def test_a_log_that_grew_until_the_disk_was_full_is_cut_off(tmp_path: Path) -> None:
    """Else it keeps the room that the reserve needs, for as long as the process lives."""
    path = tmp_path / "pagereel.db"
    log = path.with_name(path.name + "-wal")
    writer = Writer(str(path))
    checkpointer = Checkpointer(str(path), writer, 0.05)
    try:
        await _commit(writer, lambda c: c.exec_driver_sql("CREATE TABLE t (x)"))
        await _commit(writer, lambda c: c.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))"))
        await asyncio.sleep(0.3)
        assert log.stat().st_size > 1_000_000, "it is only used again while the disk has room"
        with pytest.raises(sqlite3.OperationalError):
            await _commit(writer, _full)
        async with asyncio.timeout(30):
            while log.stat().st_size:
                await asyncio.sleep(0.02)
        await _commit(writer, lambda c: c.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))"))
        await asyncio.sleep(0.3)
        assert log.stat().st_size > 1_000_000, "once is enough"
    finally:
        checkpointer.close()
        await writer.close()


def _full(connection: sa.Connection) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


async def _commit(writer: Writer, fn: Callable[[sa.Connection], Any]) -> None:
    committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(result: object, error: BaseException | None) -> None:
        if error is None:
            committed.set_result(None)
        else:
            committed.set_exception(error)

    writer.transact(fn, done)
    await committed
