"""Judges recorded media with foreign eyes: PyAV, `m3u8` and, where it is installed, ffprobe. Never `service/media`."""

import io
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
import m3u8
import pytest


@dataclass(frozen=True)
class Piece:
    """A slice as its name and its bytes say."""

    key: str
    starts_at: float
    seconds: float


def read_playlist(content: bytes) -> m3u8.M3U8:
    """Agora's EXTINF lacks the comma that `m3u8` wants (agora-reference §9.4)."""
    return m3u8.loads(re.sub(r"(#EXTINF:[\d.]+),?", r"\1,", content.decode()))


def read_piece(key: str, content: bytes) -> Piece:
    stamp = key.rpartition("_")[2].removesuffix(".ts")
    began = datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() + int(stamp[14:]) / 1000
    return Piece(key, began, decoded_seconds(content))


def decoded_seconds(content: bytes) -> float:
    """The length of the pictures that can really be decoded."""
    with av.open(io.BytesIO(content)) as container:
        video = container.streams.video[0]
        times = [frame.time for frame in container.decode(video) if frame.time is not None]
        return times[-1] - times[0] + 1 / float(video.average_rate or 10)


def probed_seconds(content: bytes, path: Path) -> float | None:
    """What ffprobe says of a file; None where it is missing at home. In CI it must be there."""
    if shutil.which("ffprobe") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("ffprobe is missing: install the Debian package ffmpeg")
        return None
    path.write_bytes(content)
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert not result.stderr, result.stderr
    return float(result.stdout)
