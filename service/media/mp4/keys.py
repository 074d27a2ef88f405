"""Selects the samples of an MP4 file to read and decode, and derives the state of the other samples."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from service.media.mp4.facts import Flags, Samples, Track
from service.media.sampling import to_bisect
from service.media.ts.units import is_zeroed

Form = tuple[int, int]

# The longest run of audio frames that may decode by chance although the bytes belong to something else.
_MOST_BY_CHANCE = 12


def choose_keys(samples: Samples, seed: int, count: int) -> list[int]:
    """Return the indexes of at most `count` sync samples, one from each of equal stretches of time, including the first
    and the last stretch. The seed selects the sample within its stretch."""
    keys = key_samples(samples)
    if len(keys) <= count:
        return keys
    if count < 3:
        return [keys[0], keys[-1]][:count]
    inner, at = keys[1:-1], samples.decode[keys]
    edges = int(at[0]) + (int(at[-1]) - int(at[0]) + 1) * np.arange(count - 1) // (count - 2)
    bounds = np.searchsorted(at[1:-1], edges).tolist()
    chosen = [begin + (seed + number * 7919) % (end - begin) for number, (begin, end) in _filled(bounds)]
    return [keys[0], *(inner[index] for index in chosen), keys[-1]]


def _filled(bounds: list[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Return the non-empty stretches between bounds, numbered."""
    return ((number, pair) for number, pair in enumerate(pairwise(bounds)) if pair[0] < pair[1])


def key_samples(samples: Samples) -> list[int]:
    """Return the indexes of all sync samples that have a position in the file."""
    keys: list[int] = np.flatnonzero(samples.sync & (samples.offset >= 0) & (samples.size > 0)).tolist()
    return keys


def keys_between(samples: Samples, bad: Mapping[int, bool]) -> list[int]:
    """Return the sync samples to decode next to find the beginning and the end of a bad stretch."""
    ordinals = {index: number for number, index in enumerate(key_samples(samples))}
    keys = list(ordinals)
    return [keys[number] for number in to_bisect({ordinals[index]: bad[index] for index in bad if index in ordinals})]


def is_bad_key(facts: Mapping[str, Any], sample: bytes, length_size: int) -> bool | None:
    """Evaluate the decoder's result for a sync sample. None means that the sample is intact and only its sync mark is
    wrong, which does not affect a viewer who plays from the beginning."""
    if facts.get("state") == "clean":
        return False
    stands_alone = bool(facts.get("idr")) or is_zeroed(sample, length_size)
    return True if stands_alone else None


def undecodable_by_keys(samples: Samples, bad: Mapping[int, bool]) -> Flags:
    """Flag the samples that are lost according to the decoded sync samples: the group of each bad sync sample, and all
    samples between two bad ones with no good one between them."""
    found = np.zeros(len(samples), np.bool_)
    order = sorted(bad)
    for one, other in pairwise(order):
        if bad[one] and bad[other]:
            found[one:other] = True
    for index in order:
        if bad[index]:
            found[index : group_end(samples, index)] = True
    return found


def choose_sounds(samples: Samples, seed: int, count: int, row: int = 4) -> list[int]:
    """Return the indexes of `count` runs of consecutive samples, one run from each of equal stretches, including the
    first and the last run."""
    last = max(0, len(samples) - row)
    bounds = np.linspace(0, last, count + 1).astype(np.int64).tolist()
    begins = {0, last}
    for number, (begin, end) in enumerate(pairwise(bounds)):
        begins.add(begin + (seed + number * 7919) % max(1, end - begin))
    return sorted({at for begin in begins for at in range(begin, min(begin + row, len(samples)))})


def undecodable_by_sounds(samples: Samples, bad: Mapping[int, bool]) -> Flags:
    """Flag the audio frames that are lost according to the decoded ones: the bad frames, and all frames between two bad
    ones with no good one between them."""
    found = np.zeros(len(samples), np.bool_)
    order = sorted(bad)
    for one, other in pairwise(order):
        if bad[one] and bad[other]:
            found[one : other + 1] = True
    found[[index for index in order if bad[index]]] = True
    return found


def in_another_form(forms: Sequence[Form | None], usual: Container[Form]) -> Flags:
    """Flag the audio frames that are not decoded to a usual form (rate and channels). `forms` contains the forms of
    consecutive frames from one decoder, with None if it returned nothing. A form set by a damaged frame remains in
    effect afterwards."""
    found = np.zeros(len(forms), np.bool_)
    before = False
    for index, form in enumerate(forms):
        before = before if form is None else form not in usual
        found[index] = before
    return found


def with_sounds_by_chance(lost: Flags, flagged: Flags) -> Flags:
    """Return the lost audio frames, and the flagged frames of each short run between two lost ones.

    A wrong position contains the bytes of other frames. About half of them decode, but none is the right frame. A
    stretch that is damaged in place has no such runs, because its losses are consecutive.
    """
    at = np.flatnonzero(lost)
    near = np.flatnonzero(np.diff(at) <= _MOST_BY_CHANCE + 1)
    steps = np.zeros(len(lost) + 1, np.int64)
    steps[at[near]] += 1
    steps[at[near + 1]] -= 1
    found: Flags = lost | ((np.cumsum(steps[:-1]) > 0) & flagged)
    return found


def with_true_sync(samples: Samples, intra: Flags) -> Samples:
    """Return the samples without the sync marks of samples that, by their own bytes, depend on others."""
    return replace(samples, sync=samples.sync & intra)


def group_begin(samples: Samples, index: int) -> int:
    """Return the index of the sync sample from which decoding of this sample begins, or 0 if none exists."""
    before = np.flatnonzero(samples.sync[: index + 1])
    return int(before[-1]) if len(before) else 0


def group_end(samples: Samples, index: int) -> int:
    """Return the next sync sample after this index, or the number of samples."""
    after = np.flatnonzero(samples.sync[index + 1 :])
    return index + 1 + int(after[0]) if len(after) else len(samples)


def groups_of(samples: Samples, flagged: Flags) -> list[tuple[int, int]]:
    """Return (first, end) of each group of samples that contains a flagged one, from a sync sample to the next."""
    starts = np.flatnonzero(samples.sync)
    if not len(starts) or starts[0] != 0:
        starts = np.concatenate([[0], starts])
    hit = np.unique(np.searchsorted(starts, np.flatnonzero(flagged), "right") - 1)
    ends = np.append(starts[1:], len(samples))
    return [(int(starts[index]), int(ends[index])) for index in hit]


def reads(samples: Samples, indexes: Sequence[int], file_bytes: int) -> list[tuple[int, int]]:
    """Return (offset, length) of samples in the file; the length is 0 if the file does not contain the sample."""
    return [
        (begin, size if begin >= 0 and begin + size <= file_bytes else 0)
        for begin, size in zip(samples.offset[indexes].tolist(), samples.size[indexes].tolist(), strict=True)
    ]


def parameter_sets(track: Track) -> frozenset[bytes]:
    """Return the parameter sets in the track's `avcC`, or an empty set if it is invalid."""
    config, found, at = track.config, set(), 6
    for mask in (0x1F, 0xFF):
        count = config[at - 1] & mask if at <= len(config) else 0
        for _ in range(count):
            size = int.from_bytes(config[at : at + 2], "big")
            piece = config[at + 2 : at + 2 + size]
            if len(piece) < size or not size:
                return frozenset()
            found.add(piece)
            at += 2 + size
        at += 1
    return frozenset(found)
