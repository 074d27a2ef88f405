"""Finds the packets of an MPEG-TS slice, including those after bytes outside packets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PACKET = 188

_SYNC = 0x47
_SEARCHED = 1 << 16
_CHUNK = 512
_WORD = np.dtype({"names": ["word"], "formats": [">u8"], "offsets": [0], "itemsize": PACKET})

Bytes = NDArray[np.uint8]
Ticks = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Consecutive packets. Contains the first eight bytes of each packet as a number, its offset in the bytes read, and
    the number of places without a sync byte before it."""

    content: bytes
    words: Ticks
    at: Ticks
    lost_before: Ticks
    unsynced: int


def align(content: bytes, *, partial: bool) -> Rows:
    """Return the packets of `content`. After a missing sync byte, continue at the next three consecutive packets."""
    count, rest = divmod(len(content), PACKET)
    if (partial or not rest) and content[: count * PACKET : PACKET].count(_SYNC) == count:
        at = np.arange(count, dtype=np.int64) * PACKET
        return Rows(content, _words(content), at, np.zeros(count, np.int64), 0)
    return _search(np.frombuffer(content, np.uint8), partial=partial)


def _search(content: Bytes, *, partial: bool) -> Rows:
    runs: list[tuple[int, int]] = []
    lost: list[int] = []
    at = skipped = unsynced = 0
    while at + PACKET <= len(content):
        good = _synced(content, at)
        if good:
            runs.append((at, good))
            lost.append(skipped)
            skipped = 0
            at += good * PACKET
        else:
            found = _next_sync(content, at + 1)
            places = -(-(found - at) // PACKET)
            skipped, unsynced, at = skipped + places, unsynced + places, found
    if at < len(content) and not partial:
        unsynced += 1
    if not runs:
        return Rows(b"", _words(b""), np.zeros(0, np.int64), np.zeros(0, np.int64), unsynced)
    starts = np.concatenate([begin + np.arange(good, dtype=np.int64) * PACKET for begin, good in runs])
    before = np.zeros(len(starts), np.int64)
    before[np.cumsum([0, *(good for _, good in runs[:-1])])] = lost
    rows = b"".join([content[begin : begin + good * PACKET].tobytes() for begin, good in runs])
    return Rows(rows, _words(rows), starts, before, unsynced)


def _words(content: bytes) -> Ticks:
    return np.frombuffer(content, _WORD, len(content) // PACKET)["word"].astype(np.int64)


def _synced(content: Bytes, at: int) -> int:
    """Return the number of consecutive packets that begin at `at`."""
    found = 0
    while True:
        places = content[at + found * PACKET : at + (found + _CHUNK) * PACKET : PACKET]
        whole = min(len(places), (len(content) - at) // PACKET - found)
        good = places[:whole] == _SYNC
        if good.all():
            found += whole
            if whole < _CHUNK:
                return found
        else:
            return found + int(good.argmin())


def _next_sync(content: Bytes, at: int) -> int:
    """Return the next offset at which packets begin, or the end."""
    size = len(content)
    while at < size:
        end = min(at + _SEARCHED, size)
        fits = content[at:end] == _SYNC
        for ahead in (PACKET, 2 * PACKET):
            following = content[at + ahead : end + ahead] == _SYNC
            fits[: len(following)] &= following
        if fits.any():
            return at + int(fits.argmax())
        at = end
    return size
