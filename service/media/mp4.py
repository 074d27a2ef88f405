"""Walks an MP4 file by tiny reads (verification A.1.3, M1-M6): what its boxes say, and whether they end where it ends.

Pure: the walk says which bytes it needs next and is handed them. Every count, depth and size is bounded by what is
really there; nothing here raises because of what a stranger wrote.
"""

import sys
from array import array
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

READ_BYTES = 4096
MAX_MOOV_BYTES = 32 * 1024 * 1024

_MOST_BOXES = 64
_MOST_TRACKS = 8
_BRANDS = (b"iso", b"mp4", b"avc", b"M4V", b"M4A", b"qt  ", b"dash", b"MSNV", b"f4v")

Walk = Generator[tuple[int, int], bytes, "Mp4"]


@dataclass(frozen=True, slots=True)
class Track:
    """One track: handler (`vide`, `soun`), codec (`avc1`, `mp4a`) and, of a picture, its size. `seconds` by its own
    header."""

    handler: str
    codec: str
    seconds: float
    width: int = 0
    height: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Mp4:
    """What the boxes say. `fault`: why the file cannot be played, or None. `fragmented`: made of fragments, whose boxes
    were not walked."""

    fault: str | None = None
    seconds: float = 0.0
    tracks: tuple[Track, ...] = ()
    fragmented: bool = False


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    begin: int
    body: int
    end: int


@dataclass(slots=True)
class _Found:
    boxes: list[_Box] = field(default_factory=list)
    moov: _Box | None = None
    mdat_bytes: int = 0
    fragmented: bool = False
    window: bytes = b""
    window_at: int = 0


class _Fault(Exception):
    """The file cannot be played; the text says why."""


def walk_mp4(size_bytes: int, *, tables: bool = False) -> Walk:
    """Yields (offset, length) of what to read next, is sent these bytes, and returns what the file says. `tables`: read
    all of `moov` and check that every sample lies in the file."""
    try:
        found = yield from _walk_top(size_bytes)
        if found.fragmented:
            return Mp4(fragmented=True)
        if found.moov is None:
            return Mp4("it has no moov box, so nothing says what is in it")
        facts = yield from _walk_moov(found.moov, found.window_at, found.window)
        if tables:
            yield from _check_tables(found)
    except _Fault as fault:
        return Mp4(str(fault))
    return facts


def _walk_top(size_bytes: int) -> Generator[tuple[int, int], bytes, _Found]:
    found = _Found()
    at = 0
    while at < size_bytes:
        if len(found.boxes) == _MOST_BOXES:
            raise _Fault(f"it has more than {_MOST_BOXES} boxes")
        if not found.window_at <= at <= found.window_at + len(found.window) - 16:
            found.window_at, found.window = at, (yield at, min(READ_BYTES, size_bytes - at))
        head = found.window[at - found.window_at :]
        box = _box(head, at, size_bytes)
        if not found.boxes and (box.kind != b"ftyp" or not head[8:12].startswith(_BRANDS)):
            raise _Fault("it does not begin with the mark of an MP4 file")
        found.boxes.append(box)
        if box.kind == b"moov":
            found.moov = box
        elif box.kind == b"mdat":
            found.mdat_bytes += box.end - box.body
        elif box.kind == b"moof":
            found.fragmented = True
            return found
        at = box.end
    if not found.mdat_bytes:
        raise _Fault("it holds no media")
    return found


def _box(head: bytes, at: int, end: int) -> _Box:
    """The box that begins at `at`; `end` is where its parent ends."""
    if len(head) < 8:
        raise _Fault(f"the box at byte {at} is cut off")
    size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], 8
    if size == 1:
        size, body = int.from_bytes(head[8:16], "big"), 16
        if len(head) < 16:
            raise _Fault(f"the box at byte {at} is cut off")
    elif size == 0:
        size = end - at
    name = kind.decode("latin-1") if kind.isalnum() else kind.hex()
    if size < body:
        raise _Fault(f"the box {name} at byte {at} says a size that no box can have")
    if at + size > end:
        raise _Fault(f"the box {name} at byte {at} says {size} bytes, but only {end - at} are left")
    return _Box(kind, at, at + body, at + size)


