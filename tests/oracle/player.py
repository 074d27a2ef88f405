"""The player: FFmpeg's binary decodes what a viewer of a recording would be shown and played.

The model. FFmpeg's HLS demuxer reads the playlist (with ENDLIST added where it lacks: the recording is over) and says
which slices it opens, in which order, and how long the whole is. The bytes of these slices go, one after another, into
one MPEG-TS demuxer and one decoder for picture and sound, as that demuxer and the common players in browsers do it: a
slice that needs the pictures before it, or whose counters restart, plays without a loss. The demuxer is named, so that
a recording that begins with rubbish is still searched for its first packet. Errors are concealed or skipped as FFmpeg
does by default. An MP4 file is played by FFmpeg's own demuxer from its beginning to its end.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 36
_LIMIT_SECONDS = 120
_PROBE = ("-probesize", "100M", "-analyzeduration", "100M")
_VIDEO = re.compile(rb"showinfo_\d+ @ \w+\] n: *\d+ pts: *(-?\d+|NOPTS) .*?pos: *(-?\d+) ")
_BASE = re.compile(rb"showinfo_\d+ @ \w+\] config in time_base: (\d+)/(\d+)")
_SOUND = re.compile(rb"showinfo_\d+ @ \w+\] n:\d+ pts:(-?\d+|NOPTS) .*?pos:(-?\d+) .*?rate:(\d+) nb_samples:(\d+) ")
_DURATION = re.compile(rb"Duration: (\d+):(\d\d):(\d\d\.\d+)")
_REQUEST = re.compile(rb"HLS request for url '([^']*)', offset \d+, playlist 0")

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Frames:
    """Decoded pictures: when (seconds of the container's clock), where in its bytes, and each reduced to gray."""

    at: Numbers
    position: NDArray[np.int64]
    pictures: NDArray[np.uint8]


@dataclass(frozen=True)
class Sounds:
    """Decoded blocks of sound: when, where, and each block's samples (mono)."""

    at: Numbers
    position: NDArray[np.int64]
    blocks: list[NDArray[np.float32]]
    rate: int


@dataclass(frozen=True)
class Played:
    """What came out of one stream of bytes. `seconds`: how long FFmpeg says it is, 0 where it does not know."""

    frames: Frames
    sounds: Sounds
    seconds: float = 0.0


def play_bytes(content: bytes, form: str) -> Played:
    """Decode all of `content` as `form` (mpegts, mov)."""
    with tempfile.NamedTemporaryFile(prefix="pagereel-played-") as file:
        file.write(content)
        file.flush()
        source = [*_PROBE, "-copyts", "-threads", "1", "-f", form, "-i", file.name]
        reduced = f"scale={WIDTH}:{HEIGHT}:flags=area,format=gray,showinfo"
        shown, said = _ffmpeg(*source, "-map", "0:v:0", "-vf", reduced, "-fps_mode", "passthrough", "-f", "rawvideo")
        heard, told = _ffmpeg(*source, "-map", "0:a:0", "-af", "ashowinfo", "-ac", "1", "-f", "f32le")
    return Played(_frames(shown, said), _sounds(heard, told), _duration(said) or _duration(told))


def read_playlist(
    playlist: bytes, key: str, objects: Mapping[str, bytes], stand_in: bytes
) -> tuple[list[str], list[float | None], float]:
    """The keys that FFmpeg's HLS demuxer opens, in order; the seconds at which the playlist places each of them; and
    the seconds that it lasts.

    `stand_in`, a small slice, lies in each slice's place: what a slice holds does not change how a playlist is read.
    The place of an entry is the length that FFmpeg states for the entries before it; None where its line is one for
    FFmpeg alone.
    """
    if b"#EXT-X-ENDLIST" not in playlist:
        playlist += b"\n#EXT-X-ENDLIST\n"
    with tempfile.TemporaryDirectory(prefix="pagereel-playlist-") as name:
        folder = Path(name)
        for other in objects:
            if other.endswith(".ts") and objects[other]:
                (folder / other).parent.mkdir(parents=True, exist_ok=True)
                (folder / other).write_bytes(stand_in)
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        known = {(folder / other).resolve(): other for other in objects}

        def read(text: bytes) -> tuple[list[str], float]:
            (folder / key).write_bytes(text)
            _, said = _ffmpeg("-v", "verbose", "-i", str(folder / key), "-map", "0", "-c", "copy", "-f", "null")
            asked = [found.decode("utf-8", "replace") for found in _REQUEST.findall(said)]
            paths = [Path(one.removeprefix("file:")).resolve() for one in asked]
            return [known[path] for path in paths if path in known and objects[known[path]]], _duration(said)

        order, seconds = read(playlist)
        places = {0: 0.0}
        for before in _beginnings(playlist):
            opened, length = read(before + b"\n#EXT-X-ENDLIST\n")
            places[len(opened)] = length
        return order, [places.get(count) for count in range(len(order))], seconds


def _beginnings(playlist: bytes) -> Iterator[bytes]:
    """The playlist as far as each of its entries, without the first and the last."""
    lines = playlist.splitlines()
    entries = [number for number, line in enumerate(lines) if line.strip() and not line.startswith(b"#")]
    for number in entries[:-1]:
        yield b"\n".join(lines[: number + 1])


def _ffmpeg(*arguments: str) -> tuple[bytes, bytes]:
    """Samples or pictures, and what FFmpeg says. How it ends does not matter: what came out is what a viewer gets."""
    command = ("ffmpeg", "-hide_banner", "-nostdin", "-nostats", *arguments, "-")
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_LIMIT_SECONDS, check=False)
    return done.stdout, done.stderr


def _frames(shown: bytes, said: bytes) -> Frames:
    config = _BASE.search(said)
    scale = int(config[1]) / int(config[2]) if config else 0.0
    pictures = np.frombuffer(shown[: len(shown) // (WIDTH * HEIGHT) * WIDTH * HEIGHT], np.uint8)
    pictures = pictures.reshape(-1, HEIGHT, WIDTH)
    lines = _VIDEO.findall(said)
    count = min(len(lines), len(pictures))
    at = np.array([np.nan if pts == b"NOPTS" else int(pts) * scale for pts, _ in lines[:count]], np.float64)
    return Frames(at, _positions([int(position) for _, position in lines[:count]]), pictures[:count])


def _sounds(heard: bytes, said: bytes) -> Sounds:
    samples = np.frombuffer(heard[: len(heard) // 4 * 4], np.float32)
    at, positions, blocks, rate, begin = [], [], [], 0, 0
    for pts, position, hz, count in _SOUND.findall(said):
        rate, size = int(hz), int(count)
        if begin + size > len(samples):
            break
        at.append(np.nan if pts == b"NOPTS" else int(pts) / rate)
        positions.append(int(position))
        blocks.append(samples[begin : begin + size])
        begin += size
    return Sounds(np.array(at, np.float64), _positions(positions), blocks, rate)


def _positions(found: Sequence[int]) -> NDArray[np.int64]:
    """Where each frame's packet begins; FFmpeg gives -1 for a frame inside a packet: that of the frame before."""
    known: list[int] = []
    for position in found:
        known.append(position if position >= 0 or not known else known[-1])
    return np.array(known, np.int64)


def _duration(said: bytes) -> float:
    found: Any = _DURATION.search(said)
    return 0.0 if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
