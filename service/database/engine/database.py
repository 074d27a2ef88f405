"""Opens the database and runs transactions in it."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from metrics import database as meter
from service.database.engine.errors import StartRefused, is_outage, unavailable
from service.database.engine.postgres import Pool
from service.database.engine.sqlite import Lock, Writer, keep_private
from service.errors import ServiceError

T = TypeVar("T")

__all__ = ["Database", "StartRefused"]


class Database:
    """One open database. `writer` is set on SQLite and `pool` on PostgreSQL. Only `inbox` uses them."""

    def __init__(self, *, writer: Writer | None = None, pool: Pool | None = None, lock: Lock | None = None) -> None:
        self.writer = writer
        self.pool = pool
        self._lock = lock
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = False

    @classmethod
    async def open(
        cls, url: str | Callable[[], str], *, inline: bool = False, connections: int = 10, beside: bool = False
    ) -> Self:
        """Open `sqlite:///PATH` (or `sqlite:///:memory:`) or `postgresql://…` (a libpq URL).

        If `url` is a callable, it is called before each connection to PostgreSQL, for a password that changes. A
        missing file is created, but no tables (see `startup`). If `inline` is true, SQLite transactions run on the
        loop's own thread. If `beside` is true, a file that another process serves may also be opened, for a command's
        few short transactions. Raise `StartRefused` (file in use, server or library too old, unknown URL) or
        `ServiceError` (unreachable).
        """
        ask: Callable[[], str] = url if callable(url) else partial(str, url)
        where = ask()
        try:
            if where.startswith(("postgresql://", "postgres://")):
                return cls(pool=await Pool.open(ask, connections))
            if not where.startswith("sqlite:///"):
                raise StartRefused("database URL: it must be sqlite:///PATH or postgresql://…")
            path = where.removeprefix("sqlite:///")
            if path == ":memory:":
                return cls(writer=Writer(path, inline=inline))
            lock = _lock(path, beside=beside)
            try:
                keep_private(Path(path))
                return cls(writer=Writer(path, inline=inline, guest=lock is None), lock=lock)
            except BaseException:
                if lock is not None:
                    lock.close()
                raise
        except Exception as error:
            if is_outage(error):
                raise unavailable() from error
            raise

    @property
    def exclusive(self) -> bool:
        """Return whether no other process can use the database."""
        return self._lock is not None

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """Execute `fn(connection)` in one transaction and return its result after the commit.

        If `fn` raises, everything is rolled back and the error is raised again. If the caller is cancelled, it stops
        waiting, but the transaction is still completed or rolled back as a whole. A disk or connection failure is
        raised as a `ServiceError` with `Code.UNAVAILABLE`; on PostgreSQL the commit may nevertheless have happened.
        """
        if self._closed:
            raise unavailable("database_closed")
        began = time.perf_counter()
        future = self._submit(fn)
        self._running.add(future)
        future.add_done_callback(self._forget)
        try:
            result: T = await asyncio.shield(future)
        except Exception as error:
            if not isinstance(error, ServiceError) and is_outage(error):
                meter.failed()
                raise unavailable() from error
            raise
        finally:
            meter.transacted(time.perf_counter() - began)
        return result

    def _submit(self, fn: Callable[[sa.Connection], Any]) -> asyncio.Future[Any]:
        if self.pool is not None:
            return asyncio.ensure_future(self.pool.transact(fn))
        assert self.writer is not None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.writer.transact(fn, done)
        return future

    def _forget(self, future: asyncio.Future[Any]) -> None:
        self._running.discard(future)
        if not future.cancelled():
            future.exception()  # a cancelled caller never retrieves it

    async def close(self) -> None:
        """Let running transactions end, and then close. A second call has no effect."""
        if self._closed:
            return
        self._closed = True
        if self._running:
            await asyncio.wait(self._running)
        if self.pool is not None:
            await self.pool.close()
        if self.writer is not None:
            await self.writer.close()
        if self._lock is not None:
            self._lock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _lock(path: str, *, beside: bool) -> Lock | None:
    """Return the file's lock. If another process holds it and `beside` is true, return None."""
    try:
        return Lock(Path(path))
    except StartRefused:
        if not beside:
            raise
        return None
