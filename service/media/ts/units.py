"""Computes digests of coded units, to find the same coded stream in slices and an MP4 file despite the different
containers.

A picture is represented by its NAL units of types 1 and 5 (slices of the coded picture), because parameter sets, SEI
and delimiters differ between containers. An audio frame is the AAC frame without its ADTS header.
"""

import zlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview
Flags = NDArray[np.bool_]

_START = b"\x00\x00\x01"
_CODED_PICTURE = (1, 5)
_INTRA = (2, 4, 7, 9)
# A smaller share of equal units does not prove the same stream.
SAME_STREAM_SHARE = 0.9


def digest(unit: Buffer) -> int:
    """Return the length and CRC-32 of a unit as one number. This number detects damage, not forgery."""
    return len(unit) << 32 | zlib.crc32(unit)


# --- pictures --------------------------------------------------------------------------------------------------------


def annexb_units(stream: Buffer) -> list[int]:
    """Return the digests of the coded pictures' NAL units in a stream with start codes."""
    content = bytes(stream)
    view = memoryview(content)
    found = []
    begin = content.find(_START)
    while begin >= 0:
        begin += 3
        following = content.find(_START, begin)
        end = len(content) if following < 0 else following
        if begin < end and content[begin] & 0x1F in _CODED_PICTURE:
            found.append(digest(view[begin : _trimmed(content, begin, end)]))
        begin = following
    return found


def _trimmed(content: Buffer, begin: int, end: int) -> int:
    """Return the end of a unit without trailing zeros."""
    while end > begin and content[end - 1] == 0:
        end -= 1
    return end


def nal_units(sample: Buffer, length_size: int) -> list[tuple[int, int]] | None:
    """Return (begin, end) of the NAL units of an MP4 sample, or None if their lengths do not add up."""
    found = []
    at, whole = 0, len(sample)
    while at < whole:
        begin = at + length_size
        at = begin + int.from_bytes(sample[at:begin], "big")
        # A unit of length zero does not even contain its type.
        if at > whole or at == begin:
            return None
        found.append((begin, at))
    return found or None


def avcc_units(sample: Buffer, length_size: int) -> list[int] | None:
    """Return the digests of the coded pictures' NAL units of an MP4 sample, or None if their lengths do not add up."""
    units = nal_units(sample, length_size)
    if units is None:
        return None
    view = memoryview(sample)
    return [
        digest(view[begin : _trimmed(sample, begin, end)])
        for begin, end in units
        if sample[begin] & 0x1F in _CODED_PICTURE
    ]


def is_zeroed(sample: Buffer, length_size: int) -> bool:
    """Return whether a NAL unit of the sample contains three zero bytes in a row, which no encoder writes (emulation
    prevention), or whether the lengths do not add up."""
    units = nal_units(sample, length_size)
    if units is None:
        return True
    content = bytes(sample)
    return any(content.find(b"\0\0\0", begin, _trimmed(content, begin, end)) >= 0 for begin, end in units)


def is_intra(sample: Buffer, length_size: int) -> bool:
    """Return whether the first coded slice of an MP4 sample depends on no other picture, by its own header."""
    for begin, end in nal_units(sample, length_size) or ():
        if sample[begin] & 0x1F in _CODED_PICTURE:
            return sample[begin] & 0x1F == 5 or _slice_type(bytes(sample[begin + 1 : min(end, begin + 9)])) in _INTRA
    return False


def _slice_type(head: bytes) -> int | None:
    """Return the second number of a slice header. The first number is the slice's place. Both are Exp-Golomb codes."""
    bits = "".join(f"{byte:08b}" for byte in head)
    at, value = 0, None
    for _ in range(2):
        zeros = bits.find("1", at) - at
        if zeros < 0 or at + 2 * zeros + 1 > len(bits):
            return None
        value = int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1
        at += 2 * zeros + 1
    return value


# --- audio -----------------------------------------------------------------------------------------------------------


def adts_units(stream: Buffer) -> list[int]:
    """Return the digests of the AAC frames in a stream with ADTS headers. Bytes between frames are skipped."""
    content = bytes(stream)
    view = memoryview(content)
    found = []
    at = 0
    while at + 7 <= len(content):
        length = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
        head = 7 if content[at + 1] & 1 else 9
        if content[at] != 0xFF or content[at + 1] & 0xF6 != 0xF0 or length <= head:
            at = _next_sync(content, at + 1)
            continue
        if at + length > len(content):
            break
        found.append(digest(view[at + head : at + length]))
        at += length
    return found


def _next_sync(content: bytes, at: int) -> int:
    found = content.find(b"\xff", at)
    return len(content) if found < 0 else found


