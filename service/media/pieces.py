"""Slices that can be opened: those that a playlist names and the bucket holds, in the order of their playlists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.media.timeline import JOINED_SECONDS


@dataclass(frozen=True, slots=True)
class Piece:
    """One slice. `seconds` by its playlist (`stated` False: by the next name), `marked`: a DISCONTINUITY stands before
    it. `run` is the index of its run in the listing, `sid` and `recorder` tell who recorded it."""

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
    """(first, one past the last) of the pieces of each run."""
    begin = 0
    for index in range(1, len(pieces) + 1):
        if index == len(pieces) or pieces[index].run != pieces[begin].run:
            yield begin, index
            begin = index


def hole(before: Piece, after: Piece) -> float:
    """Seconds by which two slices of one run begin farther apart than the first one lasts; negative: less."""
    return after.starts_at - before.starts_at - before.seconds


def joined(before: Piece, after: Piece) -> bool:
    """Nothing says that the recorder was interrupted between the two."""
    return before.run == after.run and not after.marked and abs(hole(before, after)) <= JOINED_SECONDS
