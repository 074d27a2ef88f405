"""Jobs for the decoder: slices made by ffmpeg, decoded one after the other as a verification has them decoded."""

import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from service.media.spans import measure, merge
from service.media.ts.rows import PACKET
from service.verifier.decoding.process import Decoder

FPS, SECONDS, COUNT = 10, 4, 4
VIDEO_PID, AUDIO_PID = 0x100, 0x101


@cache
def cut(
    x264: str = "keyint=20:min-keyint=20:scenecut=0:bframes=0",
    *,
    size: str = "160x120",
    rate: int = 48_000,
    first: float = 0.0,
) -> tuple[bytes, ...]:
    """Four slices of four seconds of one stream."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={FPS}"),
            *("-f", "lavfi", "-i", f"anoisesrc=sample_rate={rate}:seed=1:amplitude=0.3", "-t", str(COUNT * SECONDS)),
            *("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-x264-params", x264),
            *(
                "-c:a",
                "aac",
                "-ac",
                "1",
                "-output_ts_offset",
                str(first),
                "-f",
                "hls",
                "-hls_time",
                str(SECONDS),
                "-hls_list_size",
                "0",
                "all.m3u8",
            ),
        ]
        subprocess.run(command, check=True, timeout=60, cwd=folder, capture_output=True)
        return tuple(path.read_bytes() for path in sorted(Path(folder).glob("*.ts")))


async def decode(decoder: Decoder, contents: Sequence[bytes], sets: str = "") -> list[dict[str, Any]]:
    """What the decoder says of each slice, decoded after the one before it. `sets`: parameter sets known before."""
    answers: list[dict[str, Any]] = []
    for number, content in enumerate(contents):
        last = number == len(contents) - 1
        facts, _ = await decoder.run(
            "whole", content, seconds=SECONDS, keep=not last, known=[], sets=sets,
            begins=number == 0, ends=last, context=False, units=False,
        )  # fmt: skip
        answers += [facts[name] for name in ("before", "own") if name in facts]
    return answers


def lost(answer: dict[str, Any]) -> float:
    """Seconds of pictures that the decoder found lost."""
    return measure(merge((begin, end) for begin, end in answer["lost"]))


def lost_sound(answer: dict[str, Any]) -> float:
    """Seconds of sound that the decoder found lost."""
    return measure(merge((begin, end) for begin, end in answer["sound_lost"]))


def with_noise(content: bytes, pid: int, units: range, seed: int = 1) -> bytes:
    """A slice in which these units of a stream hold noise behind their headers."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, PACKET).copy()
    pids = (rows[:, 1].astype(int) & 0x1F) << 8 | rows[:, 2]
    dice = np.random.default_rng(seed)
    unit = -1
    for place in np.flatnonzero(pids == pid):
        unit += bool(rows[place, 1] & 0x40)
        begin = (5 + int(rows[place, 4]) if rows[place, 3] & 0x20 else 4) + (40 if rows[place, 1] & 0x40 else 0)
        if unit in units and begin < PACKET:
            rows[place, begin:] = dice.integers(0, 256, PACKET - begin, np.uint8)
    return rows.tobytes()
