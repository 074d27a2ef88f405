"""Parses the fragments of an MP4 file: each `moof` box adds samples to the tracks that `moov` describes."""

from dataclasses import dataclass

import numpy as np

from service.media.mp4.boxes import Ints, children, columns, inside, number, offset_at, signed
from service.media.mp4.facts import Samples
from service.media.mp4.tables import MOST_SAMPLES, TooMuch

_NOT_SYNC = 0x0001_0000


@dataclass(frozen=True, slots=True)
class Defaults:
    """The default values of a fragment's samples (`trex`, then `tfhd`)."""

    duration: int = 0
    size: int = 0
    flags: int = 0
    description: int = 1


@dataclass(slots=True)
class _Place:
    """The position and decoding time of the next run's samples."""

    base: int
    at: int
    decode: int


class Fragments:
    """Collects the samples of fragments for each track."""

    def __init__(self, extended: memoryview) -> None:
        """Read the defaults from the body of the `mvex` box."""
        self._defaults = {
            number(body, 4): Defaults(number(body, 12), number(body, 16), number(body, 20), number(body, 8))
            for kind, body in children(extended)
            if kind == b"trex"
        }
        self._found: dict[int, list[Samples]] = {}
        self._next: dict[int, int] = {}
        self._descriptions: dict[int, int] = {}
        self._count = 0
        self.faults: dict[int, str] = {}
        self.fault: str | None = None

    def begin(self, track: int, decode: int, descriptions: int = 1) -> None:
        """Set the end of the samples that `moov` itself describes, in ticks of the track, and the track's number of
        sample descriptions."""
        self._next[track] = decode
        self._descriptions[track] = descriptions

    def add(self, moof: memoryview, begin: int) -> None:
        """Add the body of a `moof` box that begins at byte `begin` of the file. Raise `TooMuch` beyond the limit of
        samples."""
        end = begin
        for kind, body in children(moof):
            if kind == b"traf":
                end = self._add_track(body, begin, end)

    def samples(self, track: int) -> Samples:
        """Return all fragmented samples of a track."""
        parts = self._found.get(track, [])
        return join(parts) if parts else Samples()

    def _add_track(self, traf: memoryview, begin: int, end: int) -> int:
        head = inside(traf, b"tfhd")
        track = number(head, 4)
        if track not in self._defaults:
            self.fault = f"a fragment at byte {begin} belongs to no track, which players refuse"
        base, defaults = self._read_head(head, track, begin, end)
        decode = self._next.get(track, 0)
        timed = inside(traf, b"tfdt")
        if len(timed):
            decode = offset_at(timed, 4, 8 if timed[0] == 1 else 4)
        place = _Place(base, base, decode)
        for kind, body in children(traf):
            if kind == b"trun":
                run = self._read_run(body, defaults, place)
                if (run.size == 0).any():
                    self.faults[track] = "a fragment contains a sample without bytes, which players refuse"
                if not 1 <= defaults.description <= self._descriptions.get(track, 1):
                    run.offset[:] = -1  # players skip samples that no entry of `stsd` describes
                self._found.setdefault(track, []).append(run)
        self._next[track] = place.decode
        return place.at

    def _read_head(self, head: memoryview, track: int, begin: int, end: int) -> tuple[int, Defaults]:
        flags, at = number(head, 1, 3), 8
        before = self._defaults.get(track, Defaults())
        # If a track has no base of its own, its bytes follow those of the track before it.
        base = begin if flags & 0x02_0000 else end
        values = [before.duration, before.size, before.flags]
        if flags & 0x01:
            base, at = offset_at(head, at, 8), at + 8
        description = before.description
        if flags & 0x02:
            description, at = number(head, at), at + 4
        for index, bit in enumerate((0x08, 0x10, 0x20)):
            if flags & bit:
                values[index], at = number(head, at), at + 4
        return base, Defaults(values[0], values[1], values[2], description)

    def _read_run(self, body: memoryview, defaults: Defaults, place: _Place) -> Samples:
        flags, count, at = number(body, 1, 3), number(body, 4), 8
        begin = place.at
        if flags & 0x01:
            moved, at = number(body, at), at + 4
            begin = place.base + (moved - (1 << 32) if moved >> 31 else moved)
        first_flags = number(body, at) if flags & 0x04 else None
        at += 4 if flags & 0x04 else 0
        present = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
        if present:
            # A run may declare more samples than it contains.
            count = min(count, max(0, len(body) - at) // (4 * len(present)))
        self._count += count
        if self._count > MOST_SAMPLES:
            raise TooMuch(f"its fragments declare more than {MOST_SAMPLES} samples")
        rows = columns(body, at, count, len(present))
        table = dict(zip(present, rows if rows is not None else (), strict=False))
        size = _column(table, 0x200, defaults.size, count)
        duration = _column(table, 0x100, defaults.duration, count)
        marks = _column(table, 0x400, defaults.flags, count)
        if first_flags is not None and count:
            marks[0] = first_flags
        offset, decode = begin + np.cumsum(size) - size, place.decode + np.cumsum(duration) - duration
        place.at, place.decode = begin + int(size.sum()), place.decode + int(duration.sum())
        return Samples(offset, size, decode, duration, signed(_column(table, 0x800, 0, count)), marks & _NOT_SYNC == 0)


def _column(table: dict[int, Ints], bit: int, default: int, count: int) -> Ints:
    found = table.get(bit)
    return np.full(count, default, np.int64) if found is None else found


def join(parts: list[Samples]) -> Samples:
    """Concatenate samples."""
    return Samples(
        np.concatenate([one.offset for one in parts]),
        np.concatenate([one.size for one in parts]),
        np.concatenate([one.decode for one in parts]),
        np.concatenate([one.duration for one in parts]),
        np.concatenate([one.shift for one in parts]),
        np.concatenate([one.sync for one in parts]),
    )
