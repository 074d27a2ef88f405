"""Parses the packets of an MPEG-TS slice or of a part of one, and finds their contents and the missing packets.

One parser handles the beginning of a slice, its end, and the whole slice, so every byte that is read is checked by the
same rules. It decodes no picture, and never raises on invalid bytes, which come from a third party. A beginning or an
end has some dozens of packets, for which numpy takes as long as for one. To need few calls, the parser stores the first
bytes of a packet as one number and processes the streams together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.media.ts.adts import SAMPLES, count_frames
from service.media.ts.rows import PACKET, Flags, Rows, Ticks, align
from service.media.ts.tables import Stream, maps_of, programs_of

TICKS = 90_000
WRAP = 1 << 33

_NULL = 0x1FFF
# Counters have 16 values, so a hole of 16 packets of one stream does not change them.
_COUNTER = 16
# The content of an overwritten packet. No encoder writes so many ones, because it would spend them on macroblocks that
# one number would skip. Only a filler unit contains nothing else.
_ONES = b"\xff" * (PACKET - 4)
_START_CODE = b"\0\0\1"
_FILLER = 12
_SPS_BYTES = 1024
_SPS_PACKETS = 7

# Masks for the first eight bytes of a packet.
_MARKED = 0x80 << 48
_STARTED = 0x40 << 48
_SCRAMBLED = 0xC0 << 32
_RENEWED = 0x80 << 16
_KEY = 0x40 << 16


def _begin(control: Ticks, size: Ticks) -> Ticks:
    """Return the offset of a packet's content by its control byte and the size of its adaptation field."""
    begins = np.where(control & 0x20, np.minimum(size + 5, PACKET), 4)
    return np.where(control & 0x10, begins, PACKET)


# Indexed by the low six bits of the control byte and the byte after it.
_BEGINS = _begin(*np.divmod(np.arange(1 << 14), 256))
# The header of a unit as three numbers: start code and length; flags, header length and presentation time; and decoding
# time.
_HEAD = np.dtype({"names": ["begin", "shown", "decoded"], "formats": [">u8"] * 3, "offsets": [0, 6, 11]})
_BEGIN_BYTES = 3
_HEADER_PLACES = np.arange(_HEAD.itemsize)
_SHOWN = 0x80 << 48
_DECODED = 0xC0 << 48


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The PES packets of one stream, in the order in which they are stored.

    `shown` and `decoded` are their presentation and decoding times in ticks (-1 if not stated). `keys` marks the units
    at which a decoder may begin, `broken` the units with missing or damaged bytes, and `cut` the units after which
    packets are missing. `begins` contains the first ES bytes of key units, and `at` the offset of each unit's first
    packet. `counters` are the continuity counters of the first and the last packet. `orphaned` is true if bytes precede
    the first unit, and `closed` if the last packet is known to end its unit.

    `frames` counts the audio frames that begin in each unit, and `rate` is their sampling rate. Both are None for
    pictures and for audio that is not ADTS.
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

    @property
    def frame_seconds(self) -> float:
        """Return the duration of an audio frame, or 0 if unknown."""
        return SAMPLES / self.rate if self.frames is not None and self.rate else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """The parsed packets. `unsynced` counts packet places without a sync byte, `marked` the packets marked as damaged,
    and `scrambled` the encrypted packets. `programs` is the largest number of programs in a table. `maps` contains the
    different lists of streams in order of appearance. Both are empty if no table was read."""

    count: int
    unsynced: int
    marked: int
    scrambled: int
    programs: int
    maps: tuple[tuple[Stream, ...], ...]
    units: Mapping[int, Units]

    @property
    def damaged(self) -> bool:
        """Return whether any packet is not as a recorder writes it."""
        return bool(self.unsynced or self.marked or self.scrambled)


