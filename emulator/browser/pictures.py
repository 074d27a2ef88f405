"""The sources of the recorder's frames: the display, or the browser's screencast if no display exists.

They yield pictures with their capture times, and do not encode or count them.

Iterating blocks for at most a few frame durations, so use a thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import av

from emulator.media.test_pattern import Picture as Drawing
from emulator.process.clock import Clock


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the encoder's size and format. `seen_at` is in Unix seconds of the emulator's clock."""

    seen_at: float
    frame: av.VideoFrame


class Pictures(Protocol):
    """A source of pictures."""

    def frames(self, fps: int) -> Iterator[Picture]:
        """Yield `fps` pictures a second, endlessly."""


class DisplayPictures:
    """Grabs a rectangle of an X display."""

    def __init__(self, clock: Clock, display: str, width: int, height: int, left: int = 0, top: int = 0) -> None:
        self._clock, self._display = clock, display
        self._width, self._height, self._left, self._top = width, height, left, top

    def frames(self, fps: int) -> Iterator[Picture]:
        """Yield pictures of the display. Raise av.FFmpegError when the display no longer exists."""
        options = {
            **{"framerate": str(fps), "video_size": f"{self._width}x{self._height}", "draw_mouse": "0"},
            **{"grab_x": str(self._left), "grab_y": str(self._top)},
            # The format of raw pictures is known, so FFmpeg need not probe it.
            **{"probesize": "32", "analyzeduration": "0"},
        }
        with av.open(self._display, format="x11grab", options=options, buffer_size=0) as grabber:
            for frame in grabber.decode(video=0):
                assert frame.time is not None
                # `frame.time` is the wall-clock time of the capture.
                age = time.time() - frame.time
                yield Picture(self._clock.now() - age, frame.reformat(self._width, self._height, "yuv420p"))


class BlankPictures:
    """Pictures of uniform brightness with the capture times of another source."""

    def __init__(self, pictures: Pictures, width: int, height: int, brightness: int) -> None:
        self._pictures, self._size, self._brightness = pictures, (width, height), brightness

    def frames(self, fps: int) -> Iterator[Picture]:
        """Yield one picture for each picture of the other source."""
        frame = av.VideoFrame.from_ndarray(Drawing(*self._size, self._brightness).draw(0, 0), "yuv420p")
        for picture in self._pictures.frames(fps):
            yield Picture(picture.seen_at, frame)


class ScreencastPictures:
    """The newest picture of a screencast at each frame time. `show` is called from the event loop."""

    def __init__(self, clock: Clock, width: int, height: int) -> None:
        self._clock, self._width, self._height = clock, width, height
        self._newest: bytes | None = None

    def show(self, jpeg: bytes) -> None:
        """Replace the newest picture."""
        self._newest = jpeg

    def frames(self, fps: int) -> Iterator[Picture]:
        """Yield the newest picture at each frame time. Yield black before the first picture."""
        decoder = av.CodecContext.create("mjpeg", "r")
        shown: bytes | None = None
        frame = av.VideoFrame(self._width, self._height, "gray").reformat(format="yuv420p")
        due = self._clock.now()
        while True:
            # Skip frame times that passed while the consumer was busy.
            due += max(1, math.ceil((self._clock.now() - due) * fps)) / fps
            time.sleep(max(0.0, due - self._clock.now()))
            newest = self._newest
            if newest is not None and newest is not shown:
                decoded = [one for one in decoder.decode(av.Packet(newest)) if isinstance(one, av.VideoFrame)]
                frame, shown = decoded[0].reformat(self._width, self._height, "yuv420p"), newest
            yield Picture(self._clock.now(), frame)
