"""Reads the packets of an MPEG-TS slice, or of a part of one, and says what they carry and what is missing of it.

One reader serves the beginning of a slice, its end, and the whole of it, so every byte that is read is judged by the
same rules. It decodes no picture. It never raises because of the bytes: they come from a stranger.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.media.adts import count_frames
from service.media.tables import Stream, read_programs, read_streams, sections

PACKET = 188
TICKS = 90_000
WRAP = 1 << 33

_SYNC = 0x47
_NULL = 0x1FFF
# Counters have 16 values: a hole of 16 packets of one stream leaves them as they were.
_COUNTER = 16
_SEARCHED = 1 << 16
_CHUNK = 512
_HEADER = 19
_SPS_BYTES = 1024

Bytes = NDArray[np.uint8]
Ticks = NDArray[np.int64]
Flags = NDArray[np.bool_]

_PLACES = np.arange(PACKET, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The PES packets of one stream, in the order they are stored.

    `shown` and `decoded` are their presentation and decoding times in ticks (-1: not given), `keys` tells where a
    decoder may begin, `broken` which units miss bytes or hold damaged ones, `cut` after which units packets are
    missing. `begins` are the first ES bytes of key units, `at` the offset of each unit's first packet. `counters` are
    the continuity counters of the first and the last packet. `orphaned`: there are bytes before the first unit,
    `closed`: the last packet shows that it is the last of its unit.
    `frames` counts the sound frames that begin in each unit and `rate` is their sampling rate; both are absent for
    pictures and for sound that is not ADTS.
    """

    shown: Ticks
    decoded: Ticks
    keys: Flags
    broken: Flags
    cut: Flags
    at: Ticks
    begins: Mapping[int, bytes]
    counters: tuple[int, int]
    orphaned: bool
    closed: bool
    frames: NDArray[np.int64] | None = None
    rate: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """What was read. `unsynced` counts places of packets without a sync byte, `marked` packets that say they are
    damaged, `scrambled` those that are encrypted. `programs` is the most programs that a table names, `maps` are the
    different lists of streams in the order they appear; both are empty where no table was read."""

    count: int
    unsynced: int
    marked: int
    scrambled: int
    programs: int
    maps: tuple[tuple[Stream, ...], ...]
    units: Mapping[int, Units]

    @property
    def damaged(self) -> bool:
        """Whether any packet is not what a recorder writes."""
        return bool(self.unsynced or self.marked or self.scrambled)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Packets as rows, the offset of each, and how many places without a sync byte lie before each."""

    rows: Bytes
    at: Ticks
    lost_before: Ticks
    unsynced: int


def read_packets(content: bytes | memoryview, known: tuple[Stream, ...] = (), *, partial: bool = False) -> Packets:
    """Read packets from the beginning of `content`.

    `known` are the streams to read where `content` holds no table of its own. `partial`: more bytes follow, so what is
    cut off at the end is not missed.
    """
    rows = _align(np.frombuffer(content, np.uint8), partial=partial)
    packets = rows.rows
    pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    programs, maps = _tables(packets, pids)
    streams = {stream.pid: stream for stream in (*known, *(one for found in maps for one in found))}
    control = packets[:, 3]
    begins = np.where(control & 0x20, packets[:, 4].astype(np.int32) + 5, 4)
    begins = np.where(control & 0x10, np.minimum(begins, PACKET), PACKET)
    ours = pids != _NULL
    units = {}
    for pid, stream in streams.items():
        mine = ((pids == pid) & (begins < PACKET)).nonzero()[0]
        if len(mine) and (stream.video or stream.audio):
            units[pid] = _read_units(rows, mine, begins[mine], stream, partial=partial)
    return Packets(
        len(packets),
        rows.unsynced,
        int((packets[ours, 1] & 0x80 != 0).sum()),
        int((packets[ours, 3] & 0xC0 != 0).sum()),
        programs,
        maps,
        units,
    )


def aligned(content: bytes) -> bytes:
    """The packets of `content` alone: what lies between them and is none is left out."""
    found = _align(np.frombuffer(content, np.uint8), partial=False)
    return content if not found.unsynced else found.rows.tobytes()


def elementary(content: bytes, pid: int) -> bytes:
    """The coded stream of one PID, without the headers of packets and units."""
    packets = _align(np.frombuffer(content, np.uint8), partial=False).rows
    pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    packets = packets[(pids == pid) & (packets[:, 3] & 0x10 != 0)]
    begins = np.minimum(np.where(packets[:, 3] & 0x20, packets[:, 4].astype(np.int32) + 5, 4), PACKET)
    starts = (packets[:, 1] & 0x40).nonzero()[0]
    heads = _gather(packets[starts], begins[starts])
    begins[starts] += np.where((heads[:, 0] | heads[:, 1] | heads[:, 2] ^ 1) == 0, 9 + heads[:, 8].astype(np.int32), 0)
    stream: bytes = packets[begins[:, None] <= _PLACES].tobytes()
    return stream


# --- where packets begin ---------------------------------------------------------------------------------------------


def _align(content: Bytes, *, partial: bool) -> _Rows:
    """The packets of `content`; where the sync byte is missing, the next place where three follow one another."""
    count = len(content) // PACKET
    grid = content[: count * PACKET].reshape(count, PACKET)
    if (partial or len(content) % PACKET == 0) and bool((grid[:, 0] == _SYNC).all()):
        return _Rows(grid, np.arange(count, dtype=np.int64) * PACKET, np.zeros(count, np.int64), 0)
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
        return _Rows(grid[:0], np.zeros(0, np.int64), np.zeros(0, np.int64), unsynced)
    starts = np.concatenate([begin + np.arange(good, dtype=np.int64) * PACKET for begin, good in runs])
    before = np.zeros(len(starts), np.int64)
    before[np.cumsum([0, *(good for _, good in runs[:-1])])] = lost
    rows = np.concatenate([content[begin : begin + good * PACKET].reshape(good, PACKET) for begin, good in runs])
    return _Rows(rows, starts, before, unsynced)


def _synced(content: Bytes, at: int) -> int:
    """How many packets follow one another from `at` on."""
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
    """The next offset at which packets begin; the end where there is none."""
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


# --- tables ----------------------------------------------------------------------------------------------------------


def _tables(packets: Bytes, pids: NDArray[np.int32]) -> tuple[int, tuple[tuple[Stream, ...], ...]]:
    programs, found = 0, dict[int, None]()
    for section in sections(_distinct(packets[pids == 0])):
        table = read_programs(section)
        programs = max(programs, len(table))
        found |= dict.fromkeys(table.values())
    maps: dict[tuple[Stream, ...], None] = {}
    for pid in found:
        for section in sections(_distinct(packets[pids == pid])):
            streams = read_streams(section)
            if streams is not None:
                maps[streams] = None
    return programs, tuple(maps)


def _distinct(packets: Bytes) -> list[bytes]:
    """The packets whose content differs from those before: tables are repeated ten times a second."""
    if not len(packets):
        return []
    changed = np.ones(len(packets), bool)
    changed[1:] = (packets[1:, 4:] != packets[:-1, 4:]).any(axis=1)
    return [row.tobytes() for row in packets[changed]]


# --- units of a stream -----------------------------------------------------------------------------------------------


def _read_units(rows: _Rows, mine: Ticks, begins: NDArray[np.int32], stream: Stream, *, partial: bool) -> Units:
    packets = rows.rows[mine]
    counters = packets[:, 3] & 0x0F
    missing = _missing_after(rows, mine, packets)
    bad = (packets[:, 1] & 0x80 != 0) | (packets[:, 3] & 0xC0 != 0)
    starts = (packets[:, 1] & 0x40).nonzero()[0]
    heads = _gather(packets[starts], begins[starts])
    begun = (heads[:, 0] | heads[:, 1] | (heads[:, 2] ^ 1)) == 0
    if not begun.all():
        starts, heads = starts[begun], heads[begun]
    ends = np.append(starts[1:], len(mine)) if len(starts) else starts
    held = np.add.reduceat(PACKET - begins.astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    declared = (heads[:, 4].astype(np.int64) << 8 | heads[:, 5]) + 6
    exact = (declared == 6) | (held == declared)
    inside = np.add.reduceat(missing[:-1].astype(np.int64), starts[starts < len(missing) - 1]) if len(starts) else held
    inside = np.append(inside, np.zeros(len(starts) - len(inside), np.int64))
    cut = missing[np.maximum(ends - 1, 0)] if len(ends) else np.zeros(0, bool)
    # A unit that says its length and holds it is whole, whatever is missing after it.
    bounded = (declared > 6) & exact
    broken = ~exact | ((inside > 0) & ~bounded) | _any_in(bad, starts, ends)
    if partial and len(broken):
        broken[-1] = bool((inside > 0)[-1] and not bounded[-1]) or bool(_any_in(bad, starts, ends)[-1])
    shown, decoded = _times(heads)
    keys = (packets[starts, 3] & 0x20 != 0) & (packets[starts, 4] > 0) & (packets[starts, 5] & 0x40 != 0)
    frames, rate = (None, None)
    if stream.adts:
        frames, rate = _sound_frames(packets, begins, starts, ends, heads, broken)
    first = {}
    if stream.video:
        first = {int(k): _es_begin(packets, begins, int(starts[k]), int(ends[k])) for k in keys.nonzero()[0]}
    return Units(
        shown, decoded, keys, broken, cut, rows.at[mine[starts]], first,
        (int(counters[0]), int(counters[-1])), bool(len(mine) and (not len(starts) or starts[0] > 0)),
        _is_stuffed(packets[-1]) or bool(len(bounded) and bounded[-1]), frames, rate,
    )  # fmt: skip


def _is_stuffed(packet: Bytes) -> bool:
    """Whether a packet is filled up, as the last one of a unit is in 183 of 184 cases."""
    if not packet[3] & 0x20:
        return False
    length, flags = int(packet[4]), int(packet[5])
    return length == 0 or (length > (7 if flags & 0x10 else 1) and not flags & 0x0F)


def _missing_after(rows: _Rows, mine: Ticks, packets: Bytes) -> Flags:
    """Whether packets are missing or come twice after each packet of a stream; after the last one this cannot be seen.

    ISO/IEC 13818-1 lets a packet come twice, but ffmpeg and hls.js take it for two, which damages the picture.
    """
    control = packets[:, 3]
    missing = np.zeros(len(packets), bool)
    # The difference of two bytes wraps at 256, a multiple of 16.
    missing[:-1] = (control[1:] - control[:-1]) & 0x0F != 1
    if missing.any():
        renewed = (control[1:] & 0x20 != 0) & (packets[1:, 4] > 0) & (packets[1:, 5] & 0x80 != 0)
        missing[:-1] &= ~renewed
    if rows.unsynced:
        places = np.cumsum(rows.lost_before)[mine]
        missing[:-1] |= places[1:] - places[:-1] >= _COUNTER
    return missing


def _any_in(flags: Flags, starts: Ticks, ends: Ticks) -> Flags:
    """Whether any flag is set from each start to its end."""
    if not flags.any():
        return np.zeros(len(starts), bool)
    sums = np.append(0, np.cumsum(flags))
    return np.asarray(sums[ends] > sums[starts], bool)


def _gather(packets: Bytes, begins: NDArray[np.int32]) -> Bytes:
    """The first bytes of each packet's payload; what lies beyond the packet is zero."""
    places = begins[:, None] + np.arange(_HEADER, dtype=np.int32)
    found = packets[np.arange(len(packets))[:, None], np.minimum(places, PACKET - 1)]
    found[places >= PACKET] = 0
    return found