def read_packets(content: bytes, known: tuple[Stream, ...] = (), *, partial: bool = False) -> Packets:
    """Parse packets from the beginning of `content`.

    `known` contains the streams to parse if `content` has no table of its own. `partial` is true if more bytes follow,
    so that a packet truncated at the end is not a fault.
    """
    rows = align(content, partial=partial)
    pids = rows.words >> 40 & 0x1FFF
    programs, maps = _tables(rows.content, pids)
    streams = {stream.pid: stream for stream in (*known, *(one for found in maps for one in found))}
    ours = rows.words[pids != _NULL]
    return Packets(
        len(pids),
        rows.unsynced,
        int(np.count_nonzero(ours & _MARKED)),
        int(np.count_nonzero(ours & _SCRAMBLED)),
        programs,
        maps,
        _read_units(rows, pids, streams.values(), partial=partial),
    )


def aligned(content: bytes) -> bytes:
    """Return `content` without the bytes outside its packets."""
    found = align(content, partial=False)
    return found.content if found.unsynced else content


def elementary(content: bytes, pid: int) -> bytes:
    """Return the coded stream of one PID, without the headers of packets and units."""
    rows = align(content, partial=False)
    begins = _BEGINS[rows.words >> 24 & 0x3FFF]
    places = ((rows.words >> 40 & 0x1FFF == pid) & (begins < PACKET)).nonzero()[0]
    begins = begins[places]
    starts = (rows.words[places] & _STARTED).nonzero()[0]
    heads = _heads(rows.content, places[starts], begins[starts])
    begins[starts] += np.where(_begun(heads), _head_sizes(heads), 0)
    return _joined(rows.content, places, begins)


# --- tables ----------------------------------------------------------------------------------------------------------


def _tables(content: bytes, pids: Ticks) -> tuple[int, tuple[tuple[Stream, ...], ...]]:
    programs, found = programs_of(_distinct(content, pids == 0))
    maps: dict[tuple[Stream, ...], None] = {}
    for pid in found:
        maps |= dict.fromkeys(maps_of(_distinct(content, pids == pid)))
    return programs, tuple(maps)


def _distinct(content: bytes, mine: Flags) -> tuple[bytes, ...]:
    """Return the packets whose content differs from that of the previous packet, because tables are repeated ten times
    a second. Their counters, which always differ, are removed."""
    found: list[bytes] = []
    before = b""
    for at in (mine.nonzero()[0] * PACKET).tolist():
        body = content[at + 4 : at + PACKET]
        if body != before:
            found.append(content[at : at + 3] + bytes((content[at + 3] & 0xF0,)) + body)
            before = body
    return tuple(found)


# --- units of a stream -----------------------------------------------------------------------------------------------


