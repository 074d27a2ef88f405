"""Reads every byte of an MP4 file once, hashes it, and compares it with the slices sample by sample.

If many samples equal those of the slices, file and slices contain the same coded stream, and only the other samples are
checked. Otherwise each sample is checked by itself, and "full" decodes every sample.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np

from service.media.mp4 import PICTURE, SOUND, Mp4, Track
from service.media.mp4.facts import Flags
from service.media.ts.units import is_same_stream, judge_units
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.process import Decoder, DecoderFailed
from service.verifier.mp4.files import File

_CHUNK_BYTES = 8 * 1024 * 1024
# The maximum number of bytes kept before each chunk. A larger sample cannot be compared and is decoded.
_KEPT_BYTES = 8 * 1024 * 1024

Unit = list[int] | None


@dataclass(slots=True)
class _Read:
    """The samples read of a file. For each track (by handler) it contains the units of each sample and the zeroed
    samples."""

    units: dict[str, list[Unit]] = field(default_factory=dict)
    zeroed: dict[str, Flags] = field(default_factory=dict)


async def read_mp4_bytes(collected: Collected, decoder: Decoder, level: Level) -> None:
    """Read every MP4 file to its last byte. Raise `OutsideError`."""
    for number, run in enumerate(collected.listed.listing.runs):
        files: list[tuple[str, Mp4, _Read]] = []
        for part in sorted(run.mp4s):
            listed = run.mp4s[part]
            facts = collected.mp4s.get(listed.key)
            read = await _Reader(collected, decoder, listed.key, facts, level).read(listed.size_bytes)
            if read is not None and facts is not None and facts.fault is None and facts.could_not_read is None:
                files.append((listed.key, facts, read))
        for handler in (PICTURE, SOUND):
            await _compare(collected, decoder, number, handler, files, level)


class _Reader:
    """Reads one file from its first byte to its last."""

    def __init__(self, collected: Collected, decoder: Decoder, key: str, facts: Mp4 | None, level: Level) -> None:
        self._collected = collected
        self._decoder = decoder
        self._key = key
        self._level = level
        self._found = _Read()
        self._tracks: dict[str, Track] = {}
        for handler in (PICTURE, SOUND):
            track = None if facts is None else facts.track(handler)
            if track is not None and track.fault is None:
                self._tracks[handler] = track
                self._found.units[handler] = [None] * len(track.samples)
                self._found.zeroed[handler] = np.zeros(len(track.samples), np.bool_)
        # The longest part of a sample that may continue in the next chunk.
        longest = max((int(track.samples.size.max(initial=0)) for track in self._tracks.values()), default=0)
        self._kept_bytes = min(longest, _KEPT_BYTES)

    async def read(self, size_bytes: int) -> _Read | None:
        """Return the facts of all samples. If the file could not be read to its end, record this and return None."""
        digest = hashlib.sha256()
        before = b""
        async for at, content in _chunks(self._collected, self._key, size_bytes, self._level):
            await asyncio.to_thread(digest.update, content)
            window = before + content
            for handler in self._tracks:
                if not await self._measure(handler, window, at - len(before), at):
                    return None
            before = window[max(0, len(window) - self._kept_bytes) :]
            self._collected.pace.took(len(content))
            await self._decoder.rest(self._collected.pace.due_seconds())
        if any(one.key == self._key for one in self._collected.unread) or self._key in self._collected.gone:
            return None
        self._collected.digests[self._key] = digest.hexdigest()
        return self._found

    async def _measure(self, handler: str, window: bytes, begin: int, read_from: int) -> bool:
        """Measure the samples in the window, which begins at `begin`, that end after `read_from`. Return False if the
        decoder fails."""
        track = self._tracks[handler]
        ends = track.samples.offset + track.samples.size
        held = (track.samples.offset >= begin) & (ends > read_from) & (ends <= begin + len(window))
        indexes = np.flatnonzero(held)
        if not len(indexes):
            return True
        offsets, sizes = track.samples.offset[indexes].tolist(), track.samples.size[indexes].tolist()
        content = b"".join(window[at - begin : at - begin + size] for at, size in zip(offsets, sizes, strict=True))
        asked = {"sizes": sizes, "picture": handler == PICTURE, "length": track.length_size}
        try:
            facts, _ = await self._decoder.run("mp4_units", content, **asked)
        except DecoderFailed as error:
            text = f"{self._key} could not be scanned: {error}."
            self._collected.miss(self._level, "decoder_gave_up", text, self._key)
            return False
        for index, units in zip(indexes.tolist(), facts["units"], strict=True):
            self._found.units[handler][index] = units
        self._found.zeroed[handler][indexes] = facts["zeroed"]
        return True


async def _chunks(collected: Collected, key: str, size_bytes: int, level: Level) -> AsyncIterator[tuple[int, bytes]]:
    for at in range(0, size_bytes, _CHUNK_BYTES):
        content = await collected.read(key, at, min(_CHUNK_BYTES, size_bytes - at), level, code="mp4_missing")
        if content is None:
            return
        yield at, content


async def _compare(
    collected: Collected, decoder: Decoder, run: int, handler: str, files: list[tuple[str, Mp4, _Read]], level: Level
) -> None:
    """Compare one kind of samples of all files of a run with its slices, and decode those that differ."""
    ours: list[int] = []
    complete = True
    for index, piece in enumerate(collected.listed.pieces):
        if piece.run == run and piece.size_bytes:
            units = collected.units.get(index)
            complete = complete and units is not None
            ours += units[handler == SOUND] if units is not None else []
    held = [(key, facts, read) for key, facts, read in files if handler in read.units]
    theirs = [units for _, _, read in held for units in read.units[handler]]
    if not theirs:
        return
    compared = await asyncio.to_thread(judge_units, ours, theirs)
    at = 0
    for key, facts, read in held:
        count = len(read.units[handler])
        differs, moved = compared.to_decode[at : at + count], compared.moved[at : at + count]
        at += count
        same = complete and is_same_stream(compared.equal)
        file = File(collected, decoder, key, facts, level)
        if same:
            file.lose(handler, moved)
            collected.note_other(key, handler, differs)
        flags = differs if same or level is Level.FULL else read.zeroed[handler]
        track = facts.track(handler)
        nothing = {id(one): np.zeros(len(one.samples), np.bool_) for one in facts.tracks}
        await file.decode_flagged([flags if one is track else nothing[id(one)] for one in facts.tracks])
