"""Walks an MP4 file by ranged reads: the header of each box, all of `moov`, and all of each `moof`.

The walk is pure. It yields the range that it needs next and receives the bytes. Data that a player cannot reach either
is a fault. Data beyond the limits of the walk is reported as "could not read".
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np

from service.media.mp4.boxes import HEADER_BYTES, Box, children, inside, number, read_box
from service.media.mp4.facts import Mp4, Track
from service.media.mp4.fragments import Fragments, join
from service.media.mp4.tables import TooMuch
from service.media.mp4.tracks import read_length, read_track, seconds_of

READ_BYTES = 4096
# The tables of one hour take about 2 MB.
MAX_MOOV_BYTES = 64 * 1024 * 1024
MAX_FRAGMENT_BYTES = 256 * 1024 * 1024
# A walk over this number of headers takes a few seconds.
MOST_BOXES = 4_000_000

# A request costs about as much as reading this number of bytes, so a header nearer than this is read with the current
# one.
_NEAR_BYTES = 256 * 1024
_MOST_WINDOW_BYTES = 4 * 1024 * 1024
_FIRST_KINDS = (b"ftyp", b"styp")
_EARLY = "fragments stand before the moov box that describes them, so players skip them"

Walk = Generator[tuple[int, int], bytes, Mp4]
_Read = Generator[tuple[int, int], bytes, memoryview]


@dataclass(slots=True)
class _Found:
    moov: memoryview | None = None
    media: list[tuple[int, int]] = field(default_factory=list)
    fragments: list[tuple[memoryview, int]] = field(default_factory=list)
    fragment_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


class _Reader:
    """Reads windows that grow if headers are close together."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._window = memoryview(b"")
        self._at = 0
        self._length = READ_BYTES

    def take(self, at: int, length: int) -> _Read:
        """Return `length` bytes from offset `at`, or fewer at the end of the file. Raise `TooMuch` if the object has
        become smaller."""
        length = min(length, self.size_bytes - at)
        end = self._at + len(self._window)
        if not self._at <= at <= at + length <= end:
            near = len(self._window) > 0 and 0 <= at - end < _NEAR_BYTES
            self._length = min(2 * self._length, _MOST_WINDOW_BYTES) if near else READ_BYTES
            asked = min(max(length, self._length), self.size_bytes - at)
            content = yield at, asked
            if len(content) < asked:
                raise TooMuch("the object is shorter than it was when it was listed")
            self._at, self._window = at, memoryview(content)
        return self._window[at - self._at : at - self._at + length]


def walk_mp4(size_bytes: int) -> Walk:
    """Yield (offset, length) of the next read, receive its bytes, and return the parsed file."""
    try:
        found = yield from _walk_boxes(size_bytes)
        if found.moov is None:
            return Mp4("it has no moov box that a player can reach", size_bytes=size_bytes)
        return _read_movie(found, found.moov, size_bytes)
    except TooMuch as reason:
        return Mp4(could_not_read=str(reason), size_bytes=size_bytes)


def _walk_boxes(size_bytes: int) -> Generator[tuple[int, int], bytes, _Found]:
    reader, found = _Reader(size_bytes), _Found()
    at = boxes = 0
    while at < size_bytes:
        head = yield from reader.take(at, HEADER_BYTES)
        box = read_box(head, at, size_bytes)
        boxes += 1
        if boxes > MOST_BOXES:
            raise TooMuch(f"it has more than {MOST_BOXES} boxes")
        if box is None:
            found.damage.append(f"no box begins at byte {at}, where the box before it ends")
            break
        if not at and box.kind not in _FIRST_KINDS:
            found.notes.append(f"it begins with the box {_name(box.kind)} and not with the mark of an MP4 file")
        if box.end > size_bytes:
            text = (
                f"the box {_name(box.kind)} at byte {at} says {box.end - at} bytes, but only {size_bytes - at} are left"
            )
            found.damage.append(text)
        yield from _take_box(reader, found, box)
        at = box.end
    return found


def _take_box(reader: _Reader, found: _Found, box: Box) -> Generator[tuple[int, int], bytes, None]:
    end = min(box.end, reader.size_bytes)
    if box.kind == b"mdat":
        found.media.append((box.body, end))
    elif box.kind == b"moov" and found.moov is None:
        if end - box.body > MAX_MOOV_BYTES:
            raise TooMuch(f"its moov box of {end - box.body} bytes is too big to be read")
        found.moov = yield from reader.take(box.body, end - box.body)
    elif box.kind == b"moof" and found.moov is None:
        if _EARLY not in found.damage:
            found.damage.append(_EARLY)
    elif box.kind == b"moof":
        found.fragment_bytes += end - box.body
        if found.fragment_bytes > MAX_FRAGMENT_BYTES:
            raise TooMuch(f"its moof boxes of more than {MAX_FRAGMENT_BYTES} bytes are too big to be read")
        body = yield from reader.take(box.body, end - box.body)
        # A slice would keep its whole window in memory, hence the copy.
        found.fragments.append((memoryview(bytes(body)), box.begin))


def _name(kind: bytes) -> str:
    return kind.decode("latin-1") if kind.isalnum() else kind.hex()


def _read_movie(found: _Found, moov: memoryview, size_bytes: int) -> Mp4:
    header = inside(moov, b"mvhd")
    scale, length = read_length(header)
    extended = inside(moov, b"mvex")
    tracks = [read_track(body, scale, size_bytes) for kind, body in children(moov) if kind == b"trak"]
    if not scale:
        return Mp4("its moov box has no usable mvhd box, so no player knows its time", size_bytes=size_bytes)
    if not tracks and any(kind == b"cmov" for kind, _ in children(moov)):
        raise TooMuch("its moov box is compressed")
    seconds = seconds_of(length, scale)
    if len(extended):
        whole = inside(extended, b"mehd")
        seconds = seconds_of(number(whole, 4, 8 if len(whole) and whole[0] == 1 else 4), scale) or seconds or None
        tracks, fault = _add_fragments(tracks, found, extended)
        if fault is not None:
            return Mp4(fault, size_bytes=size_bytes)
    elif found.fragments:
        found.damage.append("its moov box does not announce its fragments, so players skip them")
    media = np.array(found.media, np.int64).reshape(-1, 2)
    return Mp4(
        size_bytes=size_bytes,
        header_seconds=seconds,
        tracks=tuple(tracks),
        fragmented=bool(len(extended)),
        media_from=media[:, 0],
        media_to=media[:, 1],
        notes=tuple(found.notes),
        damage=tuple(found.damage),
    )


def _add_fragments(tracks: list[Track], found: _Found, extended: memoryview) -> tuple[list[Track], str | None]:
    fragments = Fragments(extended)
    for track in tracks:
        fragments.begin(track.number, int(track.samples.duration.sum()), track.descriptions)
    for body, begin in found.fragments:
        fragments.add(body, begin)
    return [_with_fragments(track, fragments) for track in tracks], fragments.fault


def _with_fragments(track: Track, fragments: Fragments) -> Track:
    # Empty tables are normal if all samples are in fragments.
    damage = track.damage if len(track.samples) else ()
    samples = join([track.samples, fragments.samples(track.number)])
    return replace(track, samples=samples, damage=damage, fault=track.fault or fragments.faults.get(track.number))
