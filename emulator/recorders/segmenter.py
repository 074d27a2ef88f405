"""One recorder, which cuts runs of frames into slices and MP4 files of one file set (agora-reference §9.1 to §9.3).

Decides where a slice begins and ends, and makes its bytes. It does not upload, wait or use a task's state.

Slice n+1 begins with the frame that follows slice n, unless the recorder was paused in between. With `gapless` the
media time continues across a pause, but slice names still contain the true time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from emulator.engines.interface import Run, View
from emulator.media.encoder import Form, Mp4Writer, Packet, mux_slice
from emulator.media.file_names import FileNames
from emulator.media.playlist import Entry
from emulator.requests.extension_config import Page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice:
    """A finished slice: its line in the playlist and its bytes."""

    entry: Entry
    data: bytes


@dataclass(frozen=True, slots=True)
class Mp4File:
    """A finished MP4 file on disk."""

    name: str
    path: Path
    began: float


@dataclass(frozen=True, slots=True)
class Mp4Plan:
    """The folder and limits of MP4 files. `full` is called from a thread with each complete file."""

    folder: Path
    split_seconds: float
    split_bytes: float
    full: Callable[[Mp4File], None] | None = None


def form_of(page: Page, slice_seconds: float) -> Form:
    """Return a page's encoding parameters. They contain a key frame each second, or more often for shorter slices."""
    longest = max(1, min(page.fps, int(slice_seconds * page.fps)))
    # A divisor of the frame rate keeps the key frames of a loop aligned with those of the slices.
    gop = max(size for size in range(1, longest + 1) if page.fps % size == 0)
    # 4:2:0 requires even sizes.
    return Form(page.width & ~1, page.height & ~1, page.fps, page.bitrate_kbps, page.audio_profile, gop)


class Recorder:
    """Records from `began` (Unix seconds) until `close`. It must not be called concurrently."""

    def __init__(
        self,
        *,
        view: View,
        executor: Executor,
        form: Form,
        names: FileNames,
        began: float,
        slice_seconds: float,
        mp4: Mp4Plan | None,
        gapless: bool,
    ) -> None:
        self.names = names
        self.began = began
        self._view, self._executor, self._form = view, executor, form
        self._slice_frames = form.gop * math.ceil(round(slice_seconds * form.fps / form.gop, 6))
        self._mp4_plan, self._mp4 = mp4, None if mp4 is None else _Mp4Series(mp4, names)
        self._run: Run | None = None
        self._first = 0
        self._gapless, self._skipped = gapless, 0
        self._fresh = True

    @property
    def running(self) -> bool:
        """Return True between `resume` and `pause`."""
        return self._run is not None

    @property
    def due(self) -> float:
        """Return when the current slice is full (Unix seconds), or infinity while paused."""
        return math.inf if self._run is None else self._instant(self._first + self._slice_frames)

    async def resume(self, now: float) -> None:
        """Begin a run of frames with the frame that is shown at `now`."""
        first = max(self._first, math.floor(round((now - self.began) * self._form.fps, 6)))
        if self._gapless:
            self._skipped += first - self._first
        self._first, self._fresh = first, True
        self._run = await self._in_thread(lambda: self._view.run(self.began, first))

    async def cut(self, now: float) -> Slice | None:
        """Return the slice that is due, cut at `now` if it is not full. Return None if it has no frame."""
        assert self._run is not None
        end = min(self._first + self._slice_frames, self._frame(now))
        if end <= self._first:
            return None
        run, first, fresh = self._run, self._first, self._fresh
        self._first, self._fresh = end, False
        data = await self._in_thread(lambda: self._finish(run, first, end))
        seconds = (end - first) / self._form.fps
        began = self._instant(first)
        return Slice(Entry(self.names.slice(began), began, seconds, fresh), data)

    async def pause(self, now: float) -> list[Slice]:
        """End the run. Return its last slices, including the partial one."""
        slices: list[Slice] = []
        while (made := await self.cut(now)) is not None:
            slices.append(made)
        await self.drop()
        return slices

    async def drop(self) -> None:
        """End the run and discard its remaining media."""
        run, self._run = self._run, None
        if run is not None:
            await self._in_thread(run.close)

    async def close(self) -> list[Mp4File]:
        """Finish and return the MP4 files. Slices must already have been taken by `pause`."""
        await self.drop()
        if self._mp4 is None:
            return []
        return await self._in_thread(self._mp4.close)

    def _finish(self, run: Run, first: int, end: int) -> bytes:
        packets = run.take(end)
        if self._mp4 is not None:
            self._mp4.append(run, packets, first, end, self._instant(first))
        return mux_slice(run.template, packets, skipped=self._skipped)

    def _frame(self, now: float) -> int:
        """Return the number of frames shown before `now`."""
        return math.ceil(round((now - self.began) * self._form.fps, 6))

    def _instant(self, frame: int) -> float:
        return self.began + frame / self._form.fps

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


class _Mp4Series:
    """The MP4 files of one file set. A new file begins with the first slice after the split length."""

    def __init__(self, plan: Mp4Plan, names: FileNames) -> None:
        self._plan, self._names = plan, names
        self._files: list[Mp4File] = []
        self._count = 0
        self._writer: Mp4Writer | None = None

    def append(self, run: Run, packets: list[Packet], first: int, end: int, began: float) -> None:
        fps = run.template.form.fps
        if self._writer is not None and self._is_full(self._writer, fps):
            self._finish_file()
        if self._writer is None:
            path = self._plan.folder / self._names.mp4(self._count)
            self._writer = Mp4Writer(path, run.template, began)
        self._writer.append(packets, first, end - first)

    def close(self) -> list[Mp4File]:
        self._plan = replace(self._plan, full=None)
        self._finish_file()
        return self._files

    def _is_full(self, writer: Mp4Writer, fps: int) -> bool:
        return writer.frames >= self._plan.split_seconds * fps or writer.bytes >= self._plan.split_bytes

    def _finish_file(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        file = Mp4File(self._writer.path.name, self._writer.path, self._writer.began)
        self._writer = None
        self._count += 1
        if self._plan.full is not None:
            self._plan.full(file)
        else:
            self._files.append(file)
