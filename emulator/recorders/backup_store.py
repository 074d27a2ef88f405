"""The upload of one task's files into its bucket, or into the backup store while the bucket cannot be reached.

Handles retries and the transfer into the backup store and out of it (agora-reference §9.6). It does not interpret the
files. Refused files (wrong keys, bucket or region) are lost and never backed up.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emulator.tasks.context import World
from emulator.tasks.events import SENT_AGAIN, SENT_TO_BACKUP, Teller
from emulator.tasks.task import Fate, Task
from emulator.uploads.s3 import UPLOAD_FAILED, StorageAway, UploadError

logger = logging.getLogger(__name__)

_FIRST_GAP_SECONDS, _LONGEST_GAP_SECONDS = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to upload. When it leaves the backup store, `later` derives its key from tick (ms) and index."""

    name: str
    key: str
    body: bytes | Path
    content_type: str
    later: Callable[[int, int], str] | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file in the backup store."""

    parcel: Parcel
    path: Path
    tick: int


class Courier:
    """Uploads the files of one task, one parcel at a time for each file set."""

    def __init__(self, world: World, task: Task, tell: Teller) -> None:
        self._world, self._task, self._tell = world, task, tell
        self._folder = world.backup / task.sid
        self._kept: dict[str, _Kept] = {}
        self._indexes: dict[str, int] = {}
        self._patient = True
        self._forwarding = False

    @property
    def waiting(self) -> bool:
        """Return True while the backup store contains a file that the bucket lacks."""
        return bool(self._kept)

    async def bring(self, parcel: Parcel) -> None:
        """Return when the file is in the bucket or in the backup store. Raise UploadError if it is lost."""
        try:
            await self._patiently(parcel)
        except StorageAway as away:
            if not self._forwarding:
                logger.warning("task %s: the backup store takes its files (%s)", self._task.sid, away)
            await self._keep(parcel)
        except UploadError as refused:
            logger.warning("task %s: upload refused (%s)", self._task.sid, refused)
            self._task.fates[parcel.name] = "lost"
            raise
        else:
            self._patient = True
            await self._forget(parcel.name)
            self._task.fates[parcel.name] = "stored"

    async def _patiently(self, parcel: Parcel) -> None:
        """Retry for `upload_seconds`. After a failure, each file is tried only once until an upload succeeds."""
        deadline = self._now() + (self._world.settings.upload_seconds if self._patient else 0.0)
        gap = _FIRST_GAP_SECONDS
        while True:
            try:
                await self._put(parcel.key, parcel.body, parcel.content_type)
                return
            except StorageAway:
                if self._now() + gap > deadline:
                    self._patient = False
                    raise
            self._tell.warned(SENT_AGAIN)
            await asyncio.sleep(gap)
            gap = min(gap * 2, _LONGEST_GAP_SECONDS)

    async def _put(self, key: str, body: bytes | Path, content_type: str) -> None:
        faults, subject = self._world.faults, self._task.subject
        slow = faults.use("upload_slow", subject)
        if slow is not None:
            await asyncio.sleep(slow.seconds or 0.0)
        failing = faults.since("upload_fails", subject, self._world.clock.now())
        if failing is not None:
            raise UploadError(failing.code or UPLOAD_FAILED, "fault")
        if faults.within("storage_away", subject, self._world.clock.now()):
            raise StorageAway("fault")
        await self._world.uploader.put(self._task.storage, key, body, content_type)

    async def _keep(self, parcel: Parcel) -> None:
        """Put a file into the backup store, replacing an older one of the same name."""
        path = self._folder / parcel.name
        await asyncio.to_thread(_write, path, parcel.body)
        self._kept[parcel.name] = _Kept(parcel, path, round(self._world.clock.now() * 1000))
        self._task.fates[parcel.name] = "backed_up"
        self._tell.warned(SENT_TO_BACKUP)
        if not self._forwarding:
            self._forwarding = True
            self._world.group.spawn(self._forward(), f"forward-{self._task.sid[:8]}")

    async def _forget(self, name: str) -> None:
        """Remove a file from the backup store after a newer copy has arrived in the bucket."""
        kept = self._kept.pop(name, None)
        if kept is not None:
            await asyncio.to_thread(kept.path.unlink, missing_ok=True)

    async def _forward(self) -> None:
        """Upload the files of the backup store when the bucket accepts them. Stop trying at the end."""
        times, clock = self._world.settings.times, self._world.clock
        ends = clock.now() + clock.shrink(times.forward_for)
        while self._kept and clock.now() < ends:
            await asyncio.sleep(clock.shrink(times.forward))
            for name, kept in list(self._kept.items()):
                if not await self._forward_one(name, kept):
                    break
        for name in self._kept:
            self._task.fates[name] = "lost"
        self._kept.clear()
        self._forwarding = False
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _forward_one(self, name: str, kept: _Kept) -> bool:
        """Upload one file of the backup store. Return False if the bucket is still unreachable."""
        key, index = kept.parcel.key, self._indexes.get(name, 0)
        if kept.parcel.later is not None:
            key = kept.parcel.later(kept.tick, index)
        try:
            await self._put(key, kept.path, kept.parcel.content_type)
            fate: Fate = "forwarded"
        except StorageAway:
            return False
        except (UploadError, FileNotFoundError):
            fate = "lost"
        if self._kept.get(name) is kept:
            self._indexes[name] = index + 1
            self._task.fates[name] = fate
            await self._forget(name)
        return True

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _write(path: Path, body: bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(body, Path):
        shutil.copyfile(body, path)
    else:
        path.write_bytes(body)
