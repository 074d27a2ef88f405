"""The working folder of a running emulator, and the removal of folders and processes that a killed emulator left.

Ensures that temporary files and child processes do not outlive their emulator. It does not interpret them.

Every child has the path of its home in its environment. The owner locks the home while it runs, so if the lock is free,
the owner of the home and of the processes with its mark has ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "PAGEREEL_EMULATOR_HOME"
_PREFIX = "pagereel-emulator-"
_GRACE_SECONDS = 5.0
# If a home has no lock, it is being created, or its creator was killed immediately.
_UNLOCKED_AGE_SECONDS = 60.0


@contextmanager
def make_home() -> Iterator[Path]:
    """Create a folder of this process, and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (folder / "lock.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Because the folder is renamed with the lock held, its lock is never seen unlocked under its final name
            # while its owner runs.
            (folder / "lock.new").rename(folder / "lock")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> int:
    """End the processes and remove the folders of emulators that have ended. Return the number of folders. Blocks."""
    return sum(_sweep_one(folder) for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))


def processes_of(folder: Path) -> list[int]:
    """Return the ids of the running processes that have the mark of a home."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def members_of(group: int) -> list[int]:
    """Return the running processes of a group, without zombies."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The fields after the name in brackets: state, parent, group.
            state, _, leader = entry.read_text().rpartition(")")[2].split()[:3]
            if int(leader) == group and state not in ("Z", "X"):
                found.append(int(entry.parent.name))
    return found


def _sweep_one(folder: Path) -> bool:
    try:
        if not (folder / "lock").exists():
            if time.time() - folder.stat().st_mtime > _UNLOCKED_AGE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
            return False
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_processes(folder)
            _remove(folder)
            return True
    except OSError:
        # The owner runs, another process removes the folder, or it belongs to another user.
        return False


def _remove(folder: Path) -> None:
    """Remove the folder. Ending processes may still write into it, so repeat the removal for up to `_GRACE_SECONDS`."""
    began = time.monotonic()
    while folder.exists() and _since(began) < _GRACE_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)


def _end_processes(folder: Path) -> None:
    """End the processes with SIGTERM first, because a display that is killed leaves its files in /tmp."""
    # Signal whole groups, because some of Chromium's processes overwrite their environment.
    groups = {_group_of(pid) for pid in processes_of(folder)} - {0, os.getpgid(0)}
    began = time.monotonic()
    while (left := [group for group in groups if members_of(group)]) and _since(began) < 2 * _GRACE_SECONDS:
        for group in left:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGTERM if _since(began) < _GRACE_SECONDS else signal.SIGKILL)
        time.sleep(0.05)


def _group_of(pid: int) -> int:
    """Return the group of a process, or 0 if the process no longer exists."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _since(began: float) -> float:
    return time.monotonic() - began
