"""One run of a recorded page. Pictures and audio are encoded as they arrive, and packets are kept until they are taken.

It puts pictures and audio on the common timeline of the recording. It does not handle slices, files or the browser.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np

from emulator.browser.pictures import Picture, Pictures
from emulator.media.encoder import AAC_FRAME, RATE, Encoder, Form, Packet
from emulator.media.test_pattern import Sound

logger = logging.getLogger(__name__)

Tap = Callable[[list[Packet]], None]
_TAKE_DEADLINE_SECONDS = 30.0
_JOIN_SECONDS = 10.0
# A smaller step between blocks of audio is jitter. A greater step is a gap or an overlap.
_SLACK_SAMPLES = RATE // 40
# Silence is inserted if audio is later than the picture by more than this.
_PATIENCE_SAMPLES = RATE // 2


class PageRun:
    """Encodes from frame `first` until `close`, in a thread. The ear's thread calls `hear`.

    Every frame number has a picture. If none was captured in time, the previous picture is repeated and counted in
    `late`.
    """

    def __init__(self, form: Form, pictures: Pictures, *, began: float, first: int, skew: float, tap: Tap) -> None:
        self.template = Encoder(form)
        self.late = 0
        self._form, self._pictures, self._began, self._first = form, pictures, began, first
        self._skew, self._tap = skew, tap
        self._packets: list[Packet] = []
        self._position = first
        self._ready = threading.Condition()
        self._stopped = threading.Event()
        self._ended = False
        self._sound = _SoundTrack(self.template, form.samples(first))
        # The offset in seconds that aligns audio with the frame numbers, or None before the first picture.
        self._shift: float | None = None
        self._early: list[tuple[float, Sound]] = []
        self._thread = threading.Thread(target=self._film, name="emulator-film", daemon=True)
        self._thread.start()

    @property
    def frames(self) -> int:
        """Return the number of encoded frames, including repeated ones."""
        return self._position - self._first

    @property
    def broken(self) -> bool:
        """Return True if the pictures ended although the run was not closed."""
        return self._ended and not self._stopped.is_set()

    def hear(self, instant: float, block: Sound) -> None:
        """Add audio whose first sample was heard at `instant`."""
        with self._ready:
            if self._stopped.is_set():
                return
            if self._shift is None:
                self._early.append((instant, block))
            else:
                self._put_sound(instant, block)

    def take(self, end: int) -> list[Packet]:
        """Return the packets of all frames before `end`, in order of time. If the run is broken, there are fewer
        packets. Blocks."""
        with self._ready:
            sound_end = self._form.samples(end)
            self._ready.wait_for(
                lambda: (self._position >= end and self._sound.position >= sound_end) or self.broken,
                timeout=_TAKE_DEADLINE_SECONDS,
            )
            taken: list[Packet] = []
            left: list[Packet] = []
            for packet in self._packets:
                (taken if packet.ticks < (end if packet.video else sound_end) else left).append(packet)
            self._packets = left
        return sorted(taken, key=lambda packet: packet.ticks / (self._form.fps if packet.video else RATE))

    def close(self) -> None:
        """Stop and free everything. Blocks."""
        with self._ready:
            self._stopped.set()
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():
            logger.error("the display does not answer")
        else:
            self.template.close()

    def _film(self) -> None:
        before: Picture | None = None
        try:
            for picture in self._pictures.frames(self._form.fps):
                if self._stopped.is_set():
                    return
                place = (picture.seen_at - self._began) * self._form.fps
                number = round(place)
                if before is None:
                    self._begin(max(number, self._first) - place)
                if number >= self._position:
                    self._fill(before or picture, number, late=before is not None)
                    self._encode(picture, number)
                    before = picture
        except Exception as error:
            # The display ended with its task, or before it.
            if not self._stopped.is_set():
                logger.warning("no more pictures: %s", type(error).__name__)
        finally:
            with self._ready:
                self._ended = True
                self._ready.notify_all()

    def _begin(self, shift_frames: float) -> None:
        """Derive the audio offset, which is the first picture's distance from its frame number, plus half a frame."""
        with self._ready:
            self._shift = (shift_frames + 0.5) / self._form.fps - self._skew
            for instant, block in self._early:
                self._put_sound(instant, block)
            self._early.clear()

    def _fill(self, picture: Picture, number: int, *, late: bool) -> None:
        while self._position < number and not self._stopped.is_set():
            self.late += late
            self._encode(picture, self._position)

    def _encode(self, picture: Picture, number: int) -> None:
        key = (number - self._first) % self._form.gop == 0
        packets = self.template.encode_frame(picture.frame, number, key=key)
        with self._ready:
            self._keep(packets)
            self._position = number + 1
            lag = self._form.samples(self._position) - self._sound.position
            if lag > _PATIENCE_SAMPLES:
                self._keep(self._sound.silence(lag - _PATIENCE_SAMPLES // 2))
            self._ready.notify_all()

    def _put_sound(self, instant: float, block: Sound) -> None:
        assert self._shift is not None
        ticks = round((instant + self._shift - self._began) * RATE)
        self._keep(self._sound.put(ticks, block))
        self._ready.notify_all()

    def _keep(self, packets: list[Packet]) -> None:
        self._packets += packets
        self._tap(packets)


class _SoundTrack:
    """Continuous audio from sample number `first`, cut into AAC frames."""

    def __init__(self, encoder: Encoder, first: int) -> None:
        self._encoder, self._first = encoder, first
        self._next = first
        self._held: list[Sound] = []
        self._heard_to = first
        # All packets before this sample have been returned. The encoder retains later packets.
        self.position = first

    def put(self, ticks: int, block: Sound) -> list[Packet]:
        """Add a block whose first sample has the number `ticks`, and return the finished packets."""
        step = ticks - self._heard_to
        if step > _SLACK_SAMPLES:
            self._append(np.zeros((block.shape[0], step), np.float32))
        elif step < -_SLACK_SAMPLES:
            block = block[:, -step:]
        self._append(block)
        return self._encode()

    def silence(self, samples: int) -> list[Packet]:
        """Add silence, and return the finished packets."""
        self._append(np.zeros((self._encoder.form.channels, samples), np.float32))
        return self._encode()

    def _append(self, block: Sound) -> None:
        self._held.append(block)
        self._heard_to += block.shape[1]

    def _encode(self) -> list[Packet]:
        held = np.concatenate(self._held, axis=1)
        packets: list[Packet] = []
        while held.shape[1] >= AAC_FRAME:
            packets += self._encoder.encode_sound(np.ascontiguousarray(held[:, :AAC_FRAME]), self._next)
            held = held[:, AAC_FRAME:]
            self._next += AAC_FRAME
        self._held = [held]
        if packets:
            self.position = packets[-1].ticks + AAC_FRAME
        # The encoder's priming frame precedes the run.
        return [packet for packet in packets if packet.ticks >= self._first]
