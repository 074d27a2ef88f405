"""Writes one batch of notifications: sealed, one statement, one commit. `inbox` forms the batches."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import asyncpg

from service.database.engine.postgres import Pool
from service.database.engine.sqlite import Writer
from service.database.sealing import Seals

BODY = "notifications.body"
"""The purpose under which bodies are sealed."""

Fresh = set[tuple[str, str]] | None
"""The (app, notice id) of new notifications, or None if all are new."""

Done = Callable[[Fresh, BaseException | None], None]


class IncomingNotice(NamedTuple):
    """A notification with a valid signature. Its texts must be sanitised as by `parse_notice`."""

    app: str
    notice_id: str
    received_at: float
    event_type: int | None
    sid: str | None
    cname: str | None
    body: bytes
    sent_at: float | None = None


class Batches(Protocol):
    """A writer of batches. `lanes` is the number of concurrent batches."""

    lanes: int

    def commit(self, notices: Sequence[IncomingNotice], done: Done) -> None:
        """Write all notices or none. Then call `done(fresh, None)` or `done(None, error)` on the loop."""

    async def close(self) -> None: ...


_STATEMENT_ROWS = 128
_SQLITE_INSERT = "INSERT INTO notifications (app, notice_id, received_at, event_type, sid, cname, body)"


@lru_cache(maxsize=_STATEMENT_ROWS)
def _insert_sql(rows: int) -> str:
    values = ",".join(["(?,?,?,?,?,?,?)"] * rows)
    return f"{_SQLITE_INSERT} VALUES {values} ON CONFLICT (app, notice_id) DO NOTHING"


class SqliteBatches:
    """Writes one batch at a time, in the writer's thread and before all other work of that thread.

    If the batch fits, it is one statement, so that the interpreter lock is released once for insert and fsync together.
    """

    lanes = 1

    def __init__(self, writer: Writer, seals: Seals) -> None:
        self._writer = writer
        self._seals = seals

    def commit(self, notices: Sequence[IncomingNotice], done: Done) -> None:
        self._writer.submit(partial(self._write, notices), done)

    def _write(self, notices: Sequence[IncomingNotice]) -> Fresh:
        raw = self._writer.raw
        sealed = self._seals.seal_many([notice.body for notice in notices], BODY)
        rows = [(*notice[:6], body) for notice, body in zip(notices, sealed, strict=True)]
        added = _insert(raw, rows) if len(rows) <= _STATEMENT_ROWS else _insert_in_pieces(raw, rows)
        if added == len(rows):
            return None
        # No other writer exists and ids only increase, so the newest rows are the ones just added.
        return set(raw.execute("SELECT app, notice_id FROM notifications ORDER BY id DESC LIMIT ?", (added,)))

    async def close(self) -> None:
        """Do nothing, because the writer belongs to the database."""


def _insert(raw: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    return raw.execute(_insert_sql(len(rows)), [value for row in rows for value in row]).rowcount


def _insert_in_pieces(raw: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    raw.execute("BEGIN IMMEDIATE")
    try:
        added = 0
        for start in range(0, len(rows), _STATEMENT_ROWS):
            added += _insert(raw, rows[start : start + _STATEMENT_ROWS])
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    return added


_POSTGRES_SQL = """
INSERT INTO notifications (app, notice_id, received_at, event_type, sid, cname, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::float8[], $4::int[], $5::text[], $6::text[], $7::bytea[])
ON CONFLICT (app, notice_id) DO NOTHING RETURNING app, notice_id
"""


class PostgresBatches:
    """Writes two batches concurrently, each on its own plain connection. A connection is opened on first use and after
    a loss."""

    lanes = 2

    def __init__(self, pool: Pool, seals: Seals) -> None:
        self._pool = pool
        self._seals = seals
        self._idle: list[asyncpg.Connection[asyncpg.Record]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def commit(self, notices: Sequence[IncomingNotice], done: Done) -> None:
        task = asyncio.get_running_loop().create_task(self._commit(notices, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _commit(self, notices: Sequence[IncomingNotice], done: Done) -> None:
        try:
            fresh = await self._write(notices)
        except Exception as error:
            done(None, error)
        else:
            done(fresh, None)

    async def _write(self, notices: Sequence[IncomingNotice]) -> Fresh:
        connection = self._idle.pop() if self._idle else await self._pool.connect()
        try:
            apps, ids, received, types, sids, cnames, bodies, _ = zip(*notices, strict=True)
            sealed = self._seals.seal_many(bodies, BODY)
            added = await connection.fetch(_POSTGRES_SQL, apps, ids, received, types, sids, cnames, sealed, timeout=8)
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return None if len(added) == len(notices) else {(row[0], row[1]) for row in added}

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        for connection in self._idle:
            await connection.close()
