"""The loading of a page before recording: loading, readiness, and the time at which recording begins.

Covers the time from start to the first frame (agora-reference §3.6, §8.6) and provides the view. It does not record.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from emulator.engines.interface import EndCode, View, Wanted
from emulator.tasks.context import World
from emulator.tasks.events import Teller
from emulator.tasks.task import Task


class Opening:
    """Opens a task's page at its start and after each failover."""

    def __init__(self, world: World, task: Task, tell: Teller, wanted: Wanted) -> None:
        self._world, self._task, self._tell, self._wanted = world, task, tell, wanted
        self._clock = world.clock
        self._view: View | None = None

    async def start(self) -> int | None:
        """Open the page and wait until recording begins. Return None, or the code of event 71 if recording never
        begins."""
        code = await self._unless_stopped(self._open())
        if code is not None and code != EndCode.STOPPED:
            await self._until_start()
        if code == EndCode.ENGINE_FAILED:
            self._tell.start_timed_out()
        return await self._until_start() if code is None else code

    async def again(self) -> int | None:
        """Open the page for another recorder at once. Return a code on failure, or None."""
        return await (await self._new_view()).load()

    def take(self) -> View:
        """Return the open view, which the caller must close."""
        assert self._view is not None
        view, self._view = self._view, None
        return view

    async def close(self) -> None:
        """Close a view that was not taken."""
        if self._view is not None:
            await self.take().close()

    async def _open(self) -> int | None:
        """Load the page and wait until it is ready if requested (agora-reference §8.6). Return None, or a code."""
        view = await self._new_view()
        patience = self._clock.shrink(self._task.start.page.ready_timeout)
        for last in (False, True):
            code = await view.load()
            if code is not None or not patience or await view.ready(patience):
                return code
            if not last:
                self._tell.reloaded("page_load_timeout")
        return EndCode.NEVER_READY

    async def _new_view(self) -> View:
        self._view = view = await self._world.engine.open(self._wanted)
        self._task.describe = view.describe
        return view

    async def _until_start(self) -> int | None:
        """Wait until recording begins, which faults can delay. Return the code of an earlier stop, or None."""
        task = self._task
        while True:
            late = self._world.faults.use("late_start", task.subject)
            task.starts_at = task.started_at + self._clock.shrink(self._world.settings.times.start)
            task.starts_at += 0.0 if late is None else late.seconds or 0.0
            if task.stop_asked_at is not None:
                return EndCode.STOPPED
            if self._clock.now() >= task.starts_at:
                return None
            await self._clock.wait(task.wake, task.starts_at)

    async def _unless_stopped(self, work: Coroutine[Any, Any, int | None]) -> int | None:
        """Return the result of `work`, or the code of an earlier stop."""
        running = asyncio.create_task(work)
        running.add_done_callback(lambda _: self._task.wake.set())
        try:
            while not running.done():
                if self._task.stop_asked_at is not None:
                    return EndCode.STOPPED
                await self._clock.wait(self._task.wake, math.inf)
            return running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])
