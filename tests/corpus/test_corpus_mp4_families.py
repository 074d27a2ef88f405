"""Families of forms and faults of MP4 files: what ffmpeg plays of them decides what is said of them."""

import struct
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from corpus_mp4 import ALLOWED, good, look, lost_seconds, made
from mp4_damages import boxes, chunked, places, put

from service.report import Level

S, C, F = Level.STRUCTURE, Level.CONTENT, Level.FULL
Edit = Callable[[bytes], bytes]
ParameterSet = Any  # what pytest.param gives


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


# --- forms that cost nothing -----------------------------------------------------------------------------------------

# Muxers of ffmpeg, all with the same coded pictures and sounds: options, and the form of the file.
MUXERS: dict[str, tuple[tuple[str, ...], str]] = {
    "fragments of 20 kB": (("-movflags", "empty_moov", "-frag_size", "20000"), "mp4"),
    "fragments, moov after the first": (("-movflags", "frag_keyframe+delay_moov"), "mp4"),
    "fragments without their offsets": (("-movflags", "frag_keyframe+empty_moov+omit_tfhd_offset"), "mp4"),
    "fragments without an index": (("-movflags", "frag_keyframe+empty_moov+skip_trailer+skip_sidx"), "mp4"),
    "fragments, negative composition offsets": (
        ("-movflags", "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"),
        "mp4",
    ),
    "CMAF": (("-movflags", "cmaf+frag_keyframe"), "mp4"),
    "smooth streaming": (("-movflags", "isml+frag_keyframe"), "mp4"),
    "tracks for streaming servers": (("-movflags", "rtphint"), "mp4"),
    "iPod": ((), "ipod"),
    "PSP": ((), "psp"),
    "Flash": ((), "f4v"),
    "3GPP2": ((), "3g2"),
    "QuickTime with a track of time codes": (("-timecode", "01:00:00:00"), "mov"),
    "without a name of its own": (("-brand", "abcd", "-map_metadata", "-1"), "mp4"),
    "time scale of 1,000 Hz for the film": (("-movie_timescale", "90000"), "mp4"),
    "the second stream first": (("-map", "0:a", "-map", "0:v"), "mp4"),
    "two tracks of sound": (("-map", "0:v", "-map", "0:a", "-map", "0:a"), "mp4"),
    "colours and their range": (("-movflags", "write_colr", "-color_primaries", "bt709"), "mp4"),
    "chunks of a second": (("-min_frag_duration", "1"), "mp4"),
}


@cache
def muxed(name: str) -> bytes:
    options, form = MUXERS[name]
    return made_again(("plain", *options), form)


def made_again(source_and_options: tuple[str, ...], form: str) -> bytes:
    source, *options = source_and_options
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.mp4"
        path.write_bytes(good(source))
        muxer = {"ipod": "ipod", "psp": "psp", "f4v": "f4v"}.get(form)
        more = ["-f", muxer] if muxer else []
        return made(["-i", str(path), "-c", "copy", *options, *more], form)


def spaced(content: bytes) -> bytes:
    """An `mdat` for each chunk, with a box of free space before each."""
    return between(chunked(content), b"mdat", lambda _: box(b"free", bytes(100)))


def between(content: bytes, kind: bytes, filler: Callable[[int], bytes]) -> bytes:
    """Put a box before each box of a kind; the offsets of chunks go with it."""
    begins = [begin for name, begin, _ in tops(content) if name == kind]
    sizes = [len(filler(number)) for number in range(len(begins))]

    def moved(offset: int) -> int:
        return offset + sum(size for begin, size in zip(begins, sizes, strict=True) if begin <= offset)

    shifted = offsets_changed(content, moved)
    for number in reversed(range(len(begins))):
        shifted = shifted[: begins[number]] + filler(number) + shifted[begins[number] :]
    return shifted


def tops(content: bytes) -> list[tuple[bytes, int, int]]:
    """The boxes that lie in no other."""
    found, reached = [], 0
    for kind, begin, end in boxes(content):
        if begin >= reached:
            found.append((kind, begin, end))
            reached = end
    return found


def offsets_changed(content: bytes, change: Callable[[int], int]) -> bytes:
    for begin, _ in places(content, b"stco"):
        for index in range(int.from_bytes(content[begin + 12 : begin + 16], "big")):
            at = begin + 16 + 4 * index
            content = put(content, at, change(int.from_bytes(content[at : at + 4], "big")).to_bytes(4, "big"))
    return content


