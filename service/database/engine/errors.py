"""Classifies database errors as outages. Every other error is a bug and is raised unchanged."""

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
# Classes: connection, rolled back (deadlock), resources, operator intervention, system error, and a standby's refusal.
_POSTGRES = ("08", "40", "53", "57", "58", "25006")


class StartRefused(Exception):
    """The service must not start on this database. The text states the reason and the remedy."""


def unavailable(detail: str = "database_unavailable") -> ServiceError:
    """Return the error for an unusable database: `Code.UNAVAILABLE`, with a retry after one second."""
    return ServiceError(
        Code.UNAVAILABLE, "the database is not available at the moment", detail=detail, retry_after_seconds=1
    )


def is_full(error: BaseException) -> bool:
    """Return whether SQLite reports a full disk."""
    if isinstance(error, sa.exc.DBAPIError):
        return error.orig is not None and is_full(error.orig)
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def is_outage(error: BaseException) -> bool:
    """Return whether this error of a driver or of SQLAlchemy concerns the disk or the connection, not the statement."""
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
    # An internal error occurs if the server's last message was read before the end of the connection.
    trouble = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, sa.exc.TimeoutError)
    return isinstance(error, trouble)
