"""The walk over an MP4 file: what it reads, what it says, where it ends. The boxes are written by hand."""

import struct
import time
from collections.abc import Callable

import numpy as np
import pytest

from service.media.findings import Effect, Findings
from service.media.mp4 import MAX_MOOV_BYTES, PICTURE, SOUND, Mp4, Walk, walk_mp4
from service.media.mp4.judging import Asked, SlicesHeld, judge_mp4s


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def table(kind: bytes, *rows: tuple[int, ...]) -> bytes:
    return box(kind, struct.pack(">II", 0, len(rows)), *(struct.pack(f">{len(row)}I", *row) for row in rows))


def media(size: int) -> bytes:
    return box(b"mdat", bytes(size))


AVCC = box(b"avcC", bytes([1, 66, 0, 30, 0xFF, 0xE1, 0, 4, 0x67, 66, 0, 30, 1, 0, 4, 0x68, 0xCE, 0x3C, 0x80]))
ESDS = box(b"esds", bytes(4), b"\x03\x19\0\0\0\x04\x11\x40\x15", bytes(11), b"\x05\x02\x11\x90")


def trak(handler: str, count: int, ticks: int, scale: int, chunks: list[int], each: int, size: int = 10) -> bytes:
    """A track of equal samples in chunks of `each`."""
    length = count * ticks
    if handler == PICTURE:
        entry = box(b"avc1", bytes(24), struct.pack(">HH", 64, 48), bytes(50), AVCC)
    else:
        entry = box(b"mp4a", bytes(16), struct.pack(">H", 2), bytes(10), ESDS)
    stbl = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        table(b"stts", (count, ticks)),
        table(b"stsc", (1, each, 1)),
        box(b"stsz", struct.pack(">III", 0, 0, count), np.full(count, size, ">u4").tobytes()),
        box(b"stco", struct.pack(">II", 0, len(chunks)), np.array(chunks, ">u4").tobytes()),
    )
    mdhd = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, scale, length, 0))
    hdlr = box(b"hdlr", bytes(8), handler.encode(), bytes(13))
    tkhd = box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, length * 1000 // scale), bytes(60))
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", stbl)))


def movie(seconds: float, *traks: bytes) -> bytes:
    return box(b"moov", box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, int(seconds * 1000)), bytes(80)), *traks)


FTYP = box(b"ftyp", b"isom\0\0\2\0isomavc1")


def film(seconds: int = 10) -> bytes:
    """Pictures and sounds of 10 bytes each, in one `mdat`."""
    pictures, sounds = seconds * 25, seconds * 50
    body = media((pictures + sounds) * 10)
    at = len(FTYP) + 8
    tracks = (
        trak(PICTURE, pictures, 40, 1000, [at], pictures),
        trak(SOUND, sounds, 20, 1000, [at + pictures * 10], sounds),
    )
    return FTYP + body + movie(seconds, *tracks)


def stepped(walk: Walk, piece: Callable[[int, int], bytes]) -> tuple[Mp4, list[tuple[int, int]]]:
    """What a walk says when it is handed these pieces, and what it asked for."""
    asked = []
    try:
        wanted = next(walk)
        while True:
            asked.append(wanted)
            wanted = walk.send(piece(*wanted))
    except StopIteration as done:
        return done.value, asked


def walked(content: bytes) -> tuple[Mp4, list[tuple[int, int]]]:
    return stepped(walk_mp4(len(content)), lambda begin, length: content[begin : begin + length])


def test_tracks_are_told_by_their_headers_and_by_their_tables() -> None:
    facts, reads = walked(film())
    picture, sound = facts.track(PICTURE), facts.track(SOUND)
    assert picture is not None
    assert sound is not None
    assert (facts.fault, facts.damage, facts.header_seconds) == (None, (), 10)
    assert (picture.codec, picture.width, picture.height, sound.codec, sound.channels) == ("avc1", 64, 48, "mp4a", 2)
    assert (picture.seconds, len(picture.samples), picture.bytes) == (10, 250, 2500)
    assert (sound.seconds, len(sound.samples), sound.config) == (10, 500, b"\x11\x90")
    assert picture.samples.offset[1] - picture.samples.offset[0] == 10
    assert len(reads) <= 4


def test_a_file_with_moov_behind_a_gigabyte_takes_three_reads() -> None:
    # The media is never asked for, so it need not be there.
    size = 1 << 30
    head = FTYP + struct.pack(">I4s", size, b"mdat")
    tail = movie(1, trak(PICTURE, 25, 40, 1000, [len(FTYP) + 8], 25))

    def piece(begin: int, length: int) -> bytes:
        if begin < len(head):
            return head.ljust(4096, b"\0")[begin : begin + length]
        return tail[begin - len(FTYP) - size : begin - len(FTYP) - size + length]

    facts, reads = stepped(walk_mp4(len(FTYP) + size + len(tail)), piece)
    assert facts.fault is None
    assert len(reads) <= 3


def test_ten_thousand_media_boxes_are_walked_with_few_reads() -> None:
    pieces = [media(1000) for _ in range(10_000)]
    begins = [len(FTYP) + 1008 * number + 8 for number in range(10_000)]
    content = FTYP + b"".join(pieces) + movie(400, trak(PICTURE, 10_000, 40, 1000, begins, 1, 1000))
    facts, reads = walked(content)
    assert facts.fault is None
    assert len(facts.media_from) == 10_000
    assert len(reads) < 20


