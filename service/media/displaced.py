"""Finds displaced slices by the lines of time stamps that the slices of one recorder form.

A line is a run of slices with continuous time stamps. A recorder may begin a new line at any time, but it never returns
to a line that it left, and never writes the same slice twice.
"""

from collections.abc import Iterator, Mapping, Sequence

from service.media.pieces import Piece
from service.media.timeline import JOINED_SECONDS
from service.media.ts.slices import SliceFacts, since

# Two slices begin at the same time of a line only if one is a copy of the other.
_SAME_SECONDS = 0.002

_LEFT = "its time stamps do not continue those of the slices around it"

# The number of earlier lines with which a line is compared. A recorder begins few lines, but hostile input may make
# each slice a line.
_LINES_BACK = 64

Line = Sequence[int]


def find_displaced(pieces: Sequence[Piece], facts: Mapping[int, SliceFacts], lines: Sequence[Line]) -> dict[int, str]:
    """Return the slices (by index) whose time stamps do not match their position, with the reason."""
    return dict(_Lines(pieces, facts, lines).displaced())


class _Lines:
    def __init__(self, pieces: Sequence[Piece], facts: Mapping[int, SliceFacts], lines: Sequence[Line]) -> None:
        self._pieces = pieces
        self._facts = facts
        self._lines = lines

    def displaced(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self._lines):
            if number:
                away = self._slices_away(self._lines[number - 1][-1], line)
                yield from ((index, _LEFT) for index in line[:away])
            for earlier in range(max(0, number - _LINES_BACK), number):
                before = self._lines[earlier]
                if earlier < number - 1 and self._takes_up(before[-1], line[0]):
                    for between in self._lines[earlier + 1 : number]:
                        yield from ((index, _LEFT) for index in between)
                if self._ends_where_begins(line[-1], before[0]):
                    key = self._pieces[before[0]].key
                    text = f"by its time stamps it belongs before {key}"
                    yield from ((index, text) for index in min(line, before, key=len))
                for index, original in self._copies(before, line):
                    yield index, f"its time stamps are those of {self._pieces[original].key}"

    def _takes_up(self, last: int, first: int) -> bool:
        """Return whether a slice continues where an earlier line ended. It may continue directly, or as if the slices
        between had been part of that line."""
        stamped = self._since(last, first)
        held = ends_of(self._facts[last])
        own = self._pieces[last].seconds if held is None else held
        between = sum(piece.seconds for piece in self._pieces[last + 1 : first])
        named = self._pieces[first].starts_at - self._pieces[last].starts_at
        return any(abs(stamped - seconds) <= JOINED_SECONDS for seconds in (own, own + between, named))

    def _slices_away(self, last: int, line: Line) -> int:
        """Count the slices of a line before the slice that begins where the playlist expects the previous line to
        continue. Return 0 if no such slice exists or if a DISCONTINUITY marks the restart."""
        expected, counted = 0.0, last
        for place, index in enumerate(line):
            between = self._pieces[counted:index]
            if any(piece.marked for piece in self._pieces[counted + 1 : index + 1]):
                return 0
            expected += sum(piece.seconds for piece in between)
            counted = index
            if place and abs(self._since(last, index) - expected) <= _SAME_SECONDS:
                return place
        return 0

    def _ends_where_begins(self, last: int, first: int) -> bool:
        """Return whether a later line ends at the picture at which an earlier one begins."""
        video = self._facts[last].video
        if video is None or video.ends is None or self._facts[first].video is None:
            return False
        return abs(self._since(last, first) - video.ends) <= max(_SAME_SECONDS, video.step / 2)

    def _copies(self, before: Line, line: Line) -> Iterator[tuple[int, int]]:
        """Yield pairs of slices of two lines that begin at the same time, the displaced one first. If both lines begin
        at the same time, as with a recorder that counts from 0, slices at equal positions are copies only if the later
        line begins with the same bytes."""
        for place, index in enumerate(before):
            if abs(self._since(index, line[0])) <= _SAME_SECONDS and (place > 0 or self._same_object(index, line[0])):
                yield line[0], index
        known = {(self._facts[index].origin, self._pieces[index].size_bytes): place for place, index in enumerate(line)}
        for place, index in enumerate(before):
            other = known.get((self._facts[index].origin, self._pieces[index].size_bytes), place)
            if other not in (place, 0):
                yield (index, line[other]) if len(before) < len(line) else (line[other], index)

    def _same_object(self, one: int, other: int) -> bool:
        """Return whether two slices have the same ETag and size."""
        before, after = self._pieces[one], self._pieces[other]
        return bool(before.etag) and (before.etag, before.size_bytes) == (after.etag, after.size_bytes)

    def _since(self, one: int, other: int) -> float:
        return since(origin_of(self._facts[one]), origin_of(self._facts[other]))


def origin_of(facts: SliceFacts) -> int:
    """Return the origin of a slice that has one."""
    assert facts.origin is not None
    return facts.origin


def ends_of(facts: SliceFacts) -> float | None:
    """Return the end of the longer stream."""
    ends = [held.ends for held in (facts.video, facts.audio) if held is not None and held.ends is not None]
    return max(ends, default=None)
