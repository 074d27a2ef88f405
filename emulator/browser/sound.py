"""The audio of a task's audio server, in blocks with their capture times.

Reads `parec` in its own thread. It does not encode or evaluate the audio.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from emulator.browser.desktop import RATE, SINK, Desktop
from emulator.media.test_pattern import Sound
from emulator.process.children import child, environment
from emulator.process.clock import Clock

# Called with the time of the first sample (Unix seconds) and the samples, a row for each channel.
Listener = Callable[[float, Sound], None]
_LOUD = 1e-4
_ANCHOR_SECONDS = 5.0
_BYTES = 4
_LOOK_SECONDS = 0.2


class Ear:
    """Reads audio from the start. Audio without a listener is discarded."""

    def __init__(self, clock: Clock, channels: int) -> None:
        self.listener: Listener | None = None
        self.loud_at: float | None = None
        self.deaf = False
        self._clock, self._channels = clock, channels
        self._timeline = _Timeline()

    def listen(self, reader: int, closing: threading.Event) -> None:
        """Read raw samples from a file descriptor until its end or until `closing` is set. Blocks."""
        left = b""
        size = self._channels * _BYTES
        while not closing.is_set():
            if not select.select([reader], [], [], _LOOK_SECONDS)[0]:
                continue
            data = os.read(reader, 65536)
            if not data:
                break
            left += data
            whole = len(left) // size * size
            block = np.frombuffer(left[:whole], np.float32).reshape(-1, self._channels).T
            left = left[whole:]
            if block.size:
                self._hear(np.ascontiguousarray(block))
        self.deaf = True

    def _hear(self, block: Sound) -> None:
        now = self._clock.now()
        first = self._timeline.place(block.shape[1], now)
        if float(np.abs(block).max()) > _LOUD:
            self.loud_at = now
        # Read the listener once, because another thread may clear it.
        listener = self.listener
        if listener is not None:
            listener(first, block)


class _Timeline:
    """Computes when samples were heard. Blocks can arrive late but never early, so the earliest blocks set the time."""

    def __init__(self) -> None:
        self._count = 0
        self._anchor: float | None = None
        self._lowest = float("inf")
        self._reviewed = 0.0

    def place(self, samples: int, now: float) -> float:
        """Return the time of the first of `samples` samples that arrived at `now`."""
        first = self._count
        self._count += samples
        begin = now - self._count / RATE
        self._lowest = min(self._lowest, begin)
        if self._anchor is None or begin < self._anchor:
            self._anchor = begin
        if now - self._reviewed > _ANCHOR_SECONDS:
            # All blocks of the interval were late, so samples were lost and not delayed.
            self._anchor, self._lowest, self._reviewed = self._lowest, float("inf"), now
        return self._anchor + first / RATE


@asynccontextmanager
async def open_ear(home: Path, desktop: Desktop, clock: Clock, channels: int) -> AsyncIterator[Ear]:
    """Open an ear at a desktop's audio server. If the desktop has no audio, open an ear that hears nothing."""
    ear = Ear(clock, channels)
    if desktop.sound is None:
        ear.deaf = True
        yield ear
        return
    reader, writer = os.pipe()
    closing = threading.Event()
    thread = threading.Thread(target=ear.listen, args=(reader, closing), name="emulator-ear", daemon=True)
    command = ("parec", "-d", f"{SINK}.monitor", "--format=float32le", f"--rate={RATE}", f"--channels={channels}")
    env = environment(home, desktop.sound.parent, **desktop.variables)
    try:
        async with child(*command, "--raw", "--latency-msec=20", env=env, stdout=writer, patience=0):
            os.close(writer)
            writer = -1
            thread.start()
            yield ear
    finally:
        if writer >= 0:
            os.close(writer)
        closing.set()  # the end of the pipe may never arrive while another process holds its other side
        if thread.ident is not None:
            thread.join()
        os.close(reader)
