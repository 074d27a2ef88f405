"""Slices that follow one another, cut by ffmpeg, and what is read of them: the material of the tests of continuity."""

import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from media_ffmpeg import pids_of, probe

from service.media.continuity import Continuity, judge_continuity
from service.media.pieces import Piece
from service.media.ts.packets import read_packets
from service.media.ts.rows import PACKET
from service.media.ts.slices import SliceFacts, read_ends, read_whole
from service.report import Severity

SECONDS, COUNT, FPS = 4.0, 8, 10
FRAME = 1024 / 48_000
HEAD, TAIL = 22 * PACKET, 340 * PACKET


@cache
def cut(
    *,
    count: int = COUNT,
    source: str = "testsrc2",
    size: str = "160x120",
    rate: int = 48_000,
    x264: str = "keyint=10:min-keyint=10:scenecut=0:bframes=0",
    slicer: tuple[str, ...] = ("-f", "hls", "-hls_time", "4", "-hls_list_size", "0"),
    first: float = 0.0,
    mute: bool = False,
) -> tuple[bytes, ...]:
    """Slices of four seconds of one stream. `first`: seconds by which all time stamps are later."""
    sound = ["-an"] if mute else ["-c:a", "aac", "-ac", "1"]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *("ffmpeg", "-nostdin", "-v", "error"),
            *("-f", "lavfi", "-i", f"{source}=size={size}:rate={FPS}"),
            *("-f", "lavfi", "-i", f"anoisesrc=sample_rate={rate}:seed={len(source)}"),
            *("-t", str(count * SECONDS), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast"),
            *("-threads", "1", "-x264-params", x264, *sound, "-output_ts_offset", str(first), *slicer),
        ]
        out = ["-hls_segment_filename", "%03d.ts", "all.m3u8"] if "hls" in slicer else ["%03d.ts"]
        subprocess.run([*command, *out], check=True, timeout=60, cwd=folder, capture_output=True)
        return tuple(path.read_bytes() for path in sorted(Path(folder).glob("*.ts")))


SEGMENTS = ("-f", "segment", "-segment_time", "4", "-segment_format", "mpegts")
OTHER = {"source": "testsrc"}


@cache
def facts_of(content: bytes, *, ends: bool) -> SliceFacts:
    """What is read of a slice: all of it, or only both ends."""
    if not ends:
        return read_whole(read_packets(content))
    head = read_packets(content[:HEAD], partial=True)
    tail = (len(content) - TAIL) // PACKET * PACKET
    return read_ends(head, read_packets(content[max(0, tail) :], head.maps[0] if head.maps else ()))


def pieces_of(
    contents: Sequence[bytes], *, marked: Sequence[int] = (), seconds: dict[int, float] | None = None
) -> list[Piece]:
    """Slices as a playlist names them. `marked`: those after a DISCONTINUITY; `seconds`: wrong lengths by index."""
    return [
        Piece(
            f"{index}.ts", len(content), f"{hash(content)}", index * SECONDS, (seconds or {}).get(index, SECONDS),
            index in marked, 0, "sid", 0,
        )
        for index, content in enumerate(contents)
    ]  # fmt: skip


def continuity_of(
    contents: Sequence[bytes], *, ends: bool = False, marked: Sequence[int] = (), sound: bool | None = None
) -> Continuity:
    """The continuity of these slices."""
    facts = {index: facts_of(content, ends=ends) for index, content in enumerate(contents)}
    return judge_continuity(pieces_of(contents, marked=marked), facts, sound=sound)


def errors(continuity: Continuity) -> dict[int, str]:
    """Faults that condemn, by slice."""
    heavy = {"slice_displaced", "slice_foreign", "size_changed"}
    return {
        one.index: one.code for one in continuity.faults if one.code in heavy and one.severity is not Severity.WARNING
    }


def lost_seconds(continuity: Continuity) -> float:
    """How long all stretches are that continuity found lost."""
    return sum(end - begin for spans in continuity.lost.values() for begin, end in spans)


def without(content: bytes, pid: int, first: int, until: int | None = None) -> bytes:
    """A slice without packets of one PID, by their order."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, PACKET)
    mine = np.flatnonzero(pids_of(rows) == pid)[first:until]
    return np.delete(rows, mine, axis=0).tobytes()


def last_shown(content: bytes, kind: str) -> float:
    """When ffprobe says that the picture or the sound of a slice ends, in seconds of its clock."""
    return max((int(one["dts"]) + int(one.get("duration", 0))) / 90_000 for one in probe(content, kind))
