"""The push of a recording to an RTMP target. A child process sends the recorder's packets, muxed to FLV.

A push never delays the recording, because `feed` does not wait, the push ends if packets cannot be sent in time, and a
hanging child is killed. It does not encode or decide what follows a failure. Pushes are not retried, because an update
sets another address (agora-reference §8.5).
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from io import RawIOBase
from pathlib import Path

import av

from emulator.engines.interface import PushStatus
from emulator.media.encoder import Encoder, Form, Muxer, Packet
from emulator.process.children import child, environment

# About ten seconds of picture and audio.
_QUEUE_PACKETS = 800
_CONNECT_SECONDS = 15.0
_END_SECONDS = 3.0


class RtmpPush:
    """A stream to one target until `close`. `tell` is called from the event loop, and `feed` from any thread."""

    def __init__(self, url: str, form: Form, home: Path, tell: Callable[[PushStatus], None]) -> None:
        self._url, self._form, self._home, self._tell = url, form, home, tell
        self._feed: _Feed | None = None
        self._closing = False
        self._held = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._task = asyncio.create_task(self._live(), name="rtmp-push")

    def feed(self, packets: list[Packet]) -> None:
        """Queue newly encoded packets without waiting."""
        feed = self._feed
        if feed is not None:
            feed.put(packets)

    def hold(self, held: bool) -> None:
        """Disconnect if `held` is true, because the target would close a connection without data. Otherwise
        reconnect."""
        (self._held.set if held else self._held.clear)()
        (self._wanted.clear if held else self._wanted.set)()

    async def close(self) -> None:
        """End the stream. No status is reported afterwards."""
        self._closing = True
        self.hold(True)
        self._wanted.set()
        await self._task

    async def _live(self) -> None:
        self._say("connecting")
        while not self._closing:
            if not await self._stream():
                self._say("disconnected")
                return
            if not self._closing:
                self._say("onhold")
                await self._wanted.wait()

    async def _stream(self) -> bool:
        """Send until held. Return False if the target does not accept the stream, or no longer accepts it."""
        reader, writer = os.pipe()
        feed = _Feed(self._form, self._url, writer)
        try:
            command = (sys.executable, "-m", "emulator.engines.rtmp_process")
            env = environment(self._home, self._home)
            async with child(*command, env=env, stdin=reader, stdout=PIPE, patience=0) as process:
                os.close(reader)
                feed.begin()
                self._feed = feed
                return await self._until_over(process, feed)
        finally:
            self._feed = None
            feed.end()
            # The child has ended, so that writing to its pipe fails instead of blocking.
            await asyncio.to_thread(feed.join)

    async def _until_over(self, process: Process, feed: _Feed) -> bool:
        held = asyncio.create_task(self._held.wait())
        gone = asyncio.create_task(self._publish(process, feed))
        try:
            await asyncio.wait((held, gone), return_when=asyncio.FIRST_COMPLETED)
            self._feed = None
            feed.end()
            if not gone.done():
                await asyncio.wait((gone,), timeout=_END_SECONDS)
            return held.done()
        finally:
            for task in (held, gone):
                task.cancel()
            await asyncio.wait((held, gone))

    async def _publish(self, process: Process, feed: _Feed) -> None:
        """Return when the child has ended, did not connect in time, or does not keep up."""
        assert process.stdout is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                connected = await process.stdout.readline()
            if connected:
                self._say("publishing")
                while process.returncode is None and not feed.full:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), 1.0)

    def _say(self, status: PushStatus) -> None:
        if not self._closing:
            self._tell(status)


class _Feed:
    """Packets on their way into the child's pipe, written by a thread that may block."""

    def __init__(self, form: Form, url: str, writer: int) -> None:
        self.full = False
        self._form, self._url, self._writer = form, url, writer
        self._queue: queue.Queue[list[Packet] | None] = queue.Queue(_QUEUE_PACKETS)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emulator-push", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, packets: list[Packet]) -> None:
        """Queue packets without waiting. Set `full` and discard them if the queue is full."""
        try:
            self._queue.put_nowait(packets)
        except queue.Full:
            self.full = True

    def end(self) -> None:
        """Accept no more packets. Queued packets are still sent if the child reads them."""
        self._ended.set()

    def join(self) -> None:
        """Wait for the end of the thread and close its end of the pipe. Blocks."""
        if self._thread.ident is None:
            os.close(self._writer)
        else:
            self._thread.join()

    def _run(self) -> None:
        # The exit of the child reports these errors.
        with suppress(OSError, av.FFmpegError), os.fdopen(self._writer, "wb", buffering=0) as pipe:
            pipe.write(f"{self._url}\n".encode())
            template = Encoder(self._form)
            try:
                self._mux(pipe, template)
            finally:
                template.close()

    def _mux(self, pipe: RawIOBase, template: Encoder) -> None:
        options = {"flvflags": "no_duration_filesize", "flush_packets": "1"}
        muxer = Muxer(av.open(pipe, "w", format="flv", options=options), template)
        first: int | None = None
        while (packets := self._next()) is not None:
            for packet in packets:
                if first is None and packet.video and packet.key:
                    first = packet.ticks
                if first is not None and packet.ticks >= (first if packet.video else self._form.samples(first)):
                    muxer.put([packet], from_frame=first, to_frame=0)
        muxer.close()

    def _next(self) -> list[Packet] | None:
        while True:
            try:
                return self._queue.get(timeout=0.2)
            except queue.Empty:
                if self._ended.is_set():
                    return None