def moov_within(content: bytes) -> bytes:
    """`moov` stands in the middle of the media boxes."""
    rows = tops(chunked(content))
    content = chunked(content)
    begin, end = next((begin, end) for kind, begin, end in rows if kind == b"moov")
    middle = rows[len(rows) // 2][1]
    moov = content[begin:end]
    moved = offsets_changed(content[:begin] + moov, lambda at: at + len(moov) * (at >= middle))
    return moved[:middle] + moved[begin:] + moved[middle:begin]


def endless(content: bytes) -> bytes:
    """The last box of media says that it lasts to the end of the file."""
    begin = tops(content)[-1][1]
    assert content[begin + 4 : begin + 8] == b"mdat"
    return put(content, begin, bytes(4))


def before_fragments(kind: bytes, count: int = 1) -> Edit:
    return lambda content: between(
        content, b"moof", lambda number: box(kind, bytes(16) + bytes([number % 256])) * count
    )


def numbered(content: bytes) -> bytes:
    for number, (begin, _) in enumerate(places(content, b"mfhd")):
        content = put(content, begin + 12, (1000 - number).to_bytes(4, "big"))
    return content


# name: (good file, change)
FORMS: dict[str, tuple[str, Edit]] = {
    "free space before each of many media boxes": ("plain", spaced),
    "moov between media boxes": ("plain", moov_within),
    "media that lasts to the end of the file": ("moov in front", endless),
    "media boxes without media": ("plain", lambda content: content + box(b"mdat") * 500),
    "a media box without media before the first": (
        "moov in front",
        lambda content: between(content, b"mdat", lambda _: box(b"mdat")),
    ),
    "a thousand boxes of private use": ("plain", lambda content: content + box(b"uuid", bytes(16)) * 1000),
    "a box of private use of a megabyte": ("plain", lambda content: content + box(b"uuid", bytes(1 << 20))),
    "moov twice": ("moov in front", lambda content: content + content[slice(*places(content, b"moov")[0])]),
    "zeros behind the last box": ("plain", lambda content: content + bytes(4096)),
    "text behind the last box": ("plain", lambda content: content + b"<!-- cached -->\n"),
    "another mark before each fragment": ("fragments with their own base", before_fragments(b"styp")),
    "clocks before each fragment": ("fragments with their own base", before_fragments(b"prft")),
    "events before each fragment": ("fragments with their own base", before_fragments(b"emsg", 40)),
    "free space before each fragment": ("fragments with their own base", before_fragments(b"free", 9)),
    "an index of zeros before each fragment": ("fragments with their own base", before_fragments(b"skip")),
    "no mark in front": ("fragments with their own base", lambda content: content[places(content, b"ftyp")[0][1] :]),
    "no index at the end": ("fragments with their own base", lambda content: content[: places(content, b"mfra")[0][0]]),
    "fragments numbered from 1,000 down": ("fragments with their own base", numbered),
}


# --- what may cost something ---------------------------------------------------------------------------------------


@cache
def together(*, picture: float, sound: float, late_picture: float = 0, late_sound: float = 0, flags: str = "") -> bytes:
    """The coded pictures and sounds of a good file, each from its own instant on and so long; all headers agree."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.mp4"
        path.write_bytes(good("plain"))
        inputs = ["-itsoffset", f"{late_picture}", "-t", f"{picture}", "-i", str(path)]
        inputs += ["-itsoffset", f"{late_sound}", "-t", f"{sound}", "-i", str(path)]
        more = ["-movflags", flags] if flags else []
        return made([*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", *more], "mp4")


def edit_of(track: int, *, seconds: float | None = None, begin: float | None = None) -> Edit:
    """Change the edit list of a track: how long it lasts, and where it begins."""

    def change(content: bytes) -> bytes:
        at = places(content, b"elst")[track][0] + 16
        scale_at = places(content, b"mdhd")[track][0] + 20
        scale = int.from_bytes(content[scale_at : scale_at + 4], "big")
        if seconds is not None:
            content = put(content, at, round(seconds * 1000).to_bytes(4, "big"))
        if begin is not None:
            content = put(content, at + 4, round(begin * scale).to_bytes(4, "big"))
        return content

    return change


def both(one: Edit, other: Edit) -> Edit:
    return lambda content: other(one(content))


def zeroed(kind: bytes, which: int = 0, begin: int = 8) -> Edit:
    """The body of a box is zeros from a byte on."""

    def change(content: bytes) -> bytes:
        first, last = places(content, kind)[which]
        return put(content, first + begin, bytes(last - first - begin))

    return change


def at_text(text: bytes, skip: int, piece: bytes, which: int = 0) -> Edit:
    """Write bytes behind some text, which names a box that is reached in no other way."""

    def change(content: bytes) -> bytes:
        found = -1
        for _ in range(which + 1):
            found = content.index(text, found + 1)
        return put(content, found + skip, piece)

    return change


def fragments_kept(keep: Callable[[int, int], bool]) -> Edit:
    """Only fragments that `keep` chooses by their number and how many there are."""

    def change(content: bytes) -> bytes:
        begins = [begin for begin, _ in places(content, b"moof")]
        ends = [*begins[1:], len(content)]
        kept = [
            content[one:other]
            for number, (one, other) in enumerate(zip(begins, ends, strict=True))
            if keep(number, len(begins))
        ]
        return content[: begins[0]] + b"".join(kept)

    return change


def fragments_ordered(order: Callable[[list[bytes]], list[bytes]]) -> Edit:
    def change(content: bytes) -> bytes:
        begins = [begin for begin, _ in places(content, b"moof")]
        ends = [*begins[1:], len(content)]
        return content[: begins[0]] + b"".join(
            order([content[one:other] for one, other in zip(begins, ends, strict=True)])
        )

    return change


def in_each(kind: bytes, at: int, value: Callable[[int, int], int], width: int = 4) -> Edit:
    """Write a number into each box of a kind, by the number of the box and what stands there."""

    def change(content: bytes) -> bytes:
        for number, (begin, _) in enumerate(places(content, kind)):
            old = int.from_bytes(content[begin + at : begin + at + width], "big")
            content = put(content, begin + at, value(number, old).to_bytes(width, "big"))
        return content

    return change


def moov_at_the_end(content: bytes) -> bytes:
    begin, end = places(content, b"moov")[0]
    return content[:begin] + content[end:] + content[begin:end]


def moov_between(content: bytes) -> bytes:
    begin, end = places(content, b"moov")[0]
    moofs = [at for at, _ in places(content, b"moof")]
    middle = moofs[len(moofs) // 2]
    return content[:begin] + content[end:middle] + content[begin:end] + content[middle:]


OWN = "fragments with their own base"


def without_media(content: bytes) -> bytes:
    for _, begin, end in [one for one in tops(content) if one[0] == b"mdat"][:-1]:
        content = put(content, begin + 8, bytes(end - begin - 8))
    return content


# name: (good file, the changed one, the level that sees it)
DAMAGED: dict[str, tuple[str, Edit, Level]] = {
    # Case 08: fragments and what they need.
    "moov behind the fragments": (OWN, moov_at_the_end, S),
    "half of moov": (OWN, lambda content: content[: sum(places(content, b"moov")[0]) // 2], S),
    "the first fragment alone": (OWN, fragments_kept(lambda number, _: number == 0), S),
    "the last fragment alone": (OWN, fragments_kept(lambda number, count: number == count - 1), S),
    "no first fragments": (OWN, fragments_kept(lambda number, count: number >= count // 2), S),
    "every second fragment": (OWN, fragments_kept(lambda number, _: number % 2 == 0), S),
    "the first fragment over and over": (OWN, fragments_ordered(lambda parts: parts[:1] * len(parts)), S),
    "fragments backwards": (OWN, fragments_ordered(lambda parts: parts[::-1]), S),
    "a fragment twice": (OWN, fragments_ordered(lambda parts: [*parts[:6], *parts[5:]]), S),
    "two fragments in each other's place": (
        OWN,
        fragments_ordered(lambda parts: [*parts[:5], parts[6], parts[5], *parts[7:]]),
        S,
    ),
    "two distant fragments in each other's place": (
        OWN,
        fragments_ordered(lambda parts: [*parts[:2], parts[9], *parts[3:9], parts[2], *parts[10:]]),
        S,
    ),
    "five fragments backwards": (
        OWN,
        fragments_ordered(lambda parts: [*parts[:3], *parts[3:8][::-1], *parts[8:]]),
        S,
    ),
    "no media but that of the last fragment": (OWN, without_media, C),
    "fragments of a track that nobody knows": (
        OWN,
        in_each(b"tfhd", 12, lambda number, old: old if number < 6 else 9),
        S,
    ),
    "all fragments at instant zero": (OWN, in_each(b"tfdt", 12, lambda *_: 0, 8), S),
    "no track is told of fragments": (OWN, zeroed(b"mvex"), S),
    "no samples in runs": (OWN, in_each(b"trun", 12, lambda number, old: old if number < 4 else 0), S),
    # Case 23: tracks that end early, begin late or are cut by their edit lists.
    "both 10 s late": ("plain", lambda _: together(picture=14, sound=14, late_picture=10, late_sound=10), S),
    "both 10 s late, in fragments": (
        "plain",
        lambda _: together(picture=14, sound=14, late_picture=10, late_sound=10, flags="frag_keyframe+empty_moov"),
        S,
    ),
    "moov behind half of the fragments": (OWN, moov_between, S),
    "2 s of picture, headers agree": ("plain", lambda _: together(picture=2, sound=24), S),
    "2 s of sound, headers agree": ("plain", lambda _: together(picture=24, sound=2), S),
    "10 s of picture, in fragments": (
        "plain",
        lambda _: together(picture=10, sound=24, flags="frag_keyframe+empty_moov"),
        S,
    ),
    "10 s of sound, in fragments": (
        "plain",
        lambda _: together(picture=24, sound=10, flags="frag_keyframe+empty_moov"),
        S,
    ),
    "2 s of both": ("plain", lambda _: together(picture=2, sound=2), S),
    "21 s of picture": ("plain", lambda _: together(picture=21, sound=24), S),
    "21 s of sound": ("plain", lambda _: together(picture=24, sound=21), S),
    "sound 10 s late": ("plain", lambda _: together(picture=24, sound=14, late_sound=10), S),
    "picture 10 s late": ("plain", lambda _: together(picture=14, sound=24, late_picture=10), S),
    "an edit list of 2 s for the picture": ("B-frames and an edit list", edit_of(0, seconds=2), S),
    "an edit list of 2 s for the sound": ("B-frames and an edit list", edit_of(1, seconds=2), S),
    "edit lists of 2 s for both": ("B-frames and an edit list", both(edit_of(0, seconds=2), edit_of(1, seconds=2)), S),
    "an edit list that begins after 20 s of sound": ("B-frames and an edit list", edit_of(1, begin=20), S),
    "edit lists that begin after 20 s of both": (
        "B-frames and an edit list",
        both(edit_of(0, begin=20), edit_of(1, begin=20)),
        S,
    ),
    "an edit list that lasts to the end": (
        "B-frames and an edit list",
        both(edit_of(0, seconds=0), edit_of(1, seconds=0)),
        S,
    ),
    # What a decoder needs to begin.
    "parameters of the picture zeroed": ("plain", at_text(b"avcC", 4, bytes(30)), F),
    "parameters of the picture cut short": ("plain", at_text(b"avcC", 9, b"\xe0"), F),
    "parameters of the sound zeroed": ("plain", at_text(b"esds", 4, bytes(30)), F),
    "lengths of units said to be of two bytes": ("plain", at_text(b"avcC", 8, b"\xfd"), F),
    "the picture called another codec": ("plain", at_text(b"avc1", 0, b"zzzz", 1), S),
    "no entries that describe the picture": ("plain", zeroed(b"stsd", 0), S),
    "no entries that describe the sound": ("plain", zeroed(b"stsd", 1), S),
}


# The others are proofs: ffmpeg plays each file whole.
QUICK = {
    *("CMAF", "two tracks of sound", "moov between media boxes", "media that lasts to the end of the file"),
    *("events before each fragment", "moov behind the fragments", "moov behind half of the fragments"),
    *("no first fragments", "both 10 s late", "2 s of picture, headers agree", "21 s of sound"),
    *("an edit list of 2 s for the picture", "parameters of the picture zeroed"),
}


def names_of(table: Iterable[str]) -> list[ParameterSet]:
    return [pytest.param(name, id=name, marks=[] if name in QUICK else pytest.mark.proof) for name in table]


@pytest.mark.parametrize("name", names_of(MUXERS))
def test_a_file_of_another_muxer_is_whole(name: str) -> None:
    content, whole = muxed(name), good("plain")
    assert lost_seconds(content, whole) < 0.1
    for level in (S, C, F):
        assert look(content, level, whole=whole).errors == set()


@pytest.mark.parametrize("name", names_of(FORMS))
def test_a_form_that_costs_nothing_is_no_error(name: str) -> None:
    source, change = FORMS[name]
    content, whole = change(good(source)), good(source)
    assert content != whole
    assert lost_seconds(content, whole) < 0.1
    for level in (S, C, F):
        assert look(content, level, whole=whole).errors == set()


@pytest.mark.parametrize("name", names_of(DAMAGED))
def test_what_costs_more_than_is_allowed_is_an_error_and_what_costs_less_is_none(name: str) -> None:
    source, change, level = DAMAGED[name]
    whole = good(source)
    content = change(whole)
    lost = lost_seconds(content, whole)
    assert not ALLOWED - 1 < lost < ALLOWED + 1
    for deeper in {level, F}:
        assert bool(look(content, deeper, whole=whole).errors) is (lost > ALLOWED), (lost, deeper)
