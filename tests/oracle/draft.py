"""A recording that is about to be changed, and the numbers that changes are drawn with."""

from dataclasses import dataclass, field
from random import Random

from service.media.expectation import Expectation
from tests.oracle.bases import Base, base
from tests.oracle.watching import Places, places

PACKET = 188


@dataclass
class Draft:
    """`objects`, where they lie and what was expected may be changed; `notes` say what was."""

    number: int
    dice: Random
    made: Base
    objects: dict[str, bytes]
    places: Places
    expected: Expectation
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, dice: Random) -> "Draft":
        """The untouched recording of one recipe."""
        made = base(number)
        return cls(number, dice, made, dict(made.objects), places(made), made.expected())

    @property
    def mp4(self) -> str:
        assert self.made.mp4 is not None, "this kind of change needs an MP4"
        return self.made.mp4

    def write(self, key: str, content: bytes, note: str) -> None:
        """Put `content` in the place of an object."""
        self.objects[key] = content
        self.notes.append(f"{key.rpartition('/')[2]}: {note}")

    def some_slices(self) -> list[str]:
        """One slice, several or every one."""
        return self._some_of(self.made.slices)

    def inner_slices(self) -> list[str]:
        """The same, but never the first nor the last. Foreign slices are betrayed by what changes with them and comes
        back after them; from the first or to the last on they cannot be told from an encoder that began anew."""
        return self._some_of(self.made.slices[1:-1])

    def _some_of(self, slices: list[str]) -> list[str]:
        share = self.dice.random()
        if share < 0.4:
            return [self.dice.choice(slices)]
        if share < 0.75:
            return sorted(self.dice.sample(slices, self.dice.randint(2, max(2, len(slices) - 1))))
        return list(slices)

    def size(self, most: int, least: int = PACKET) -> int:
        """A number of bytes from one packet to everything: half of them by orders of size, for the small ones, half of
        them evenly, for those that cost more than is allowed."""
        if most <= least:
            return most
        share = self.dice.random()
        even = self.dice.random() < 0.5
        return min(most, round(least + (most - least) * share if even else least * (most / least) ** share))

    def stretch(self, length: int, place: str, *, least: int = PACKET) -> tuple[int, int]:
        """Begin and end of a stretch of `length` bytes: at the `head`, the `tail`, in the `middle`, or `whole`. Half of
        them begin and end with a packet."""
        if place == "whole":
            return 0, length
        size = self.size(length, least)
        begin = {"head": 0, "tail": length - size}.get(place, self.dice.randint(0, length - size))
        end = begin + size
        if self.dice.random() < 0.5:
            begin -= begin % PACKET
            end = end if place == "tail" else max(begin + least, end - end % PACKET)
        return begin, min(end, length)