def _read_units(rows: Rows, pids: Ticks, streams: Iterable[Stream], *, partial: bool) -> dict[int, Units]:
    """Return the units of all picture and audio streams. The streams are processed together: `places` contains the
    packets stream by stream, `edges` the ends of each stream, and `before` the number of content bytes before each
    packet."""
    begins = _BEGINS[rows.words >> 24 & 0x3FFF]
    filled = begins < PACKET
    found = [(one, ((pids == one.pid) & filled).nonzero()[0]) for one in streams if one.video or one.audio]
    found = [(one, places) for one, places in found if len(places)]
    if not found:
        return {}
    places = np.concatenate([one for _, one in found])
    edges = np.array([len(one) for _, one in found]).cumsum()
    words, begins = rows.words[places], begins[places]
    before = np.zeros(len(places) + 1, np.int64)
    np.cumsum(PACKET - begins, out=before[1:])
    starts = (words & _STARTED).nonzero()[0]
    heads = _heads(rows.content, places[starts], begins[starts])
    begun = _begun(heads)
    bad = words & (_MARKED | _SCRAMBLED) != 0
    if not begun.all():
        # The bytes are not the beginning of a unit. (The beginning itself may continue in the next packet.)
        bad[starts[~begun & (begins[starts] <= PACKET - _BEGIN_BYTES)]] = True
        starts, heads = starts[begun], heads[begun]
    ends = edges[edges.searchsorted(starts, "right")]
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    declared = (heads["begin"].astype(np.int64) >> 16 & 0xFFFF) + 6
    exact = (declared == 6) | (before[ends] - before[starts] == declared)
    # A unit with a stated length and the corresponding number of bytes is whole, whatever is missing after it.
    bounded = (declared > 6) & exact
    missing = _missing_after(rows, places, words, edges)
    damaged = (_any_in(missing, starts, ends) & ~bounded) | _any_in(bad, starts, ends)
    broken, cut = ~exact | damaged, missing[ends - 1]
    ones = _any_in(_all_ones(rows.content, places, begins), starts, ends)
    shown, decoded = _times(heads)
    keys, at = _marks(words[starts], _KEY), rows.at[places[starts]]
    bodies = before[starts] + _head_sizes(heads)
    lost_after = rows.unsynced - np.cumsum(rows.lost_before)[places[edges - 1]]
    units: dict[int, Units] = {}
    first = begin = 0
    for (stream, _), edge, last in zip(found, edges.tolist(), starts.searchsorted(edges).tolist(), strict=True):
        own = slice(first, last)
        closed = _is_stuffed(int(words[edge - 1])) or (last > first and bool(bounded[last - 1]))
        if last > first:
            # The lost packets after the unit may contain its end.
            cut_off = bool(lost_after[len(units)]) and not closed
            broken[last - 1] = cut_off or bool((damaged if partial else broken)[last - 1])
        frames, rate, beginnings = None, None, {}
        if stream.adts:
            sound = _joined(rows.content, places[begin:edge], begins[begin:edge])
            within = (bodies[own] - before[begin]).tolist(), (before[ends[own]] - before[begin]).tolist()
            frames, rate = _sound_frames(sound, *within, broken[own].tolist())
        if stream.video:
            for unit in (first + ones[own].nonzero()[0]).tolist():
                some = slice(starts[unit], ends[unit])
                broken[unit] |= _is_overwritten(_joined(rows.content, places[some], begins[some]))
            for key in keys[own].nonzero()[0].tolist():
                some = slice(starts[first + key], min(ends[first + key], starts[first + key] + _SPS_PACKETS))
                beginnings[key] = _es_begin(_joined(rows.content, places[some], begins[some]))
        units[stream.pid] = Units(
            shown[own], decoded[own], keys[own], broken[own], cut[own], at[own], beginnings,
            (int(words[begin]) >> 32 & 0x0F, int(words[edge - 1]) >> 32 & 0x0F),
            last == first or bool(starts[first] > begin), closed, frames, rate,
        )  # fmt: skip
        first, begin = last, edge
    return units


def _missing_after(rows: Rows, places: Ticks, words: Ticks, edges: Ticks) -> Flags:
    """Flag the packets of a stream after which packets are missing or repeated. For the last packet this is unknown.

    ISO/IEC 13818-1 allows a packet to be repeated, but ffmpeg and hls.js treat it as two packets, which damages the
    picture.
    """
    counters = words >> 32
    missing = np.ones(len(words), bool)
    missing[:-1] = counters[1:] - counters[:-1] & 0x0F != 1
    missing[edges - 1] = False
    if missing.any():
        missing[:-1] &= ~_marks(words[1:], _RENEWED)
    if rows.unsynced:
        lost = np.cumsum(rows.lost_before)[places]
        missing[:-1] |= lost[1:] - lost[:-1] >= _COUNTER
        missing[edges - 1] = False
    return missing


def _marks(words: Ticks, flag: int) -> Flags:
    """Flag the packets that have an adaptation field with this flag."""
    return np.asarray((words >> 24 & 0x20FF > 0x2000) & (words & flag != 0), bool)


def _is_stuffed(word: int) -> bool:
    """Return whether a packet is stuffed. The last packet of a unit is stuffed in 183 of 184 cases."""
    if not word >> 32 & 0x20:
        return False
    length, flags = word >> 24 & 0xFF, word >> 16 & 0xFF
    return length == 0 or (length > (7 if flags & 0x10 else 1) and not flags & 0x0F)


