"""Heads of slices and boxes of MP4 files, made by a real muxer, damaged by hand."""

import struct
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from service.media.mp4 import MAX_MOOV_BYTES, Mp4, walk_mp4
from service.media.mpegts import AAC, H264, held_seconds, read_head, since

FPS, SECONDS, RATE = 10, 4, 48_000


def made(form: str, **options: str) -> bytes:
    """Four seconds of grey and silence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        write(path, form, options)
        return path.read_bytes()


def write(path: Path, form: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w", format=form, options=options) as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "20", "bf": "0"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="stereo")
        for index in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(np.full((144, 128), 90 + index, np.uint8), "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        for begin in range(0, RATE * SECONDS, 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            sound.sample_rate, sound.pts, sound.time_base = RATE, begin, Fraction(1, RATE)
            container.mux(audio.encode(sound))
        container.mux(video.encode())
        container.mux(audio.encode())


TS, MP4 = made("mpegts"), made("mp4")
FAST = made("mp4", movflags="faststart")


def walked(content: bytes, *, tables: bool = False) -> tuple[Mp4, list[tuple[int, int]]]:
    reads: list[tuple[int, int]] = []
    walk = walk_mp4(len(content), tables=tables)
    try:
        wanted = next(walk)
        while True:
            reads.append(wanted)
            wanted = walk.send(content[wanted[0] : wanted[0] + wanted[1]])
    except StopIteration as done:
        return done.value, reads


def test_a_head_tells_streams_times_and_the_key_frame() -> None:
    head = read_head(TS[:4096])
    assert (head.fault, head.programs, head.key) == (None, 1, True)
    assert [stream.type for stream in head.streams or ()] == [H264, AAC]
    assert head.video_at is not None


def test_a_tail_tells_how_long_the_slice_is() -> None:
    held = held_seconds(TS[-65536:], read_head(TS[:4096]))
    assert held == pytest.approx(SECONDS, abs=0.1)
    half = len(TS) // 2 // 188 * 188
    held = held_seconds(TS[max(0, half - 65536) : half], read_head(TS[:4096]))
    assert held is not None
    assert held < SECONDS * 0.75


def test_the_clock_of_time_stamps_wraps() -> None:
    assert since((1 << 33) - 90_000, 90_000) == 2
    assert since(90_000, (1 << 33) - 90_000) == -2


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (TS[1:4097], "sync"),
        (TS[:188] + b"\x00" + TS[189:4096], "sync"),
        (TS[:189] + bytes([TS[189] | 0x80]) + TS[190:4096], "damaged"),
        (TS[:191] + bytes([TS[191] | 0x40]) + TS[192:4096], "scrambled"),
    ],
)
def test_a_broken_head_says_why(content: bytes, word: str) -> None:
    assert word in (read_head(content).fault or "")


def test_a_table_whose_sum_is_wrong_is_no_table() -> None:
    at = TS.index(b"\x47\x40\x00", 0)
    assert read_head(TS[: at + 10] + b"\xff" + TS[at + 11 : at + 376]).programs is None


@pytest.mark.parametrize("content", [MP4, FAST], ids=["moov at the end", "moov in front"])
def test_an_mp4_is_known_by_a_handful_of_small_reads(content: bytes) -> None:
    facts, reads = walked(content)
    assert facts.fault is None
    assert facts.seconds == pytest.approx(SECONDS, abs=0.1)
    assert [(track.handler, track.codec) for track in facts.tracks] == [("vide", "avc1"), ("soun", "mp4a")]
    assert (facts.tracks[0].width, facts.tracks[0].height, facts.tracks[1].channels) == (128, 96, 2)
    assert len(reads) <= 5
    assert sum(length for _, length in reads) <= 5 * 4096
    assert walked(content, tables=True)[0] == facts


def box_at(content: bytes, kind: bytes) -> int:
    return content.index(kind) - 4


def put(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at + len(piece) :]


def wide(content: bytes) -> bytes:
    """The same file with the size of `mdat` in 64 bits; the eight bytes of `free` in front of it make room."""
    at = box_at(content, b"mdat")
    assert content[at - 8 : at] == b"\x00\x00\x00\x08free"
    size = int.from_bytes(content[at : at + 4], "big") + 8
    return put(content, at - 8, struct.pack(">I4sQ", 1, b"mdat", size))


def test_sizes_of_64_bits_and_to_the_end_of_the_file_are_read() -> None:
    assert walked(wide(MP4), tables=True)[0] == walked(MP4)[0]
    assert walked(put(FAST, box_at(FAST, b"mdat"), bytes(4)), tables=True)[0] == walked(FAST)[0]


MOOV, MDAT = box_at(MP4, b"moov"), box_at(MP4, b"mdat")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (MP4[:-1], "only"),
        (MP4[: len(MP4) // 2], "only"),
        (MP4[:MOOV], "no moov"),
        (put(MP4, 4, b"mdat"), "mark"),
        (put(MP4, MDAT, b"\x7f\xff\xff\xff"), "only"),
        (put(MP4, MDAT, b"\x00\x00\x00\x07"), "no box can have"),
        (wide(MP4)[: MDAT - 8] + struct.pack(">I4sQ", 1, b"mdat", 1 << 63) + MP4[MDAT + 8 :], "only"),
        (MP4[: box_at(MP4, b"free")] + b"\x00\x00\x00\x08free" * 100, "more than"),
        (MP4[:5], "cut off"),
        (put(MP4, box_at(MP4, b"mvhd") + 4, b"free"), "how long"),
    ],
)
def test_a_broken_mp4_says_why(content: bytes, word: str) -> None:
    facts, reads = walked(content)
    assert word in (facts.fault or "")
    assert len(reads) <= 5


@pytest.mark.parametrize("count", [10**9, 2**32 - 1])
def test_a_table_that_declares_what_it_does_not_hold_is_refused_without_reading_it(count: int) -> None:
    for kind in (b"stsz", b"stco"):
        at = box_at(MP4, kind) + (16 if kind == b"stsz" else 12)
        assert "declares" in (walked(put(MP4, at, struct.pack(">I", count)), tables=True)[0].fault or "")


def test_a_chunk_outside_the_media_is_seen_with_the_tables() -> None:
    content = put(MP4, box_at(MP4, b"stco") + 16, struct.pack(">I", len(MP4)))
    assert walked(content)[0].fault is None
    assert "point out" in (walked(content, tables=True)[0].fault or "")


def test_a_giant_moov_is_not_read() -> None:
    size = 1 << 40
    head = MP4[:MOOV] + struct.pack(">I4sQ", 1, b"moov", size - MOOV)
    walk = walk_mp4(size, tables=True)
    wanted = next(walk)
    reads = []
    for _ in range(9):
        reads.append(wanted)
        try:
            wanted = walk.send(head[wanted[0] : wanted[0] + wanted[1]].ljust(wanted[1], b"\0"))
        except StopIteration as done:
            facts = done.value
            break
    assert facts.fault
    assert max(length for _, length in reads) < MAX_MOOV_BYTES
