"""Reserves space on the disk of a SQLite database, so that running recordings can be stopped when the disk is full.

When a commit fails on a full disk, the reserve is released. Stops, ends and notifications then continue in its space,
but nothing new is started until the reserve can be allocated again.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 16 << 20


class Reserve:
    """A file of fixed size next to the database."""

    def __init__(self, database: Path, size: int = RESERVE_BYTES) -> None:
        self._path = database.with_name(database.name + ".reserve")
        self._size = size
        self.held = False
        self.keep()

    def keep(self) -> None:
        """Allocate the reserve if the disk has twice that space free. If the file system does not report its free
        space, assume that it is sufficient."""
        if not self.held and self._spare() >= (self._size if self._path.exists() else 2 * self._size):
            self.held = self._allocate()

    def give_up(self) -> None:
        """Release the reserve, because the disk is full."""
        self.held = False
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _spare(self) -> float:
        there = self._path.stat().st_blocks * 512 if self._path.exists() else 0
        status = os.statvfs(self._path.parent)
        return status.f_bavail * status.f_frsize + there

    def _allocate(self) -> bool:
        try:
            opened = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(opened, 0, self._size)
        except OSError:
            self.give_up()
            return False
        finally:
            os.close(opened)
        return True
