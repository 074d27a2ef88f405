"""Connections to PostgreSQL: SQLAlchemy's pool for transactions, plain asyncpg connections for the inbox."""

from collections.abc import Callable
from typing import Any, Self

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.database.engine.errors import StartRefused

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
OLDEST_VERSION = 150000


class Pool:
    """The connections of one process to one server."""

    def __init__(self, url: Callable[[], str], connections: int) -> None:
        """Call `url` before each connection, because the password may have changed."""
        self._url = url
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            pool_pre_ping=True,  # a restarted server causes no error for a caller
        )

    @classmethod
    async def open(cls, url: Callable[[], str], connections: int) -> Self:
        """Open the pool. Raise `StartRefused` if the server is older than PostgreSQL 15."""
        pool = cls(url, connections)
        version = await pool.transact(lambda c: int(c.exec_driver_sql("SHOW server_version_num").scalar_one()))
        if version < OLDEST_VERSION:
            await pool.close()
            raise StartRefused(f"PostgreSQL 15 or newer is required; the server has version {version // 10000}")
        return pool

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Return a plain connection, which the caller must close. Its commits are on disk regardless of the server's
        default."""
        return await asyncpg.connect(
            self._url(),
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={"application_name": "pagereel", "jit": "off", "synchronous_commit": "on"},
        )

    async def transact(self, fn: Callable[[sa.Connection], Any]) -> Any:
        """Run `fn` in one transaction."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(fn)

    async def close(self) -> None:
        await self._engine.dispose()
