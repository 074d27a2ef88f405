"""What the tests see in a recording of the bundled page, with ffprobe, PyAV and m3u8: never with the service's eyes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from emulator.media.test_pattern import read_clock

RATE, WINDOW = 48_000, 240


@dataclass(frozen=True)
class Watched:
    """A decoded file: times of frames in seconds, the page's clock in each (Unix seconds), flashes and beeps."""

    times: list[float]
    clocks: list[float]
    flashes: list[float]
    beeps: list[float]
    sound_seconds: float
    key_times: list[float]

    def drawn(self, shown: float = 0.0) -> list[tuple[float, float]]:
        """Time and clock of each frame whose clock is later than all before it, and than `shown`. The others tell
        nothing: a busy browser draws nothing for a while, and a busy recorder repeats frames."""
        found = []
        for time, clock in zip(self.times, self.clocks, strict=True):
            if clock > shown:
                found.append((time, clock))
                shown = clock
        return found

    @property
    def skews(self) -> list[float]:
        """Seconds from each flash to the nearest beep."""
        return [min((beep - flash for beep in self.beeps), key=abs) for flash in self.flashes]


def watch(path: Path) -> Watched:
    """Decode a file of the bundled page whole."""
    times: list[float] = []
    clocks: list[float] = []
    bright: list[bool] = []
    keys: list[float] = []
    sound: list[Any] = []
    sound_from: float | None = None
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        resampler = av.AudioResampler("fltp", "mono", RATE)
        for frame in container.decode(video, audio):
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                luma = frame.to_ndarray(format="gray")
                times.append(frame.time)
                clocks.append(read_clock(luma) / 1000)
                bright.append(bool(luma[frame.height // 6, 5] > 180))
                if frame.key_frame:
                    keys.append(frame.time)
            else:
                sound_from = frame.time if sound_from is None else sound_from
                sound += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    flashes = [times[place + 1] for place, (was, now) in enumerate(pairwise(bright)) if now and not was]
    heard = np.concatenate(sound)
    return Watched(times, clocks, flashes, _beeps(heard, sound_from or 0.0), len(heard) / RATE, keys)


def _beeps(sound: Any, began: float) -> list[float]:
    """The instants at which a tone begins after silence."""
    level = np.abs(sound[: len(sound) // WINDOW * WINDOW]).reshape(-1, WINDOW).max(1)
    loud = level > 0.1
    places = [place for place in range(1, len(loud)) if loud[place] and not loud[max(0, place - 20) : place].any()]
    return [began + place * WINDOW / RATE for place in places]


def probe(path: Path) -> dict[str, Any]:
    """ffprobe's view of a file: streams by type, duration, frames counted by decoding."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return {"format": found["format"], **{stream["codec_type"]: stream for stream in found["streams"]}}


def instant_of(name: str) -> float:
    """Unix seconds in a slice's name."""
    digits = name.rpartition("_")[2].removesuffix(".ts")
    moment = datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment.timestamp() + int(digits[14:]) / 1000
