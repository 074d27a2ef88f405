"""One recorder session: a view of the page, its recorder, and the upload of its file set.

Starts and pauses the recorder as requested and updates the task's record of it. `emulator.recorders.task_lifecycle`
decides when a recording ends or fails over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from emulator.engines.interface import View, Wanted
from emulator.media.file_names import FileNames
from emulator.media.playlist import Dialect
from emulator.process.background import to_its_end
from emulator.recorders.backup_store import Courier
from emulator.recorders.segmenter import Mp4File, Mp4Plan, Recorder, Slice
from emulator.recorders.upload_queue import Shipment
from emulator.tasks.context import World
from emulator.tasks.events import Teller
from emulator.tasks.task import File, Task
from emulator.uploads.s3 import CONFIGURATION_WRONG, UploadError

_LARGEST_MP4_BYTES = 2_000_000_000


class FileSet:
    """The files of one recorder that began at `began` (Unix seconds)."""

    def __init__(
        self, world: World, task: Task, tell: Teller, courier: Courier, wanted: Wanted, view: View, began: float
    ) -> None:
        self._world, self._task, self._tell, self._courier = world, task, tell, courier
        self._wanted, self._number = wanted, task.failovers
        self.view, self.began = view, began
        self.refused = False
        dashes = world.settings.quirks.cname_space == "dash"
        self._names = FileNames(task.sid, task.cname, task.failovers, task.storage.folders, dash_spaces=dashes)
        self._playlist = File(self._names.playlist, began)
        self._shipment = self._make_shipment()
        self._shipping = world.group.spawn(self._shipment.run(), f"shipment-{task.sid[:8]}")
        self._recorder = self._make_recorder()

    @property
    def due(self) -> float:
        """Return when the current slice is full (Unix seconds), or infinity while nothing is recorded."""
        return self._recorder.due

    @property
    def complete(self) -> bool:
        """Return True if no file was lost to an error so far."""
        return self._shipment.error is None

    async def follow(self, now: float, *, recording: bool) -> None:
        """Bring the recorder to its state at `now`, and upload the finished slices."""
        recorder, slices = self._recorder, []
        while recorder.running and recorder.due <= now and (made := await recorder.cut(now)) is not None:
            slices.append(made)
        if recorder.running and not recording:
            slices += await recorder.pause(now)
        elif not recorder.running and recording:
            await recorder.resume(now)
        for made in slices:
            self._ship(made)

    async def abandon(self) -> None:
        """End a recorder whose process has died. Its unfinished slice and MP4 are lost, but finished slices still
        arrive."""
        await self._recorder.drop()
        self._shipment.end()
        await self.view.close()

    async def retire(self, now: float) -> None:
        """End a recorder that another one has replaced, after uploading all its media up to `now`."""
        await self.follow(now, recording=False)
        await self.abandon()

    async def close(self) -> list[Mp4File]:
        """End the recording. Return the MP4 files that `finish` must upload."""
        files = await self._recorder.close()
        self._task.files += [File(file.name, file.began) for file in files]
        self._shipment.end()
        return files

    async def finish(self, files: Sequence[Mp4File] | None) -> None:
        """Return when everything is uploaded. If `files` is given, even as an empty sequence, the playlist gets its end
        mark."""
        await self._shipping
        if files is not None:
            await self._shipment.finish(files, ended=self._world.settings.quirks.endlist)

    async def drop(self) -> None:
        """Free everything, in any state."""
        self._shipment.end()
        await to_its_end(self._recorder.drop())
        with contextlib.suppress(Exception):
            await self.view.close()

    def _ship(self, made: Slice) -> None:
        self._task.slices_made += 1
        self._task.add_media(made.entry.began, made.entry.began + made.entry.seconds, self._number)
        self._shipment.add(made)

    def _make_recorder(self) -> Recorder:
        task, world = self._task, self._world
        loop, quirks = asyncio.get_running_loop(), world.settings.quirks

        def full(file: Mp4File) -> None:
            loop.call_soon_threadsafe(self._ship_mp4, file)

        plan = Mp4Plan(
            world.folder,
            world.clock.shrink(task.start.page.max_video_minutes * world.settings.times.minute),
            _LARGEST_MP4_BYTES,
            full if quirks.mp4_during else None,
        )
        return Recorder(
            view=self.view,
            executor=world.executor,
            form=self._wanted.form,
            names=self._names,
            began=self.began,
            slice_seconds=world.clock.shrink(world.settings.times.slice),
            mp4=plan if task.start.mp4 else None,
            gapless=quirks.break_times == "continue",
        )

    def _ship_mp4(self, file: Mp4File) -> None:
        self._task.files.append(File(file.name, file.began))
        self._shipment.add(file)

    def _make_shipment(self) -> Shipment:
        task, world, count = self._task, self._world, iter(range(2**31))
        quirks = world.settings.quirks

        def loses(name: str) -> bool:
            lost = world.faults.loses(task.subject, next(count))
            if lost:
                task.fates[name] = "lost"
            return lost

        return Shipment(
            self._names,
            Dialect(task.start.correct_extinf, quirks.playlist_time, quirks.track_events, quirks.discontinuity_last),
            bring=self._courier.bring,
            loses=loses,
            on_slice=self._arrived,
            on_error=self._failed,
        )

    def _arrived(self) -> None:
        """Record that a slice and the playlist that lists it are in the bucket or in the backup store."""
        task, repeated = self._task, self._world.settings.quirks.file_infos == "repeated"
        task.slices_uploaded += 1
        if task.fates.get(self._playlist.name) != "stored":
            return
        if task.first_file_at is None:
            task.first_file_at = self._world.clock.now()
        if self._playlist not in task.files:
            task.files.append(self._playlist)
            self._tell.first_file(self._playlist.name)
        elif repeated:
            self._tell.first_file(self._playlist.name)

    def _failed(self, error: UploadError) -> None:
        self.refused = error.code == CONFIGURATION_WRONG
        self._tell.upload_refused(error.code, configuration=self.refused)
        self._task.wake.set()
