"""Room kept free on the disk of a SQLite database, so that what runs can still be stopped when the disk is full.

While the reserve is there, nobody notices. When a commit meets a full disk the reserve is given up: stops, ends and
notices go on in its room, and nothing new is started until it can be kept again.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 16 << 20


class Reserve:
    """A file of so many bytes beside the database."""

    def __init__(self, database: Path, size: int = RESERVE_BYTES) -> None:
        self._path = database.with_name(database.name + ".reserve")
        self._size = size
        self.held = False
        self.keep()

    def keep(self) -> None:
        """Have it, where the disk has as much again to spare. A disk that cannot say so is taken for one that has."""
        if not self.held and self._spare() >= (self._size if self._path.exists() else 2 * self._size):
            self.held = self._allocate()

    def give_up(self) -> None:
        """The disk is full: make room."""
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
