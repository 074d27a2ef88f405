"""The life of one task from start to 404: recording, uploading, noticing, ending (reference 8.8, 9.5, 10.5).

For: the only place that moves a task on. It must not read requests or render answers; wishes (stop, hold, other
targets) are read off the task, faults are asked of the book, at every wake-up. A lost wake-up delays, it loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.clock import Clock
from emulator.engines import Engine
from emulator.faults import Fault, FaultBook
from emulator.group import Group
from emulator.names import FileNames
from emulator.notices import Notice, Receiver, Sender
from emulator.playlist import Dialect
from emulator.recorder import Mp4Plan, Recorder, form_of
from emulator.settings import Callback, Settings
from emulator.shipment import Shipment
from emulator.tasks import ABNORMAL_CODES, File, RtmpStatus, Task, render_files
from emulator.upload import CONFIGURATION_WRONG, Uploader, UploadError

logger = logging.getLogger(__name__)

STOPPED, HOUR_LIMIT, PAGE_UNREACHABLE, RECORDER_ERROR = 0, 1, 5, 6
_MESSAGES = (
    *("ok", "max_recording_hour", "capability_limit", "start_engine_failed"),
    *("page_load_timeout", "access_url_failed", "recorder_error"),
)
_LONGEST_SLEEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class World:
    """What every task shares."""

    settings: Settings
    clock: Clock
    faults: FaultBook
    group: Group
    sender: Sender
    uploader: Uploader
    engine: Engine
    executor: Executor
    folder: Path


class Life:
    """Lives one task. `run` is to be run once, in the background."""

    def __init__(self, world: World, task: Task) -> None:
        self._world, self._task = world, task
        self._clock = world.clock
        self._form = form_of(task.start.page, world.clock.shrink(world.settings.times.slice))
        self._shipments: list[tuple[Shipment, asyncio.Task[None]]] = []
        self._recorder: Recorder | None = None
        self._storage_refused = False

    async def run(self) -> None:
        """Live until query would answer 404."""
        task = self._task
        try:
            await self._world.engine.prepare(self._form)
            code = await self._starting()
            if code is None:
                self._begin()
                code = await self._recording()
            await self._end(code)
        except Exception:
            logger.exception("task %s failed", task.sid)
            task.end_code = RECORDER_ERROR
        finally:
            now = self._clock.now()
            task.ended_at, task.gone_at = task.ended_at or now, now
            task.uploaded.set()
            for shipment, _ in self._shipments:
                shipment.end()
            if self._recorder is not None:
                await asyncio.shield(self._recorder.drop())

    async def _starting(self) -> int | None:
        """Wait until the page would be recorded; a code when it never is."""
        task, faults = self._task, self._world.faults
        while True:
            late = faults.use("late_start", task.subject)
            task.starts_at = task.started_at + self._clock.shrink(self._world.settings.times.start)
            task.starts_at += 0.0 if late is None else late.seconds or 0.0
            if task.stop_asked_at is not None:
                return STOPPED
            if self._clock.now() >= task.starts_at:
                break
            await self._sleep(task.starts_at)
        if faults.use("page_unreachable", task.subject) is not None:
            return PAGE_UNREACHABLE
        return None

    def _begin(self) -> None:
        """The first recorder, and the notices of a start."""
        task = self._task
        task.recording_at = self._clock.now()
        self._recorder = self._make_recorder(task.recording_at)
        self._notify(30, status=0)
        self._notify(70, recorderStartTime=round(task.recording_at * 1000))
        if task.rtmp_url is not None:
            self._notify_rtmp("connecting")
            self._notify_rtmp("publishing")

    async def _recording(self) -> int:
        """Record until something ends it; the code of event 71."""
        task, times = self._task, self._world.settings.times
        assert task.recording_at is not None
        next_progress = task.recording_at + self._clock.shrink(times.progress)
        while True:
            assert self._recorder is not None
            recorder, now = self._recorder, self._clock.now()
            code, ends_at = self._ending(now)
            await self._follow(recorder, min(now, ends_at), ending=code is not None)
            if code is not None:
                return code
            failover_at, fault = self._failover()
            if fault is not None and now >= failover_at:
                await self._fail_over(recorder, fault)
                continue
            if now >= next_progress:
                self._notify(33, progress=self._progress())
                next_progress += self._clock.shrink(times.progress)
            await self._sleep(min(recorder.due, ends_at, failover_at, next_progress))

    async def _follow(self, recorder: Recorder, now: float, *, ending: bool) -> None:
        """Bring the recorder to where it should be now, and ship what that yields."""
        slices = []
        while recorder.running and recorder.due <= now and (made := await recorder.cut(now)) is not None:
            slices.append(made)
        if recorder.running and (ending or self._task.onhold):
            slices += await recorder.pause(now)
        elif not recorder.running and not ending and not self._task.onhold:
            await recorder.resume(now)
        for made in slices:
            self._task.slices_made += 1
            self._shipments[-1][0].add(made)

    def _ending(self, now: float) -> tuple[int | None, float]:
        """The code of event 71 if the recording is to end now, and the instant it ends or would end."""
        task = self._task
        assert task.recording_at is not None
        limit = task.recording_at + self._clock.shrink(task.start.page.max_hours * self._world.settings.times.hour)
        death = self._world.faults.instant("page_dies", task.subject, task.recording_at)
        dies_at = math.inf if death is None else death[0]
        if task.stop_asked_at is not None:
            return STOPPED, now
        if self._storage_refused and self._world.settings.quirks.storage_error_ends:
            return RECORDER_ERROR, now
        if death is not None and now >= dies_at and dies_at <= limit:
            self._world.faults.struck(death[1], task.subject)
            return death[1].code, dies_at
        if now >= limit:
            return HOUR_LIMIT, limit
        return None, min(limit, dies_at)

    def _failover(self) -> tuple[float, Fault | None]:
        """When the next failover comes, endless if none, and its fault."""
        assert self._task.recording_at is not None
        due = self._world.faults.instant("failover", self._task.subject, self._task.recording_at)
        return (math.inf, None) if due is None else due

    async def _fail_over(self, recorder: Recorder, fault: Fault) -> None:
        """The recorder's process dies with its unfinished slice; another takes over after the window."""
        task = self._task
        self._world.faults.struck(fault, task.subject)
        task.absent_until = self._clock.now() + (fault.window or 0.0)
        await recorder.drop()
        self._shipments[-1][0].end()
        while self._clock.now() < task.absent_until:
            await self._sleep(task.absent_until)
        task.failovers += 1
        new_uid = secrets.randbelow(2**32 - 1) + 1
        self._notify(12, newUid=new_uid)
        task.uid = str(new_uid)
        self._recorder = self._make_recorder(self._clock.now())

    async def _end(self, code: int) -> None:
        """Everything from the end of the recording to the exit (events 71, 33, 31, 11)."""
        task, recorder = self._task, self._recorder
        task.ended_at, task.end_code = self._clock.now(), code
        files = [] if recorder is None else await recorder.close()
        task.files += [File(file.name, file.began) for file in files]
        if task.rtmp_url is not None and recorder is not None:
            self._notify_rtmp("disconnected")
        self._notify(
            71,
            code=code,
            message=_MESSAGES[code],
            details=self._end_details(code),
            fileList=render_files(task, self._world.settings.quirks),
        )
        for place, (shipment, running) in enumerate(self._shipments):
            shipment.end()
            await running
            if place == len(self._shipments) - 1:
                await shipment.finish(files)
        for file in files:
            file.path.unlink(missing_ok=True)
        complete = recorder is not None and all(shipment.error is None for shipment, _ in self._shipments)
        if complete:
            task.upload_status = "uploaded"
            self._notify(33, progress=10000)
            self._notify(31, status=0)
        task.uploaded_at = self._clock.now()
        task.uploaded.set()
        if code != PAGE_UNREACHABLE:
            leaves_at = task.ended_at + self._clock.shrink(self._world.settings.times.exit)
            while self._clock.now() < leaves_at:
                await self._sleep(leaves_at)
        self._notify(11, exitStatus=1 if code in ABNORMAL_CODES else 0)
        self._world.sender.forget(task.sid)

    def _end_details(self, code: int) -> str:
        if code == HOUR_LIMIT:
            return f"max recording hour is {self._task.start.page.max_hours:g}"
        return "" if code == STOPPED else _MESSAGES[code].replace("_", " ")

    def _make_recorder(self, began: float) -> Recorder:
        """A recorder for a new file set, with its shipment under way."""
        task, world = self._task, self._world
        names = FileNames(task.sid, task.cname, task.failovers, task.storage.folders)
        split = self._clock.shrink(task.start.page.max_video_minutes * world.settings.times.minute)
        recorder = Recorder(
            engine=world.engine,
            executor=world.executor,
            form=self._form,
            names=names,
            began=began,
            slice_seconds=self._clock.shrink(world.settings.times.slice),
            mp4=Mp4Plan(world.folder, split) if task.start.mp4 else None,
        )
        self._ship(names, File(names.playlist, began))
        return recorder

    def _ship(self, names: FileNames, playlist: File) -> None:
        task, world = self._task, self._world
        quirks, count = world.settings.quirks, iter(range(2**31))

        def arrived() -> None:
            task.slices_uploaded += 1
            if task.first_file_at is None:
                task.first_file_at = self._clock.now()
            if playlist not in task.files:
                task.files.append(playlist)
                self._notify(4, fileList=playlist.name)

        shipment = Shipment(
            names,
            Dialect(task.start.correct_extinf, quirks.playlist_time, quirks.track_events),
            put=lambda key, body, kind: world.uploader.put(task.storage, key, body, kind),
            loses=lambda: world.faults.loses(task.subject, next(count)),
            on_slice=arrived,
            on_error=self._on_upload_error,
        )
        self._shipments.append((shipment, world.group.spawn(shipment.run(), f"shipment-{task.sid[:8]}")))

    def _on_upload_error(self, error: UploadError) -> None:
        logger.warning("task %s: upload refused (%s)", self._task.sid, error)
        refused = error.code == CONFIGURATION_WRONG
        self._notify(
            1,
            module=1,
            errorLevel=5 if refused else 4,
            errorCode=error.code,
            stat=1,
            errorMsg="storage configuration rejected" if refused else "upload failed",
        )
        self._storage_refused = self._storage_refused or refused
        self._task.wake.set()

    def _progress(self) -> int:
        made = self._task.slices_made
        return 10000 if made == 0 else round(self._task.slices_uploaded / made * 10000)

    def _notify_rtmp(self, status: RtmpStatus) -> None:
        self._task.rtmp_status = status
        self._notify(100, rtmpUrl=self._task.rtmp_url, status=status)

    def _notify(self, event: int, **details: Any) -> None:
        notify(self._world, self._task, event, details)

    async def _sleep(self, until: float) -> None:
        """Until an instant, or until somebody wakes the task because something changed."""
        wake = self._task.wake
        wait = min(max(until - self._clock.now(), 0.0), _LONGEST_SLEEP_SECONDS)
        try:
            async with asyncio.timeout(wait):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()


def notify(world: World, task: Task, event: int, details: dict[str, Any]) -> None:
    """Send a notice about a task to the receivers of its app, as the standing faults let it through."""
    notice = Notice(event, task.cname, task.uid, task.sid, task.sequence, world.clock.now(), details)
    task.sequence += 1
    wants: Callable[[Callback], bool] = lambda callback: callback.events is None or event in callback.events  # noqa: E731
    receivers = [
        Receiver(callback.url, None if callback.secret is None else callback.secret.get_secret_value())
        for callback in task.app.callbacks
        if wants(callback)
    ]
    world.sender.send(notice, receivers, world.faults.deliveries(task.subject, event))
