"""Slices that ffmpeg makes, and what ffprobe and ffmpeg say of them: the witnesses for the readers of packets."""

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from service.media.ts.rows import PACKET

VIDEO_PID, AUDIO_PID = 0x100, 0x101
SAME_TIME = ("-mpegts_copyts", "1", "-muxdelay", "0", "-muxpreload", "0")


def ffmpeg(*options: str, content: bytes = b"") -> bytes:
    """The file that ffmpeg writes; it reads `content` where an option says `INPUT`."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "in.ts", Path(folder) / "out"
        source.write_bytes(content)
        named = [str(source) if option == "INPUT" else option for option in options]
        subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-y", *named, str(made)], check=True, timeout=60, capture_output=True
        )
        return made.read_bytes()


@cache
def slice_of(
    *,
    size: str = "160x120",
    fps: int = 25,
    seconds: float = 4,
    rate: int = 48_000,
    x264: str = "keyint=25:min-keyint=25:scenecut=0:bframes=0",
    first: float = 1.0,
    muxer: tuple[str, ...] = (),
    sound: tuple[str, ...] = ("-c:a", "aac"),
    picture: tuple[str, ...] = (),
) -> bytes:
    """One slice of moving pictures and a tone, whose time stamps begin at `first` seconds."""
    return ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={fps}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}"),
        *("-t", str(seconds), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"),
        *("-x264-params", x264, *picture, *sound, "-output_ts_offset", str(first)),
        *("-f", "mpegts", *SAME_TIME, *muxer),
    )  # fmt: skip


@cache
def probe(content: bytes, kind: str) -> tuple[dict[str, Any], ...]:
    """What ffprobe says of the packets of the picture (`v`) or the sound (`a`)."""
    return tuple(_probe(content, "-select_streams", kind, "-show_packets")["packets"])


@cache
def probe_stream(content: bytes, kind: str) -> dict[str, Any]:
    """What ffprobe says of the picture or the sound as a whole."""
    found: dict[str, Any] = _probe(content, "-select_streams", kind, "-show_streams")["streams"][0]
    return found


def _probe(content: bytes, *options: str) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".ts") as file:
        file.write(content)
        file.flush()
        command = ["ffprobe", "-v", "error", "-of", "json", *options, file.name]
        answer = subprocess.run(command, check=True, timeout=60, capture_output=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@cache
def pictures(content: bytes) -> tuple[bytes, ...]:
    """The digests of the pictures that ffmpeg shows, in their order."""
    # With threads ffmpeg shows pictures after damage otherwise than without, and from run to run.
    text = ffmpeg(
        "-threads", "1", "-i", "INPUT", "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", content=content
    )
    return tuple(line.split(b",")[-1].strip() for line in text.splitlines() if not line.startswith(b"#"))


def rows_of(content: bytes) -> np.ndarray:
    """The packets of a slice, to be changed."""
    return np.frombuffer(content, np.uint8).reshape(-1, PACKET).copy()


def pids_of(rows: np.ndarray) -> np.ndarray:
    """The PID of each packet."""
    return (rows[:, 1].astype(int) & 0x1F) << 8 | rows[:, 2]


def places_of(rows: np.ndarray, pid: int, *, begins: bool | None = None) -> list[int]:
    """Where packets of a stream are. `begins`: only those that begin a unit, or that do not."""
    mine = pids_of(rows) == pid
    if begins is not None:
        mine &= (rows[:, 1] & 0x40 != 0) == begins
    return [int(place) for place in np.flatnonzero(mine)]
