"""Finds slices that are not in their place, by the lines of time stamps that the slices of one recorder form.

A line is a row of slices whose time stamps go on. A recorder may begin a new line at any time, but it never goes back
to a line that it left, and never writes the same slice twice.
"""

from collections.abc import Iterator, Mapping, Sequence

from service.media.pieces import Piece
from service.media.timeline import JOINED_SECONDS
from service.media.ts.slices import SliceFacts, since

# Two slices begin at the very same instant of a line only where one is a copy of the other.
_SAME_SECONDS = 0.002

_LEFT = "its time stamps do not continue those of the slices around it"

# So many earlier lines a line is compared with: a recorder begins few, and a stranger may make each slice one.
_LINES_BACK = 64

Line = Sequence[int]


def find_displaced(pieces: Sequence[Piece], facts: Mapping[int, SliceFacts], lines: Sequence[Line]) -> dict[int, str]:
    """Slices (by index) whose time stamps are not those of their place, with the reason."""
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
        """Whether a slice goes on where an earlier line ended, as if nothing had been between, or as if what is between
        had been of that line."""
        stamped = self._since(last, first)
        held = ends_of(self._facts[last])
        own = self._pieces[last].seconds if held is None else held
        between = sum(piece.seconds for piece in self._pieces[last + 1 : first])
        named = self._pieces[first].starts_at - self._pieces[last].starts_at
        return any(abs(stamped - seconds) <= JOINED_SECONDS for seconds in (own, own + between, named))

    def _slices_away(self, last: int, line: Line) -> int:
        """Count the slices of a line before the one that begins where the line before, by the playlist, would have it.
        Return 0 where there is no such slice, or where a mark says that time stamps begin anew."""
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
        """Whether a later line ends at the very picture at which an earlier one begins."""
        video = self._facts[last].video
        if video is None or video.ends is None or self._facts[first].video is None:
            return False
        return abs(self._since(last, first) - video.ends) <= max(_SAME_SECONDS, video.step / 2)

    def _copies(self, before: Line, line: Line) -> Iterator[tuple[int, int]]:
        """Slices of two lines that begin at the very same instant, the displaced one first. Of two lines that begin at
        the same instant, as those of a recorder that counts from 0 do, the slices of one place are no copies, unless
        the later line begins with the same bytes."""
        for place, index in enumerate(before):
            if abs(self._since(index, line[0])) <= _SAME_SECONDS and (place > 0 or self._same_object(index, line[0])):
                yield line[0], index
        known = {(self._facts[index].origin, self._pieces[index].size_bytes): place for place, index in enumerate(line)}
        for place, index in enumerate(before):
            other = known.get((self._facts[index].origin, self._pieces[index].size_bytes), place)
            if other not in (place, 0):
                yield (index, line[other]) if len(before) < len(line) else (line[other], index)

    def _same_object(self, one: int, other: int) -> bool:
        """Whether two slices are the same bytes, as far as the store tells."""
        before, after = self._pieces[one], self._pieces[other]
        return bool(before.etag) and (before.etag, before.size_bytes) == (after.etag, after.size_bytes)

    def _since(self, one: int, other: int) -> float:
        return since(origin_of(self._facts[one]), origin_of(self._facts[other]))


def origin_of(facts: SliceFacts) -> int:
    """The origin of a slice that has one."""
    assert facts.origin is not None
    return facts.origin


def ends_of(facts: SliceFacts) -> float | None:
    """Where the longer of the streams ends."""
    ends = [held.ends for held in (facts.video, facts.audio) if held is not None and held.ends is not None]
    return max(ends, default=None)