def _walk_moov(moov: _Box, begin: int, window: bytes) -> Generator[tuple[int, int], bytes, Mp4]:
    """Read the head of each child; what describes a track stands in its first few hundred bytes. `window` was read
    at `begin` before."""
    facts = Mp4()
    at = moov.body
    boxes = 0
    seen = False
    while at < moov.end:
        boxes += 1
        if boxes > _MOST_BOXES or len(facts.tracks) > _MOST_TRACKS:
            raise _Fault("its moov box has too many parts")
        whole = min(READ_BYTES // 2, moov.end - at)
        if not (begin <= at and at + whole <= begin + len(window)):
            begin, window = at, (yield at, min(READ_BYTES, moov.end - at))
        head = window[at - begin :]
        box = _box(head, at, moov.end)
        content = head[box.body - at : box.end - at]
        if box.kind == b"mvhd":
            facts, seen = replace(facts, seconds=_seconds(content)), True
        elif box.kind == b"trak":
            facts = replace(facts, tracks=(*facts.tracks, _track(content)))
        at = box.end
    if not seen:
        raise _Fault("it does not say how long it is")
    return facts


def _children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in `content`, each with as much of its body as is there."""
    at = 0
    for _ in range(_MOST_BOXES):
        size = int.from_bytes(content[at : at + 4], "big")
        if len(content) < at + 8 or size < 8:
            return
        yield content[at + 4 : at + 8], content[at + 8 : at + size]
        at += size


def _inside(content: bytes, *path: bytes) -> bytes:
    """The body of the first box on the path, or nothing."""
    for kind in path:
        content = next((body for name, body in _children(content) if name == kind), b"")
    return content


def _seconds(header: bytes) -> float:
    """Length by an `mvhd` or `mdhd` box."""
    wide = header[:1] == b"\x01"
    scale = header[20:24] if wide else header[12:16]
    length = header[24:32] if wide else header[16:20]
    ticks = int.from_bytes(scale, "big")
    return int.from_bytes(length, "big") / ticks if ticks else 0.0


def _track(content: bytes) -> Track:
    media = _inside(content, b"mdia")
    handler = _inside(media, b"hdlr")[8:12].decode("latin-1")
    entry = _inside(media, b"minf", b"stbl", b"stsd")[8:]
    codec = entry[4:8].decode("latin-1")
    seconds = _seconds(_inside(media, b"mdhd"))
    if handler == "vide":
        width, height = int.from_bytes(entry[32:34], "big"), int.from_bytes(entry[34:36], "big")
        return Track(handler, codec, seconds, width, height)
    return Track(handler, codec, seconds, channels=int.from_bytes(entry[24:26], "big") if handler == "soun" else 0)


# --- tables ----------------------------------------------------------------------------------------------------------


def _check_tables(found: _Found) -> Generator[tuple[int, int], bytes, None]:
    """Rule M6: every chunk lies in the media, and the samples' sizes add up to it."""
    moov = found.moov
    assert moov is not None
    if moov.end - moov.body > MAX_MOOV_BYTES:
        raise _Fault("its moov box is too big to be read")
    content = yield moov.body, moov.end - moov.body
    media = [box for box in found.boxes if box.kind == b"mdat"]
    first, last = min(box.body for box in media), max(box.end for box in media)
    total = 0
    for name, body in _children(content):
        if name == b"trak":
            total += _check_track(_inside(body, b"mdia", b"minf", b"stbl"), first, last)
    if total > found.mdat_bytes:
        raise _Fault(f"its tables speak of {total} bytes of media, but it holds {found.mdat_bytes}")


def _check_track(table: bytes, first: int, last: int) -> int:
    """The summed size of the samples of one track."""
    boxes = dict(_children(table))
    name, wide = (b"co64", 8) if b"co64" in boxes else (b"stco", 4)
    offsets = _numbers(boxes.get(name, b""), 4, wide)
    if offsets and not first <= min(offsets) <= max(offsets) < last:
        raise _Fault("its tables point out of the media")
    sizes = boxes.get(b"stsz", b"")
    same, count = int.from_bytes(sizes[4:8], "big"), int.from_bytes(sizes[8:12], "big")
    return same * count if same else sum(_numbers(sizes, 8, 4))


def _numbers(body: bytes, count_at: int, width: int) -> "array[int]":
    """The entries of a table; `count_at` is where its count stands. One that declares more than it holds is broken."""
    count = int.from_bytes(body[count_at : count_at + 4], "big")
    content = body[count_at + 4 : count_at + 4 + count * width]
    if len(content) < count * width:
        raise _Fault(f"a table declares {count} entries and does not hold them")
    numbers = array("Q" if width == 8 else "I", content)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
