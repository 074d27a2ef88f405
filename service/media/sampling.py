"""Which slices are opened. The seed stands in the report, so that a look can be repeated; pure and without chance."""

from collections.abc import Sequence

from service.media.bitrate import outliers
from service.media.pieces import Piece, by_run, joined

HEADS_EVERY = 4


def choose_heads(pieces: Sequence[Piece], seed: int) -> list[int]:
    """Every fourth slice, the first and the last of each run, both sides of every interruption, and the slices that are
    conspicuously small; in order (verification A.4.1)."""
    chosen = set(edges(pieces)) | set(outliers(pieces))
    chosen.update(range(seed % HEADS_EVERY, len(pieces), HEADS_EVERY))
    return sorted(index for index in chosen if pieces[index].size_bytes)


def edges(pieces: Sequence[Piece]) -> list[int]:
    """The slices at both sides of whatever interrupts the media, the ends of each run included."""
    found: set[int] = set()
    for begin, end in by_run(pieces):
        found |= {begin, end - 1}
        for index in range(begin + 1, end):
            if not joined(pieces[index - 1], pieces[index]):
                found |= {index - 1, index}
    return sorted(found)