def test_boxes_that_lie_far_apart_are_not_read_through() -> None:
    content = FTYP + media(3_000_000) * 5 + movie(1, trak(PICTURE, 25, 40, 1000, [len(FTYP) + 8], 25))
    facts, reads = walked(content)
    assert facts.fault is None
    assert sum(length for _, length in reads) < 50_000


def test_the_tables_of_an_hour_are_read_in_twenty_milliseconds() -> None:
    pictures, sounds = 25 * 3600, 168_750
    tracks = (
        trak(PICTURE, pictures, 40, 1000, list(range(40, 40 + 3600 * 100_000, 100_000)), 25, 1000),
        trak(SOUND, sounds, 1024, 48_000, list(range(70_040, 70_040 + 3600 * 100_000, 100_000)), 47, 200),
    )
    content = FTYP + movie(3600, *tracks) + struct.pack(">I4s", 0, b"mdat")
    spent = []
    for _ in range(5):
        began = time.process_time()
        facts, _ = walked(content)
        spent.append(time.process_time() - began)
    assert [len(track.samples) for track in facts.tracks] == [pictures, sounds]
    assert min(spent) < 0.02


@pytest.mark.parametrize("cut", [1, 7, 8, 40, 100, 1000, 3000])
def test_no_cut_raises(cut: int) -> None:
    content = film()
    for piece in (content[:-cut], content[:cut], content[cut:]):
        walked(piece)


def test_no_byte_in_the_boxes_raises() -> None:
    content = film(1)
    for at in [*range(len(FTYP) + 8), *range(len(content) - 1500, len(content), 4)]:
        for value in (0, 0xFF):
            facts, _ = walked(content[:at] + bytes([value]) + content[at + 1 :])
            judge_mp4s(Findings(), {"x": facts}, SlicesHeld(1, 1), Asked(5))


def huge_moov() -> Mp4:
    size = MAX_MOOV_BYTES + 100
    walk = walk_mp4(len(FTYP) + size)
    next(walk)
    with pytest.raises(StopIteration) as done:
        walk.send((FTYP + struct.pack(">I4s", size, b"moov")).ljust(4096, b"\0"))
    facts: Mp4 = done.value.value
    return facts


def shrunk() -> Mp4:
    walk = walk_mp4(100_000)
    next(walk)
    with pytest.raises(StopIteration) as done:
        walk.send(FTYP)
    facts: Mp4 = done.value.value
    return facts


def boundless() -> bytes:
    """25 million samples of one byte, which take no room in the table."""
    content = trak(PICTURE, 1, 40, 1000, [40], 1)
    at = content.index(b"stsz") + 8
    return content[:at] + struct.pack(">II", 1, 25_000_000) + content[at + 8 :]


LIMITS: dict[str, Callable[[], Mp4]] = {
    "moov too big": huge_moov,
    "the object shrank": shrunk,
    "moov compressed": lambda: walked(FTYP + media(9) + movie(1, box(b"cmov", bytes(20))))[0],
    "samples without number": lambda: walked(FTYP + movie(1, boundless()) + media(30_000_000))[0],
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_of_the_reader_says_nothing_about_the_file_and_lets_nothing_be_verified(name: str) -> None:
    facts = LIMITS[name]()
    assert facts.fault is None
    assert facts.could_not_read
    findings = Findings()
    judge_mp4s(findings, {"x.mp4": facts}, SlicesHeld(1, 1), Asked(5))
    assert [one.code for one in findings.all()] == ["mp4_unread"]
    assert findings.effects == {Effect.BLIND}


@pytest.mark.parametrize("kind", [b"stsz", b"stco", b"stts", b"stsc"])
@pytest.mark.parametrize("count", [10**9, 2**32 - 1])
def test_a_table_that_declares_what_it_does_not_hold_makes_its_track_unusable(kind: bytes, count: int) -> None:
    content = film()
    at = content.index(kind) + (12 if kind == b"stsz" else 8)
    facts, _ = walked(content[:at] + struct.pack(">I", count) + content[at + 4 :])
    assert "declares" in (facts.tracks[0].fault or "")
    findings = Findings()
    judge_mp4s(findings, {"x.mp4": facts}, SlicesHeld(10, 10), Asked(5))
    assert "mp4_broken" in {one.code for one in findings.all()}


def test_parts_of_one_recorder_are_added_up() -> None:
    facts, _ = walked(film())
    for seconds, codes in ((30, set()), (34, {"mp4_duration"}), (60, {"mp4_duration"})):
        findings = Findings()
        judge_mp4s(findings, dict.fromkeys("abc", facts), SlicesHeld(seconds, seconds), Asked(5))
        assert {one.code for one in findings.all()} == codes
        assert (Effect.UNSOUND in findings.effects) is (seconds == 60)


def test_what_is_lost_in_several_parts_counts_together() -> None:
    facts, _ = walked(film())
    bad = np.zeros(500, np.bool_)
    bad[:150] = True
    for names, unsound in (("a", False), ("ab", True)):
        findings = Findings()
        seconds = judge_mp4s(
            findings,
            dict.fromkeys("abc", facts),
            SlicesHeld(30, 30),
            Asked(5),
            {name: {SOUND: bad} for name in names},
        )
        assert seconds == pytest.approx(3 * len(names))
        assert (Effect.UNSOUND in findings.effects) is unsound


def test_objects_that_may_yet_be_replaced_are_awaited() -> None:
    findings = Findings()
    judge_mp4s(findings, {"a": Mp4("it is cut")}, SlicesHeld(30, 30), Asked(5, final=False))
    assert findings.effects == {Effect.AWAITS}
