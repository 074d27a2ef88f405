"""The packets of the synthetic picture. `live` encodes every frame in real time, and `loop` re-stamps one encoded loop.

Provides the packets of any run of frames when they are due. It does not handle slices, files or tasks.

`take` and `close` of a run block, so call them in a thread. All other methods return quickly.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Executor
from functools import lru_cache
from typing import Protocol

from emulator.engines.interface import Run
from emulator.media.encoder import AAC_FRAME, RATE, Encoder, Form, Packet
from emulator.media.test_pattern import Picture, Scene
from emulator.process.clock import Clock

logger = logging.getLogger(__name__)
# 8 s contain a whole number of AAC frames (375) and of video frames at any whole rate.
_LOOP_SECONDS = 8
_LOOP_AUDIO_FRAMES = _LOOP_SECONDS * RATE // AAC_FRAME
# Audio is encoded this far ahead of the picture, so that a cut never waits for it.
_AUDIO_LEAD_SAMPLES = RATE // 10
_GIVE_UP_FRAMES_AFTER_SECONDS = 1.0
_TAKE_DEADLINE_SECONDS = 30.0


class Runs(Protocol):
    """Makes runs of the synthetic picture."""

    async def prepare(self, form: Form, scene: Scene) -> None:
        """Do the slow preparations, so that `run` returns quickly."""

    def run(self, form: Form, scene: Scene, began: float, first: int) -> Run:
        """Return a run from frame `first` of a recording that began at Unix seconds `began`. Call `prepare` first."""

    async def close(self) -> None:
        """Free the resources that all runs share."""


class LiveRuns:
    """Runs whose threads draw and encode each frame when it is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def prepare(self, form: Form, scene: Scene) -> None:
        """Do nothing, because live runs need no preparation."""

    def run(self, form: Form, scene: Scene, began: float, first: int) -> Run:
        """Start the thread of a run."""
        return _LiveRun(form, scene, self._clock, began, first)

    async def close(self) -> None:
        """Do nothing, because runs share no resources."""


class _LiveRun:
    def __init__(self, form: Form, scene: Scene, clock: Clock, began: float, first: int) -> None:
        self.template = Encoder(form)
        self._form, self._clock, self._began, self._first = form, clock, began, first
        self._picture, self._silent = Picture(form.width, form.height, scene.brightness), scene.silent
        self._video: list[Packet] = []
        self._audio: list[Packet] = []
        self._audio_ticks = form.samples(first)
        self._position = first
        self._ready = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._encode, name="emulator-live", daemon=True)
        self._thread.start()

    def take(self, end: int) -> list[Packet]:
        with self._ready:
            self._ready.wait_for(
                lambda: self._position >= end or not self._thread.is_alive(), timeout=_TAKE_DEADLINE_SECONDS
            )
            if self._position < end:
                raise RuntimeError(f"the encoder stands at frame {self._position} instead of {end}")
            sound_end = self._form.samples(end)
            taken = [packet for packet in self._video if packet.ticks < end]
            taken += [packet for packet in self._audio if packet.ticks < sound_end]
            self._video = [packet for packet in self._video if packet.ticks >= end]
            self._audio = [packet for packet in self._audio if packet.ticks >= sound_end]
        return _in_order(taken, self._form)

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(_TAKE_DEADLINE_SECONDS)
        self.template.close()

    def _encode(self) -> None:
        frame, group = self._first, -1
        while not self._stopped.wait(max(0.0, self._due(frame) - self._clock.now())):
            late = self._clock.now() - self._due(frame)
            if late > _GIVE_UP_FRAMES_AFTER_SECONDS:
                skipped = int(late * self._form.fps)
                frame += skipped
                logger.warning("this machine is too slow: %d pictures in a row are not recorded", skipped)
            group_now = (frame - self._first) // self._form.gop
            plane = self._picture.draw(round(self._due(frame) * 1000), frame)
            video = self.template.encode_picture(plane, frame, key=group_now != group)
            audio = self._encode_sound(frame + 1)
            with self._ready:
                self._video += video
                self._audio += audio
                self._position = frame + 1
                self._ready.notify_all()
            frame, group = frame + 1, group_now

    def _encode_sound(self, until: int) -> list[Packet]:
        packets: list[Packet] = []
        while self._audio_ticks < self._form.samples(until) + _AUDIO_LEAD_SAMPLES:
            packets += self.template.encode_tone(self._audio_ticks, silent=self._silent)
            self._audio_ticks += AAC_FRAME
        # The encoder's priming frame precedes the run.
        return [packet for packet in packets if packet.ticks >= self._form.samples(self._first)]

    def _due(self, frame: int) -> float:
        return self._began + frame / self._form.fps


