"""The lifecycle of one task from start to 404: recording, failover, end (agora-reference §8.8, §9.5, §10.5).

Only this module advances a task. It does not read requests or render answers. At every wake-up it reads requested
changes (stop, hold, other targets) from the task and events from the view. A lost wake-up causes a delay but no loss.
"""

from __future__ import annotations

import logging
import math
import secrets

from emulator.engines.interface import Broken, EndCode, Ended, Limited, Reloaded, Wanted
from emulator.process.background import to_its_end
from emulator.recorders.backup_store import Courier
from emulator.recorders.recorder_session import FileSet
from emulator.recorders.segmenter import form_of
from emulator.tasks.context import World
from emulator.tasks.events import Teller
from emulator.tasks.page_loading import Opening
from emulator.tasks.rtmp_status import Pushing
from emulator.tasks.task import ABNORMAL_CODES, Task

logger = logging.getLogger(__name__)


class Life:
    """The lifecycle of one task. Call `run` once, in the background."""

    def __init__(self, world: World, task: Task) -> None:
        self._world, self._task = world, task
        self._clock, self._quirks = world.clock, world.settings.quirks
        self._tell = Teller(world, task)
        self._courier = Courier(world, task, self._tell)
        self._pushing = Pushing(task, self._tell, self._quirks)
        form = form_of(task.start.page, world.clock.shrink(world.settings.times.slice))
        self._wanted = Wanted(task.start.page, form, task.subject, task.wake.set)
        self._sets: list[FileSet] = []
        self._retiring: dict[FileSet, float] = {}
        self._opening = Opening(world, task, self._tell, self._wanted)
        self._over: tuple[int, float] | None = None
        self._broken: Broken | None = None
        self._blank_until = 0.0
        self._token_told = False

    async def run(self) -> None:
        """Run until query would answer 404."""
        task = self._task
        try:
            self._tell.registered()
            code = await self._opening.start()
            ended_at = self._clock.now()
            if code is None:
                self._begin()
                code, ended_at = await self._recording()
            await self._end(code, ended_at)
        except Exception:
            logger.exception("task %s failed", task.sid)
            task.end_code = EndCode.RECORDER_ERROR
        finally:
            now = self._clock.now()
            task.ended_at, task.gone_at = task.ended_at or now, now
            task.uploaded.set()
            await to_its_end(self._drop())

    async def _drop(self) -> None:
        await self._pushing.close()
        for files in self._sets:
            await files.drop()
        await self._opening.close()

    def _begin(self) -> None:
        """Start the first recorder and send the notices of a start."""
        task = self._task
        task.recording_at = self._clock.now()
        self._record(task.recording_at)
        self._tell.started(task.recording_at)

    def _record(self, began: float) -> None:
        """Start a recorder on the open view."""
        view = self._opening.take()
        self._sets.append(FileSet(self._world, self._task, self._tell, self._courier, self._wanted, view, began))

    # --- recording ---

    async def _recording(self) -> tuple[int, float]:
        """Record until the recording ends. Return the code of event 71 and the time at which the media ends."""
        task, times = self._task, self._world.settings.times
        assert task.recording_at is not None
        next_progress = task.recording_at + self._clock.shrink(times.progress)
        while True:
            now = self._clock.now()
            self._take_news(now)
            code, ends_at = self._ending(now)
            await self._follow(min(now, ends_at), ending=code is not None)
            if code is not None:
                return code, min(now, ends_at)
            if self._broken is not None:
                await self._fail_over(self._broken)
                continue
            await self._pushing.follow(self._sets[-1].view)
            self._watch_token(now)
            if now >= next_progress:
                self._tell.progress()
                next_progress += self._clock.shrink(times.progress)
            await self._clock.wait(self._task.wake, min(self._due(), ends_at, next_progress))

    async def _follow(self, now: float, *, ending: bool) -> None:
        """Bring the recorders to their state at `now`."""
        task = self._task
        paused = bool(task.holds) and task.holds[-1].ended is None
        if paused != task.onhold:
            task.hold(task.onhold, now)
        recording = not ending and not task.onhold and now >= self._blank_until
        await self._sets[-1].follow(now, recording=recording)
        for files, until in list(self._retiring.items()):
            if ending or now >= until:
                del self._retiring[files]
                await files.retire(min(now, until))
            else:
                await files.follow(now, recording=not task.onhold)

    def _due(self) -> float:
        """Return the next time at which work is due."""
        began, now = self._task.recording_at, self._clock.now()
        assert began is not None
        blank = self._blank_until if self._blank_until > now else math.inf
        retiring = [min(files.due, until) for files, until in self._retiring.items()]
        return min(self._sets[-1].due, self._sets[-1].view.due(began), blank, *retiring)

    def _take_news(self, now: float) -> None:
        """Process the page's events since the last call."""
        began, view = self._task.recording_at, self._sets[-1].view
        assert began is not None
        while self._over is None and self._broken is None:
            at = min(view.due(began), now)
            match view.happened(began, now):
                case None:
                    return
                case Reloaded(seconds):
                    self._tell.reloaded("audio_silence")
                    self._blank_until = now + seconds
                case Limited(limit):
                    self._tell.limited(limit)
                    self._over = EndCode.CAPABILITY_LIMIT, at
                case Ended(code):
                    self._over = code, at
                case Broken() as broken:
                    self._break(broken, at)

    def _break(self, broken: Broken, at: float) -> None:
        """Record that the recorder's process died. If the quirk `failover_limit` is reached, the task ends instead."""
        limit = self._quirks.failover_limit
        if limit is not None and self._task.failovers >= limit:
            self._over = EndCode.RECORDER_ERROR, at
        else:
            self._broken = broken

    def _ending(self, now: float) -> tuple[int | None, float]:
        """Return the code of event 71 if the recording must end now, and the time at which it ends or would end."""
        task = self._task
        assert task.recording_at is not None
        limit = task.recording_at + self._clock.shrink(task.start.page.max_hours * self._world.settings.times.hour)
        if task.stop_asked_at is not None:
            return EndCode.STOPPED, now
        if any(files.refused for files in self._sets) and self._quirks.storage_error_ends:
            return EndCode.RECORDER_ERROR, now
        if task.start.push is not None and task.start.push.aborts and task.rtmp_status == "disconnected":
            return EndCode.RECORDER_ERROR, now
        if self._over is not None and self._over[1] <= limit:
            return self._over
        return (EndCode.HOUR_LIMIT if now >= limit else None), limit

    async def _fail_over(self, broken: Broken) -> None:
        """Replace the recorder after a gap, during which query, update and stop answer 404."""
        task, old = self._task, self._sets[-1]
        task.absent_until = self._clock.now() + broken.seconds
        if not broken.overlap:
            await old.abandon()
        await self._pushing.close()
        while (now := self._clock.now()) < task.absent_until:
            if broken.overlap:
                await old.follow(now, recording=not task.onhold)
            await self._clock.wait(self._task.wake, min(task.absent_until, old.due))
        task.failovers += 1
        new_uid = secrets.randbelow(2**32 - 1) + 1
        self._tell.failed_over(new_uid)
        task.uid = str(new_uid)
        self._broken = None
        code = await self._opening.again()
        if code is not None:
            self._over = code, self._clock.now()
        if broken.overlap:
            self._retiring[old] = self._clock.now() + broken.overlap
        self._record(self._clock.now())

    def _watch_token(self, now: float) -> None:
        """Send event 34 at the token's expiry. This is a quirk, because only third-party text names the event."""
        expires = self._task.storage.expires_at
        if self._quirks.sts_notice and expires is not None and now >= expires and not self._token_told:
            self._token_told = True
            self._tell.token_expired()

    # --- end ---

    async def _end(self, code: int, ended_at: float) -> None:
        """Perform the steps from the end of the recording to the exit (events 71, 33, 31 or 32, 11)."""
        task = self._task
        task.ended_at, task.end_code = ended_at, code
        task.hold(False, ended_at)
        mp4_files = await self._sets[-1].close() if self._sets else []
        await self._pushing.end(told=bool(self._sets))
        self._tell.stopped(code)
        for files in self._sets:
            await files.finish(mp4_files if files is self._sets[-1] else None)
        if self._quirks.exit_before_uploaded:
            self._tell.left(abnormal=code in ABNORMAL_CODES)
        self._settle()
        await self._linger(code, ended_at)
        if not self._quirks.exit_before_uploaded:
            self._tell.left(abnormal=code in ABNORMAL_CODES)
        self._world.sender.forget(task.sid)

    def _settle(self) -> None:
        """Report the state of the uploads."""
        task = self._task
        if self._sets and all(files.complete for files in self._sets):
            task.upload_status = "backuped" if self._courier.waiting else "uploaded"
            self._tell.complete()
            self._tell.uploaded(backed_up=self._courier.waiting)
        task.uploaded_at = self._clock.now()
        task.uploaded.set()

    async def _linger(self, code: int, ended_at: float) -> None:
        """Continue to answer for some time after the end, unless the task never recorded."""
        if code not in (EndCode.ENGINE_FAILED, EndCode.NEVER_READY, EndCode.UNREACHABLE):
            leaves_at = ended_at + self._clock.shrink(self._world.settings.times.exit)
            while self._clock.now() < leaves_at:
                await self._clock.wait(self._task.wake, leaves_at)
