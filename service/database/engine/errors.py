"""Which errors of the databases mean "not now"; every other one is a mistake of ours and passes through unchanged."""

import sqlite3

import asyncpg
import sqlalchemy as sa

from service.errors import Code, ServiceError

_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
# Classes: connection, rolled back (deadlock), resources, operator intervention, system error; and a standby's refusal.
_POSTGRES = ("08", "40", "53", "57", "58", "25006")


class StartRefused(Exception):
    """The service must not start on this database; the text says why and what to do."""


def unavailable(detail: str = "database_unavailable") -> ServiceError:
    """What callers see while the database cannot be used: `Code.UNAVAILABLE`, worth a retry after a second."""
    return ServiceError(
        Code.UNAVAILABLE, "the database is not available at the moment", detail=detail, retry_after_seconds=1
    )


def is_full(error: BaseException) -> bool:
    """Whether SQLite says that the disk is full."""
    if isinstance(error, sa.exc.DBAPIError):
        return error.orig is not None and is_full(error.orig)
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def is_outage(error: BaseException) -> bool:
    """Whether this error of a driver or of SQLAlchemy is about the disk or the connection, not about the statement."""
    if isinstance(error, sa.exc.DBAPIError):
        if error.connection_invalidated:
            return True
        inner: BaseException | None = error.orig
        cause = inner.__cause__ if inner is not None else None
        return any(part is not None and is_outage(part) for part in (inner, cause))
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_POSTGRES)
    # An internal one comes where the server's last words have been read, and the end of the connection has not.
    trouble = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, sa.exc.TimeoutError)
    return isinstance(error, trouble)
