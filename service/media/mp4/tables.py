"""Parses the sample tables of a track (`stbl`) with array operations, without a loop over samples.

A table that declares more entries than it contains makes the track unusable, because players handle such a table
differently. If two tables disagree about the number of samples, the smaller number counts.
"""

from dataclasses import dataclass, field

import numpy as np

from service.media.mp4.boxes import Ints, children, columns, number, signed
from service.media.mp4.facts import UNKNOWN_SHIFT, Flags, Samples

# 20 million samples are 100 hours of audio and need 1 GB while they are read.
MOST_SAMPLES = 20_000_000


class TableFault(Exception):
    """The tables of a track cannot be used; the text states the reason."""


class TooMuch(Exception):
    """Reading the tables exceeds the memory limit; the text states the reason."""


@dataclass(slots=True)
class _Tables:
    boxes: dict[bytes, memoryview]
    damage: list[str] = field(default_factory=list)

    def rows(self, kind: bytes, width: int) -> Ints | None:
        """Return the columns of a table, or None if the table does not exist."""
        body = self.boxes.get(kind)
        if body is None:
            return None
        found = columns(body, 8, number(body, 4), width)
        if found is None:
            raise TableFault(f"its table {kind.decode()} declares {number(body, 4)} entries but does not contain them")
        return found


def read_tables(content: memoryview, file_bytes: int) -> tuple[Samples, tuple[str, ...]]:
    """Return the samples that the body of an `stbl` box describes, and the contradictions that players tolerate. Raise
    `TableFault` or `TooMuch`."""
    boxes: dict[bytes, memoryview] = {}
    for kind, body in children(content):
        boxes.setdefault(kind, body)
    tables = _Tables(boxes)
    size = _sizes(tables, file_bytes)
    offset = _offsets(tables, size)
    duration = _durations(tables, len(size))
    decode = np.cumsum(duration) - duration
    samples = Samples(offset, size, decode, duration, _shifts(tables, len(size)), _sync(tables, len(size)))
    return samples, tuple(tables.damage)


def count_descriptions(described: memoryview) -> int:
    """Return the number of sample descriptions in the body of an `stsd` box, which is at least one."""
    return max(1, min(number(described, 4), sum(1 for _ in children(described[8:]))))


def _sizes(tables: _Tables, file_bytes: int) -> Ints:
    body = tables.boxes.get(b"stsz")
    if body is None:
        return _small_sizes(tables)
    same, count = number(body, 4), number(body, 8)
    if same:
        # A common size needs no table entries, so only the file size bounds the count.
        if same * count > file_bytes:
            raise TableFault(f"its tables describe {same * count} bytes of media, more than the file contains")
        _bear(count)
        return np.full(count, same, dtype=np.int64)
    found = columns(body, 12, count, 1)
    if found is None:
        raise TableFault(f"its table stsz declares {count} entries but does not contain them")
    _bear(count)
    sizes: Ints = found[0]
    if (sizes >= 1 << 31).any():
        raise TableFault("its table stsz contains a size that no player can read")
    return sizes


