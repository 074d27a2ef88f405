"""The folder of one running emulator, and the sweeping of what a killed one left behind.

For: temporary files and child processes that outlive nobody. It must not know what they are for.
Every child carries its home's path in its environment. The home is locked while its owner lives, so that a free lock
means: whatever carries this mark belongs to nobody any more.
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
# A home without a lock is one in the making, or one whose maker was killed within its first instant.
_UNLOCKED_AGE_SECONDS = 60.0


@contextmanager
def make_home() -> Iterator[Path]:
    """A folder of this process's own, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (folder / "lock.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Under its final name it is never seen unlocked while its owner lives.
            (folder / "lock.new").rename(folder / "lock")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> int:
    """End the processes and remove the folders of emulators that are gone; gives how many there were. Blocks."""
    return sum(_sweep_one(folder) for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))


def processes_of(folder: Path) -> list[int]:
    """Ids of the running processes that carry the mark of a home."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def members_of(group: int) -> list[int]:
    """The processes of a group that still run: those that only wait for being reaped do not count."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # After the name in brackets: state, parent, group.
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
        # Its owner lives, another one sweeps it, or it is another user's.
        return False


def _remove(folder: Path) -> None:
    """What ends just now may still write into it, and nothing is removed while something comes."""
    began = time.monotonic()
    while folder.exists() and _since(began) < _GRACE_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)


def _end_processes(folder: Path) -> None:
    """Ask first: a display that is killed leaves its own files in /tmp."""
    # Whole groups: some of Chromium's processes overwrite their environment.
    groups = {_group_of(pid) for pid in processes_of(folder)} - {0, os.getpgid(0)}
    began = time.monotonic()
    while (left := [group for group in groups if members_of(group)]) and _since(began) < 2 * _GRACE_SECONDS:
        for group in left:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGTERM if _since(began) < _GRACE_SECONDS else signal.SIGKILL)
        time.sleep(0.05)


def _group_of(pid: int) -> int:
    """0 when it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _since(began: float) -> float:
    return time.monotonic() - began