class LoopRuns:
    """Runs over one loop for each form. The loop is encoded once, so a run costs only muxing. The picture shows the
    loop's time."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._loops: dict[tuple[Form, Scene], asyncio.Future[_Loop]] = {}

    async def prepare(self, form: Form, scene: Scene) -> None:
        """Encode the loop of a form and a scene once."""
        wanted = form, scene
        if wanted not in self._loops:
            self._loops[wanted] = asyncio.get_running_loop().run_in_executor(self._executor, _loop_of, *wanted)
        await asyncio.shield(self._loops[wanted])

    def run(self, form: Form, scene: Scene, began: float, first: int) -> Run:
        """Return a run over the loop."""
        return _LoopRun(self._loops[form, scene].result(), first)

    async def close(self) -> None:
        """Wait for loops that are being encoded."""
        await asyncio.gather(*self._loops.values(), return_exceptions=True)
        self._loops.clear()


class _Loop:
    """The packets of `_LOOP_SECONDS`: video by frame, audio by AAC frame."""

    def __init__(self, form: Form, scene: Scene) -> None:
        self.template = Encoder(form)
        picture, frames = Picture(form.width, form.height, scene.brightness), _LOOP_SECONDS * form.fps
        self.video: list[Packet] = []
        for frame in range(frames):
            plane = picture.draw(frame * 1000 // form.fps, frame)
            self.video += self.template.encode_picture(plane, frame, key=frame % form.gop == 0)
        # The second round of the tone continues its own end without a click.
        places = range(2 * _LOOP_AUDIO_FRAMES + 1)
        sound = [self.template.encode_tone(place * AAC_FRAME, silent=scene.silent) for place in places]
        self.audio = [packet for packets in sound for packet in packets if packet.ticks >= _LOOP_SECONDS * RATE]


@lru_cache(maxsize=8)
def _loop_of(form: Form, scene: Scene) -> _Loop:
    """Return the loop. It is cached, because encoding one takes up to seconds of a core."""
    return _Loop(form, scene)


class _LoopRun:
    def __init__(self, loop: _Loop, first: int) -> None:
        self.template = loop.template
        self._loop = loop
        self._form = loop.template.form
        self._first, self._next = first, first
        self._next_sound = 0

    def take(self, end: int) -> list[Packet]:
        packets: list[Packet] = []
        for frame in range(self._next, end):
            made = self._loop.video[(frame - self._first) % len(self._loop.video)]
            packets.append(Packet(True, frame, made.key, made.data))
        self._next = end
        base, sound_end = self._form.samples(self._first), self._form.samples(end)
        while (ticks := base + self._next_sound * AAC_FRAME) < sound_end:
            made = self._loop.audio[self._next_sound % len(self._loop.audio)]
            packets.append(Packet(False, ticks, True, made.data))
            self._next_sound += 1
        return _in_order(packets, self._form)

    def close(self) -> None:
        """Do nothing, because the run owns no resources."""


def _in_order(packets: Iterable[Packet], form: Form) -> list[Packet]:
    return sorted(packets, key=lambda packet: packet.ticks / (form.fps if packet.video else RATE))
