"""Slices that can be opened: those that a playlist names and the bucket contains, in playlist order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.media.timeline import JOINED_SECONDS


@dataclass(frozen=True, slots=True)
class Piece:
    """One slice. `seconds` is the duration by its playlist, or by the next name if `stated` is False. `marked` is true
    if a DISCONTINUITY precedes the slice. `run` is the index of its run in the listing. `sid` and `recorder` identify
    its recorder."""

    key: str
    size_bytes: int
    etag: str
    starts_at: float
    seconds: float
    marked: bool
    run: int
    sid: str
    recorder: int
    stated: bool = True

    @property
    def bits_per_second(self) -> float:
        return self.size_bytes * 8 / self.seconds if self.seconds else 0.0


def by_run(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    """Yield (first, one past the last) of the pieces of each run."""
    begin = 0
    for index in range(1, len(pieces) + 1):
        if index == len(pieces) or pieces[index].run != pieces[begin].run:
            yield begin, index
            begin = index


def hole(before: Piece, after: Piece) -> float:
    """Return the seconds between the end of a slice and the start of the next, which are negative if the slices
    overlap."""
    return after.starts_at - before.starts_at - before.seconds


def joined(before: Piece, after: Piece) -> bool:
    """Return whether nothing indicates an interruption of the recorder between the two slices."""
    return before.run == after.run and not after.marked and abs(hole(before, after)) <= JOINED_SECONDS
