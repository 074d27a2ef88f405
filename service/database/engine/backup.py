"""Makes a consistent copy of a SQLite database that another process is writing to."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from service.database.engine.errors import StartRefused
from service.database.engine.sqlite import keep_private

BUSY_SECONDS = 30


def backup_sqlite(source: Path, copy: Path) -> int:
    """Copy the database as of one point in time. Return the size in bytes. The writer is not blocked and continues in
    its log.

    The copy gets its name when it is complete and on disk. Raise `StartRefused` if the database does not exist or the
    copy does. Raise `OSError` if the copy cannot be written.
    """
    if not source.is_file():
        raise StartRefused(f"there is no database at {source}")
    if copy.exists():
        raise StartRefused(f"{copy} already exists and is not overwritten")
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        keep_private(partial)
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as reader,
            closing(sqlite3.connect(partial)) as writer,
        ):
            reader.backup(writer)  # all pages in one step, so the copy is of one point in time
            (sound,) = writer.execute("PRAGMA quick_check").fetchone()
            if sound != "ok":
                raise StartRefused("the copy is not valid: the database or the disk is damaged")
        _sync(partial)
        partial.rename(copy)
        _sync(copy.parent)
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:  # on the copy's disk, because the source is only read
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(copy)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)
    return copy.stat().st_size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