def _small_sizes(tables: _Tables) -> Ints:
    """Read `stz2`: sizes of 4, 8 or 16 bits."""
    body = tables.boxes.get(b"stz2")
    if body is None:
        return np.zeros(0, np.int64)
    bits, count = number(body, 7, 1), number(body, 8)
    if bits not in (4, 8, 16) or 12 + (count * bits + 7) // 8 > len(body):
        raise TableFault(f"its table stz2 declares {count} entries of {bits} bits but does not contain them")
    _bear(count)
    if bits == 4:
        pairs = np.frombuffer(body, np.uint8, (count + 1) // 2, 12)
        return np.stack([pairs >> 4, pairs & 15], 1).ravel()[:count].astype(np.int64)
    return np.frombuffer(body, ">u2" if bits == 16 else np.uint8, count, 12).astype(np.int64)


def _bear(count: int) -> None:
    if count > MOST_SAMPLES:
        raise TooMuch(f"a track declares {count} samples, more than the limit of {MOST_SAMPLES}")


def _offsets(tables: _Tables, size: Ints) -> Ints:
    """Return the offset of each sample. It is -1 for samples without a chunk, and for samples that players skip because
    no entry of `stsd` describes them."""
    chunks, runs = _chunk_offsets(tables), tables.rows(b"stsc", 3)
    count = len(size)
    if runs is None or not runs.size or not len(chunks):
        if count:
            tables.damage.append("its samples have no chunks")
        return np.full(count, -1, np.int64)
    if _jumbled(runs).any():
        tables.damage.append("its table stsc does not count its chunks upwards from the first")
        runs = _mended(runs)
    if runs[0, -1] > len(chunks):
        raise TableFault(f"its table stsc goes on to chunk {runs[0, -1]} of {len(chunks)}, which players refuse")
    first, each = np.minimum(runs[0] - 1, len(chunks)), np.minimum(runs[1], count + 1)
    first[0] = 0
    repeats = np.diff(first, append=len(chunks))
    held = np.repeat(each, repeats)
    ends = np.cumsum(held)
    if ends[-1] != count:
        tables.damage.append(f"its chunks contain {ends[-1]} samples, but its table of sizes {count}")
    ends = np.minimum(ends, count)
    begins = np.concatenate([[0], ends[:-1]])
    before = np.concatenate([[0], np.cumsum(size)])
    placed = np.repeat(chunks - before[begins], ends - begins) + before[: ends[-1]]
    described = np.repeat(runs[2] <= count_descriptions(tables.boxes.get(b"stsd", memoryview(b""))), repeats)
    if not described.all():
        tables.damage.append("its table stsc names a sample description that it does not contain")
        placed[~np.repeat(described, ends - begins)] = -1
    return np.concatenate([placed, np.full(count - len(placed), -1, np.int64)])


def _jumbled(runs: Ints) -> Flags:
    """Flag the invalid entries of `stsc`."""
    wrong: Flags = (runs[0] <= np.arange(runs.shape[1])) | (runs[1] < 1) | (runs[2] < 1)
    steps = np.diff(runs[0]) <= 0
    wrong[1:] |= steps
    wrong[:-1] |= steps
    return wrong


def _mended(runs: Ints) -> Ints:
    """Replace invalid entries of `stsc` by the following entry, as FFmpeg does."""
    lines = runs.T.tolist()
    for index in range(len(lines) - 1, -1, -1):
        first, each, entry = lines[index]
        before = lines[index - 1][0] if index else 0
        last = index + 1 == len(lines)
        if each >= 1 and entry >= 1 and first > max(index, before) and (last or first < lines[index + 1][0]):
            continue
        if last and not each and index:
            lines.pop()
        elif last:
            lines[index] = [max(first, index + 1, before + 1), max(each, 1), max(entry, 1)]
        else:
            lines[index] = [lines[index + 1][0] - 1, *lines[index + 1][1:]]
    mended = np.array(lines, np.int64).T
    mended[0] = np.maximum.accumulate(mended[0])
    return mended


def _chunk_offsets(tables: _Tables) -> Ints:
    body = tables.boxes.get(b"co64")
    if body is None:
        rows = tables.rows(b"stco", 1)
        return np.zeros(0, np.int64) if rows is None else rows[0]
    count = number(body, 4)
    if 8 + count * 8 > len(body):
        raise TableFault(f"its table co64 declares {count} entries but does not contain them")
    # No file is large enough for an offset with the highest bit set.
    return (np.frombuffer(body, ">u8", count, 8) & np.uint64((1 << 62) - 1)).astype(np.int64)


def _spread(tables: _Tables, kind: bytes, counts: Ints, values: Ints, wanted: int) -> Ints:
    """Repeat each value by its count, up to `wanted` values in total."""
    ends = np.cumsum(counts)
    if not len(ends) or ends[-1] != wanted:
        said = int(ends[-1]) if len(ends) else 0
        tables.damage.append(f"its table {kind.decode()} describes {said} samples, but its table of sizes {wanted}")
    return np.repeat(values, np.diff(np.minimum(ends, wanted), prepend=0))


def _filled(values: Ints, wanted: int, rest: int) -> Ints:
    return np.concatenate([values, np.full(wanted - len(values), rest, np.int64)])


def _durations(tables: _Tables, count: int) -> Ints:
    rows = tables.rows(b"stts", 2)
    if rows is None:
        rows = np.zeros((2, 0), np.int64)
    if (rows[1] >= 1 << 31).any():
        tables.damage.append("its table stts has negative steps")
    found = _spread(tables, b"stts", rows[0], np.maximum(signed(rows[1]), 0), count)
    # Players assign the last stated duration to the remaining samples.
    return _filled(found, count, int(found[-1]) if len(found) else 0)


def _shifts(tables: _Tables, count: int) -> Ints:
    # Writers use negative numbers in version 0 as well, and players read them as such.
    rows = tables.rows(b"ctts", 2)
    if rows is None:
        return np.zeros(count, np.int64)
    # The presentation time of a sample without a shift is unknown, hence `UNKNOWN_SHIFT`.
    return _filled(_spread(tables, b"ctts", rows[0], signed(rows[1]), count), count, UNKNOWN_SHIFT)


def _sync(tables: _Tables, count: int) -> Flags:
    rows = tables.rows(b"stss", 1)
    if rows is None:
        return np.ones(count, np.bool_)
    found = np.zeros(count, np.bool_)
    numbers = rows[0] - 1
    found[numbers[(numbers >= 0) & (numbers < count)]] = True
    return found