def _any_in(flags: Flags, starts: Ticks, ends: Ticks) -> Flags:
    """Return whether any flag is set between each start and its end."""
    if not flags.any():
        return np.zeros(len(starts), bool)
    sums = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=sums[1:])
    return np.asarray(sums[ends] > sums[starts], bool)


def _all_ones(content: bytes, places: Ticks, begins: Ticks) -> Flags:
    """Flag the packets that contain only ones."""
    found = np.zeros(len(places), bool)
    if _ONES in content:
        full = (begins == 4).nonzero()[0]
        packets = np.frombuffer(content, np.uint8)[: len(content) // PACKET * PACKET].reshape(-1, PACKET)
        found[full] = (packets[places[full], 4:] == 0xFF).all(axis=1)
    return found


def _is_overwritten(unit: bytes) -> bool:
    """Return whether a picture unit contains ones for the length of a packet outside of a filler unit."""
    at = unit.find(_ONES)
    while at >= 0:
        begin = unit.rfind(_START_CODE, 0, at)
        if begin < 0 or unit[begin + 3] & 0x1F != _FILLER:
            return True
        following = unit.find(_START_CODE, at)
        at = -1 if following < 0 else unit.find(_ONES, following)
    return False


def _heads(content: bytes, places: Ticks, begins: Ticks) -> NDArray[np.void]:
    """Return the first bytes of each packet's payload, with zeros beyond the packet."""
    found = np.frombuffer(content, np.uint8).take((places * PACKET + begins)[:, None] + _HEADER_PLACES, mode="clip")
    if (begins > PACKET - _HEAD.itemsize).any():
        found[begins[:, None] + _HEADER_PLACES >= PACKET] = 0
    return found.view(_HEAD)[:, 0]


def _begun(heads: NDArray[np.void]) -> Flags:
    """Return whether these bytes begin a unit."""
    return np.asarray(heads["begin"] >> 40 == 1, bool)


def _head_sizes(heads: NDArray[np.void]) -> Ticks:
    return (heads["shown"] >> 40 & 0xFF).astype(np.int64) + 9


def _times(heads: NDArray[np.void]) -> tuple[Ticks, Ticks]:
    """Return the presentation and the decoding time of each unit."""
    told = heads["shown"].astype(np.int64)
    shown = np.where(told & _SHOWN, _ticks(told), -1)
    both = told & _DECODED == _DECODED
    return shown, np.where(both, _ticks(heads["decoded"].astype(np.int64)), shown) if both.any() else shown


def _ticks(words: Ticks) -> Ticks:
    """Return the time in the last five bytes, which contain 3, 15 and 15 bits, each followed by a marker bit."""
    return (words & 0xE << 32) >> 3 | (words & 0xFFFE << 16) >> 2 | (words & 0xFFFE) >> 1


def _joined(content: bytes, places: Ticks, begins: Ticks) -> bytes:
    """Concatenate the content of packets."""
    offsets = places * PACKET
    ends = (offsets + PACKET).tolist()
    return b"".join([content[at:end] for at, end in zip((offsets + begins).tolist(), ends, strict=True)])


def _es_begin(unit: bytes) -> bytes:
    """Return the first bytes of a unit's own content, which contain its parameter sets."""
    return unit[9 + unit[8] :][:_SPS_BYTES] if len(unit) > 9 else b""


def _sound_frames(
    content: bytes, begins: list[int], ends: list[int], broken: list[bool]
) -> tuple[NDArray[np.int64], int | None]:
    """Return the number of audio frames that begin in each unit, and their rate."""
    frames: list[int] = []
    rate: int | None = None
    rest = 0
    for begin, end, breaks in zip(begins, ends, broken, strict=True):
        count, rest, found = count_frames(content, min(begin, end) + rest, end)
        frames.append(count)
        rate = found or rate
        rest = 0 if breaks else rest
    return np.array(frames, np.int64), rate