def _times(heads: Bytes) -> tuple[Ticks, Ticks]:
    def at(column: int, there: Flags) -> Ticks:
        part = heads[:, column : column + 5].astype(np.int64)
        ticks = (
            (part[:, 0] >> 1 & 7) << 30 | part[:, 1] << 22 | part[:, 2] >> 1 << 15 | part[:, 3] << 7 | part[:, 4] >> 1
        )
        return np.where(there, ticks, -1)

    shown = at(9, heads[:, 7] & 0x80 != 0)
    both = heads[:, 7] & 0xC0 == 0xC0
    return shown, np.where(both, at(14, both), shown) if both.any() else shown


def _es_begin(packets: Bytes, begins: NDArray[np.int32], start: int, end: int) -> bytes:
    """The first bytes of a unit's own content: where its parameter sets are."""
    found = b"".join(packets[row, begins[row] :].tobytes() for row in range(start, min(end, start + 7)))
    return found[9 + found[8] :][:_SPS_BYTES] if len(found) > 9 else b""


def _sound_frames(
    packets: Bytes, begins: NDArray[np.int32], starts: Ticks, ends: Ticks, heads: Bytes, broken: Flags
) -> tuple[NDArray[np.int64], int | None]:
    """How many sound frames begin in each unit."""
    inside = begins[:, None] <= _PLACES
    content = memoryview(packets[inside].tobytes())
    sizes = [0, *np.cumsum(PACKET - begins).tolist()]
    frames = np.zeros(len(starts), np.int64)
    rate: int | None = None
    rest = 0
    before = broken.tolist()
    for number, (start, end, header) in enumerate(
        zip(starts.tolist(), ends.tolist(), heads[:, 8].tolist(), strict=True)
    ):
        body = content[sizes[start] + 9 + header : sizes[end]]
        frames[number], rest, found = count_frames(body, 0 if number and before[number - 1] else rest)
        rate = found or rate
    return frames, rate