def aac_unit(sample: Buffer) -> int:
    """Return the digest of an AAC frame as stored in an MP4 sample."""
    return digest(sample)


# --- comparison ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The comparison of the samples of an MP4 track with the units of the slices. `equal` flags samples whose units are
    all in the slices, and `moved` those whose units are in another order or repeated. `same_stream` is true if so large
    a share is equal that the rest must be damaged or foreign on one side. `absent` contains (first, last) units of the
    slices that are between equal units and not in the MP4."""

    same_stream: bool
    equal: Flags
    moved: Flags
    absent: list[tuple[int, int]] = field(default_factory=list)

    @property
    def to_decode(self) -> Flags:
        """Return the samples that equality does not prove."""
        return ~self.equal | self.moved


def is_same_stream(equal: Flags) -> bool:
    """Return whether enough samples equal those of the slices to prove one coded stream. Two encoders never write a
    hundred equal pictures of a moving page."""
    count = int(equal.sum())
    return bool(len(equal)) and (count >= SAME_STREAM_SHARE * len(equal) or (count >= 100 and 10 * count >= len(equal)))


def judge_units(slice_units: Sequence[int], mp4_samples: Sequence[Sequence[int] | None]) -> Compared:
    """Compare the units of all slices of a recorder with those of each MP4 sample, both in their order."""
    ours = np.fromiter(slice_units, np.uint64, len(slice_units))
    counts = np.fromiter((len(one) if one else 0 for one in mp4_samples), np.int64, len(mp4_samples))
    units = [unit for one in mp4_samples if one for unit in one]
    theirs = np.fromiter(units, np.uint64, len(units))
    owner = np.repeat(np.arange(len(counts)), counts)
    known = np.isin(theirs, ours)
    equal = counts > 0
    np.logical_and.at(equal, owner, known)
    moved = np.zeros(len(counts), np.bool_)
    at, place = _anchors(ours, theirs)
    moved[owner[at[~_rising(place)]]] = True
    moved[owner[_repeated(ours, theirs)]] = True
    same = bool(len(equal)) and float(equal.mean()) >= SAME_STREAM_SHARE
    return Compared(same, equal, moved, _absent(ours, theirs, place) if same else [])


def _anchors(ours: NDArray[np.uint64], theirs: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the units that occur once on both sides: their positions in the MP4 in ascending order, and in the slices.
    Only such units prove an order, because pictures of a still page are often equal byte for byte."""
    one, one_at, one_count = np.unique(ours, return_index=True, return_counts=True)
    other, other_at, other_count = np.unique(theirs, return_index=True, return_counts=True)
    one_at, one = one_at[one_count == 1], one[one_count == 1]
    other_at, other = other_at[other_count == 1], other[other_count == 1]
    _, left, right = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    at, place = other_at[right], one_at[left]
    order = np.argsort(at)
    return at[order].astype(np.int64), place[order].astype(np.int64)


def _repeated(ours: NDArray[np.uint64], theirs: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places where the MP4 repeats units that the slices contain once."""
    one, one_count = np.unique(ours, return_counts=True)
    other, first, other_count = np.unique(theirs, return_index=True, return_counts=True)
    again = other[(other_count > 1) & np.isin(other, one[one_count == 1])]
    places = np.flatnonzero(np.isin(theirs, again))
    return places[~np.isin(places, first)].astype(np.int64)


def _rising(places: NDArray[np.int64]) -> Flags:
    """Flag the numbers of a longest ascending run. The other numbers were moved."""
    kept = np.ones(len(places), np.bool_)
    if (np.diff(places) > 0).all():
        return kept
    ends: list[int] = []
    tails: list[int] = []
    before = np.full(len(places), -1, np.int64)
    for index, place in enumerate(places.tolist()):
        length = bisect_left(ends, place)
        before[index] = tails[length - 1] if length else -1
        ends[length : length + 1] = [place]
        tails[length : length + 1] = [index]
    kept[:] = False
    index = tails[-1]
    while index >= 0:
        kept[index] = True
        index = int(before[index])
    return kept


def _absent(ours: NDArray[np.uint64], theirs: NDArray[np.uint64], place: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the runs of units of the slices that the MP4 lacks between its first and its last unit."""
    if not len(place):
        return []
    first, last = int(place.min()), int(place.max())
    lacking = np.flatnonzero(~np.isin(ours[first : last + 1], theirs)) + first
    if not len(lacking):
        return []
    breaks = np.flatnonzero(np.diff(lacking) > 1)
    begins, ends = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(lacking) - 1]])
    return [(int(lacking[one]), int(lacking[other])) for one, other in zip(begins, ends, strict=True)]
