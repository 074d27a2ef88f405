"""Explains why a database cannot be used and names the setting. Shows no password and nothing of a driver's own
text."""

import os
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import sqlalchemy as sa

from service.database.engine.errors import StartRefused
from service.errors import OutsideError

URL: Final = "database.url"
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another program: stop that program",
    sqlite3.SQLITE_LOCKED: "is locked by another program: stop that program",
    sqlite3.SQLITE_READONLY: "cannot be written: it, its folder or its file system is read-only",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore a backup",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: look at its permissions and its folder's",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database: name another file",
}
# Keyed by the beginning of the SQLSTATE, the longest first.
_POSTGRES: Final = {
    "25006": "it is a read-only standby: name the primary server",
    "3D000": "it has no database {name}: create it, or correct its name",
    "28P01": "it refuses the password of {user}: check {password}",
    "28": "it does not admit {user} from here: check the user, {password} and the server's pg_hba.conf",
    "42704": "it does not know {unknown}",
    "42501": "{user} may not do this: grant it the rights to create and use tables in {name}",
    "53300": "it has no free connection: raise its max_connections",
    "53100": "its disk is full",
    "57P03": "it is starting up or shutting down: try again",
}


# The parameters of a URL for asyncpg, which are often misspelt.
_OPTIONS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey", "passfile", "dbname")


@contextmanager
def refusing(url: str, place: str = "database.password") -> Iterator[None]:
    """Raise `StartRefused` with the reason if the database `url` cannot be used inside the block. Bugs and errors of
    Agora or a bucket are raised unchanged. `place` describes the source of the URL's password."""
    sqlite = url.startswith("sqlite:///")
    path = url.removeprefix("sqlite:///")
    if sqlite:
        check_place(Path(path))
    try:
        yield
    except (StartRefused, OutsideError):
        raise
    except Exception as error:
        for cause in _causes(error):
            reason = reason_of_sqlite(path, cause) if sqlite else _of_postgres(url, place, cause)
            if reason is not None:
                raise StartRefused(f"{URL}: {reason}") from error
        raise


def check_place(file: Path) -> None:
    """Raise `StartRefused` if no database file can be at this path."""
    if file.is_dir():
        raise StartRefused(f"{URL}: {file} is a folder: name a file in it")
    if not file.parent.is_dir():
        raise StartRefused(f"{URL}: the folder {file.parent} does not exist: create it")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise StartRefused(f"{URL}: the folder {file.parent} cannot be written: the database needs files beside it")
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        raise StartRefused(f"{URL}: {file} cannot be read and written by this user")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes. The driver's own error is last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.orig if isinstance(cause, sa.exc.DBAPIError) else cause.__cause__


def reason_of_sqlite(path: str, error: BaseException) -> str | None:
    """Return why the file at `path` cannot be used, or None if the error does not concern the file or the disk."""
    if isinstance(error, sqlite3.Error):
        words = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        return None if words is None else f"{path} {words}"
    if isinstance(error, OSError):
        return f"{error.filename or path}: {os.strerror(error.errno) if error.errno else type(error).__name__}"
    return None


def _of_postgres(url: str, place: str, error: BaseException) -> str | None:
    parts = urlsplit(url)
    host, port = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0], parts.port or 5432
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    match error:
        case asyncpg.PostgresError():
            words = _by_state(str(error.sqlstate or ""))
            told = {
                "user": unquote(parts.username or "the user"),
                "name": unquote(parts.path.strip("/")) or "of the user's name",
                "password": place,
                "unknown": _unknown(parts.query, error),
            }
            return f"PostgreSQL at {shown}: {words.format(**told)}" if words else None
        case TimeoutError():
            return f"{shown} does not answer: is it a PostgreSQL server, and does a firewall let it through?"
        case socket.gaierror():
            return f"cannot resolve {host}"
        case ssl.SSLError():
            return f"{shown} does not speak valid TLS"
        case asyncpg.InterfaceError() | asyncpg.InternalClientError() | asyncpg.ClientConfigurationError():
            return f"{shown} cannot be used as it is written: it should be postgresql://user@host:port/name"
        case ConnectionError() if error.errno is None and "sslmode" in parts.query:
            return f"{shown} does not offer TLS, which sslmode asks for"
        case ConnectionError() if error.errno is None:
            return f"{shown} closes the connection: is it a PostgreSQL server?"
        case FileNotFoundError() if "sslrootcert" in parts.query:
            return "the file that sslrootcert names does not exist"
        case OSError():
            return f"cannot connect to {shown}: {_strerror(error)}"
    return None


def _unknown(query: str, error: asyncpg.PostgresError) -> str:
    """Return the parameter of the URL that the server names. No other part of the driver's text is shown."""
    found = next((name for name in parse_qs(query, keep_blank_values=True) if f'"{name}"' in str(error)), None)
    if found is None:
        return "what the URL sets after `?`"
    near = get_close_matches(found, _OPTIONS, 1)
    return f"`{found}`, which the URL sets after `?`" + (f"; did you mean `{near[0]}`?" if near else "")


def _by_state(state: str) -> str | None:
    return next((words for begin, words in _POSTGRES.items() if state.startswith(begin)), None)


def _strerror(error: OSError) -> str:
    """Return the system's text. For several addresses, asyncpg joins their texts into one."""
    return os.strerror(error.errno) if error.errno else "no address of it accepts connections"
