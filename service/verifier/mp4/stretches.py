"""Reads and compares the parts of an MP4 file whose size differs much from the slice of the same time.

A difference of sizes only selects what to read, because Agora does not document that it writes one coded stream into
both. Only after another slice has proved this does a slice with other pictures contradict the file.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.media.mp4 import PICTURE, Mp4, Track
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.process import Decoder, DecoderFailed, Decoders, can_decode
from service.verifier.mp4.files import File
from service.verifier.structure import MOST_SLICE_BYTES, known_streams

# A slice that differs less than this from the others has the size that is expected from the file.
_ODD_RATIO = 1.3
_ODD_BYTES = 20_000
_MOST_ODD = 4
_MOST_WITNESSES = 6
_SAME_SHARE = 0.9
_OTHER_SHARE = 0.5
_SAME_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """The pictures of one file during a slice, by their indexes."""

    piece: int
    key: str
    facts: Mp4
    track: Track
    samples: NDArray[np.int64]

    @property
    def size_bytes(self) -> int:
        return int(self.track.samples.size[self.samples].sum())


async def compare_stretches(collected: Collected, decoders: Decoders) -> None:
    """Read and compare the slices whose size does not match the MP4 file. Raise `OutsideError`."""
    if not can_decode():
        return
    for number, _ in enumerate(collected.listed.listing.runs):
        stretches = stretches_of(collected, number)
        odd = _odd(collected, stretches, None)
        usual = [one for one in stretches if one.piece not in {other.piece for other in odd}]
        if not odd or not usual:
            continue
        async with decoders.one() as decoder:
            for one in _witnesses(collected, usual, odd):
                if await _equal_share(collected, decoder, one, mark=False) >= _SAME_SHARE:
                    doubtful = _odd(collected, stretches, one)
                    for other in doubtful[:_MOST_ODD]:
                        await _equal_share(collected, decoder, other, mark=True)
                    break
            collected.usage.cpu_seconds += decoder.cpu_seconds


def _witnesses(collected: Collected, usual: list[Stretch], odd: list[Stretch]) -> list[Stretch]:
    """Return the stretches whose slice may prove one coded stream, the most likely first. They begin with one stretch
    of each group, because the file may have been made from either. Then come those that contain little apart from the
    file's pictures."""
    fitting = [one for one in (*usual, *odd) if _ratio(collected, one) > 1]
    fitting.sort(key=lambda one: _ratio(collected, one))
    chosen = [usual[len(usual) // 2], odd[len(odd) // 2], *fitting]
    return list({one.piece: one for one in chosen}.values())[:_MOST_WITNESSES]


def _ratio(collected: Collected, one: Stretch) -> float:
    """Return the size of the slice relative to the size of the file's pictures during the slice."""
    return collected.listed.pieces[one.piece].size_bytes / max(one.size_bytes, 1)


def stretches_of(collected: Collected, number: int) -> list[Stretch]:
    """Return the part of an MP4 file for each slice of a run, by the summed duration of the slices before it. Return an
    empty list if a file cannot be read, or if the files do not last as long as the slices."""
    run = collected.listed.listing.runs[number]
    pieces = [index for index, piece in enumerate(collected.listed.pieces) if piece.run == number and piece.size_bytes]
    begins = np.cumsum([0.0, *(collected.listed.pieces[index].seconds for index in pieces)])
    found: list[Stretch] = []
    passed = 0.0
    for part in sorted(run.mp4s):
        key = run.mp4s[part].key
        facts = collected.mp4s.get(key)
        track = None if facts is None or facts.fault or facts.could_not_read else facts.track(PICTURE)
        if facts is None or track is None or track.fault is not None or not track.timescale:
            return []
        at = passed + track.samples.decode / track.timescale
        places = np.searchsorted(begins, at + 1e-6, side="right") - 1
        for place, samples in by_place(places):
            if 0 <= place < len(pieces):
                found.append(Stretch(pieces[place], key, facts, track, samples))
        passed += track.seconds
    # If the file is longer or shorter, because of a pause or a missing part, its time is not that of the slices.
    return found if abs(passed - float(begins[-1])) <= _SAME_SECONDS else []


def by_place(places: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Return each distinct place in ascending order with its indexes. This needs one sort for any number of places."""
    order = np.argsort(places, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(places[order])) + 1) if len(order) else []
    return [(int(places[row[0]]), row) for row in rows]


def _odd(collected: Collected, stretches: list[Stretch], witness: Stretch | None) -> list[Stretch]:
    """Return the stretches whose slice is much larger or smaller than expected, the largest deviation first. The
    expected size follows from the witness or, without one, from most stretches."""
    if not stretches:
        return []
    ratios = np.array([_ratio(collected, one) for one in stretches])
    held = np.array([one.size_bytes for one in stretches], np.float64)
    usual = float(np.median(ratios)) if witness is None else _ratio(collected, witness)
    apart = np.abs(np.log(np.maximum(ratios, 1e-9) / max(usual, 1e-9)))
    odd = (apart > math.log(_ODD_RATIO)) & (held * np.abs(ratios - usual) > _ODD_BYTES)
    return [stretches[index] for index in np.argsort(-apart, kind="stable").tolist() if odd[index]]


async def _equal_share(collected: Collected, decoder: Decoder, one: Stretch, *, mark: bool) -> float:
    """Return the share of the file's pictures that are in the slice. If `mark` is true and the other pictures are the
    majority, record them."""
    piece = collected.listed.pieces[one.piece]
    content = await collected.read(piece.key, 0, min(piece.size_bytes, MOST_SLICE_BYTES), Level.STRUCTURE)
    file = File(collected, decoder, one.key, one.facts, Level.STRUCTURE)
    samples = await file.read_samples(one.track.samples, one.samples.tolist())
    if content is None or samples is None:
        return 0.0
    known = [[stream.pid, stream.type] for stream in known_streams(collected, one.piece)]
    sizes = [len(sample) for sample in samples]
    length = one.track.length_size
    try:
        scanned, _ = await decoder.run("scan", content, known=known, units=True)
        theirs, _ = await decoder.run("mp4_units", b"".join(samples), sizes=sizes, picture=True, length=length)
    except DecoderFailed as error:
        collected.miss(Level.STRUCTURE, "decoder_gave_up", f"{one.key} could not be compared: {error}.", one.key)
        return 0.0
    ours = set(scanned["units"][0])
    equal = np.array([bool(units) and set(units) <= ours for units in theirs["units"]], np.bool_)
    share = float(equal.mean()) if len(equal) else 0.0
    if mark and share < _OTHER_SHARE:
        flags = np.zeros(len(one.track.samples), np.bool_)
        flags[one.samples[~equal]] = True
        collected.note_other(one.key, PICTURE, flags)
    return share
