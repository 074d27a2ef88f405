"""Reads MP4 files: their tables at "structure", key pictures at "content", every byte at "bytes" and "full"."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.media.mp4 import PICTURE, SOUND, Mp4, Samples, Track, Walk, walk_mp4
from service.media.mp4.doubts import doubtful
from service.media.mp4.facts import Flags
from service.media.mp4.keys import (
    Form,
    choose_keys,
    choose_sounds,
    group_begin,
    group_end,
    groups_of,
    in_another_form,
    is_bad_key,
    keys_between,
    reads,
    undecodable_by_keys,
    undecodable_by_sounds,
    with_sounds_by_chance,
)
from service.media.pictures.measures import Look, look_of
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.process import Decoder, DecoderFailed, Decoders, can_decode
from service.verifier.ranges import each
from service.verifier.reading import beside

KEYS_PER_HOUR = 24
SOUND_ROWS = 12
# The largest group of pictures, or stretch of audio, that is decoded at once.
MOST_GROUP_BYTES = 48 * 1024 * 1024
_SOUND_AT_ONCE = 512
_ROUNDS = 6
_HOUR = 3600.0
_OBJECTS_A_BYTE = 1 / 4096


async def read_tables(collected: Collected) -> None:
    """Read the boxes of every MP4 file. Raise `OutsideError`."""

    async def read(file: tuple[str, int]) -> None:
        key, size_bytes = file
        walk = walk_mp4(size_bytes)
        step = _send(walk, None)
        while not isinstance(step, Mp4):
            content = await collected.read(key, *step, Level.STRUCTURE, code="mp4_missing")
            if content is None:
                return
            step = await beside(round(len(content) * _OBJECTS_A_BYTE), _send, walk, content)
        collected.mp4s[key] = step

    files = [one for run in collected.listed.listing.runs for one in run.mp4s.values() if one.size_bytes]
    await each([(one.key, one.size_bytes) for one in files], read)


async def read_doubtful(collected: Collected, decoders: Decoders) -> None:
    """Decode the samples whose position the tables of a file do not prove. Raise `OutsideError`."""
    for key, facts in collected.mp4s.items():
        flagged = doubtful(facts) if facts.fault is None and facts.could_not_read is None else []
        if not any(flags.any() for flags in flagged):
            continue
        if not can_decode():
            text = (
                f"The place of the samples in the MP4 file {key} is uncertain, and without PyAV they cannot be decoded."
            )
            collected.miss(Level.STRUCTURE, "mp4_unread", text, key)
            continue
        async with decoders.one() as decoder:
            await File(collected, decoder, key, facts, Level.STRUCTURE).decode_flagged(flagged)
            collected.usage.cpu_seconds += decoder.cpu_seconds


async def read_keys(collected: Collected, seed: int, decoder: Decoder) -> None:
    """Decode key pictures and some audio of every MP4 file. Raise `OutsideError`."""
    for key, facts in collected.mp4s.items():
        if facts.fault is not None or facts.could_not_read is not None:
            continue
        file = File(collected, decoder, key, facts, Level.CONTENT)
        await file.decode_keys(seed)
        await file.decode_sounds(seed)


@dataclass(slots=True)
class File:
    """One readable MP4 file. Samples that cannot be decoded are recorded in `collected.mp4_undecodable`."""

    collected: Collected
    decoder: Decoder
    key: str
    facts: Mp4
    level: Level
    held: tuple[int, bytes] = (0, b"")

    async def decode_keys(self, seed: int) -> None:
        """Decode key pictures of equal stretches, then bisect between bad and good ones."""
        track = self.facts.track(PICTURE)
        if track is None or not len(track.samples):
            return
        count = max(2, round(KEYS_PER_HOUR * max(track.seconds / _HOUR, 0.1)))
        bad: dict[int, bool] = {}
        looks: dict[int, Look] = {}
        await self._judge_keys(track, choose_keys(track.samples, seed, count), bad, looks)
        for _ in range(_ROUNDS):
            more = [index for index in keys_between(track.samples, bad) if index not in bad]
            if not more:
                break
            await self._judge_keys(track, more, bad, looks)
        self.lose(PICTURE, undecodable_by_keys(track.samples, bad))
        self.collected.mp4_looks[self.key] = _stretches(track, looks)

    async def decode_sounds(self, seed: int) -> None:
        """Decode short runs of audio frames, one run in each of equal stretches."""
        track = self.facts.track(SOUND)
        if track is None or not len(track.samples):
            return
        chosen = choose_sounds(track.samples, seed, SOUND_ROWS)
        rows = np.split(np.array(chosen), np.flatnonzero(np.diff(chosen) > 1) + 1)
        bad: dict[int, bool] = {}
        for row in rows:
            answer = await self._sounds(track, row.tolist())
            if answer is None:
                return
            bad |= {index: state == "none" for index, state in zip(row.tolist(), answer["states"], strict=True)}
        self.lose(SOUND, undecodable_by_sounds(track.samples, bad))

    async def decode_flagged(self, flagged: Sequence[Flags]) -> None:
        """Decode the flagged samples of each track, and record those that do not decode cleanly."""
        for track, flags in zip(self.facts.tracks, flagged, strict=True):
            if track is self.facts.track(PICTURE) and flags.any():
                await self._decode_pictures(track, flags)
            elif track is self.facts.track(SOUND) and flags.any():
                await self._decode_sound(track, flags)

    async def _judge_keys(
        self, track: Track, indexes: Sequence[int], bad: dict[int, bool], looks: dict[int, Look]
    ) -> None:
        for index in indexes:
            sample = await self.read_samples(track.samples, [index])
            if sample is None:
                return
            answer = await self.run("mp4_keys", track, sample)
            if answer is None:
                return
            facts = answer["pictures"][0]
            judged = is_bad_key(facts, sample[0], track.length_size)
            if judged is not None:
                bad[index] = judged
            if judged is False and "mean" in facts:
                looks[index] = look_of(facts)

    async def _decode_pictures(self, track: Track, flags: Flags) -> None:
        lost = np.zeros(len(track.samples), np.bool_)
        for first, end in groups_of(track.samples, flags):
            begin = group_begin(track.samples, first - 1) if first else 0
            samples = await self.read_samples(track.samples, range(begin, end))
            answer = None if samples is None else await self.run("mp4_group", track, samples)
            if answer is None:
                return
            states = answer["states"][first - begin :]
            lost[first:end] = [state != "clean" for state in states]
            if self._decided(track, lost):
                break
        self.lose(PICTURE, lost)

    async def _decode_sound(self, track: Track, flags: Flags) -> None:
        lost = np.zeros(len(track.samples), np.bool_)
        usual: set[Form] = set()
        # The form of undamaged samples is usual, whatever the configuration states.
        undamaged = np.flatnonzero(~flags)[:_SOUND_AT_ONCE]
        if len(undamaged):
            answer = await self._sounds(track, undamaged.tolist())
            if answer is None:
                return
            usual = {form for form in _forms(answer) if form is not None}
        rows = np.unique(np.flatnonzero(flags) // _SOUND_AT_ONCE).tolist()
        for row in rows:
            first, end = row * _SOUND_AT_ONCE, min((row + 1) * _SOUND_AT_ONCE, len(track.samples))
            answer = await self._sounds(track, range(first, end))
            if answer is None:
                return
            lost[first:end] |= flags[first:end] & [state == "none" for state in answer["states"]]
            if usual:
                changed = in_another_form(_forms(answer), usual)
                lost[first:end] |= changed
                # A player continues with the current form of its decoder.
                lost[end:] |= bool(changed[-1])
            if self._decided(track, lost):
                break
        self.lose(SOUND, with_sounds_by_chance(lost, flags))

    async def _sounds(self, track: Track, indexes: Sequence[int]) -> dict[str, Any] | None:
        samples = await self.read_samples(track.samples, indexes)
        return None if samples is None else await self.run("mp4_sound", track, samples)

    def lose(self, handler: str, lost: Flags) -> None:
        """Record samples of the track of this kind that a viewer loses."""
        of_file = self.collected.mp4_undecodable.setdefault(self.key, {})
        of_file[handler] = of_file[handler] | lost if handler in of_file else lost

    def _decided(self, track: Track, lost: Flags) -> bool:
        """Return whether so much is lost that the rest need not be decoded."""
        ticks = int(track.samples.duration[lost].sum())
        expected = self.collected.listed.expected
        return ticks > expected.allowed_seconds(track.seconds) * track.timescale

    async def read_samples(self, samples: Samples, indexes: Iterable[int]) -> list[bytes] | None:
        """Return the bytes of samples, which are empty for a sample outside the file. Return None if the file cannot be
        read."""
        spans = reads(samples, list(indexes), self.facts.size_bytes)
        inside = [(offset, offset + length) for offset, length in spans if length]
        if not inside:
            return [b"" for _ in spans]
        first, last = min(begin for begin, _ in inside), max(end for _, end in inside)
        if last - first <= MOST_GROUP_BYTES:
            content = await self._read(first, last)
            if content is None:
                return None
            return [content[offset - first : offset - first + length] if length else b"" for offset, length in spans]
        found = []
        for offset, length in spans:
            content = b""
            if length:
                read = await self.collected.read(self.key, offset, length, self.level, code="mp4_missing")
                if read is None:
                    return None
                content = read
            found.append(content)
        return found

    async def hold(self, first: int, last: int) -> bool:
        """Read a part of the file and keep it for the samples requested next. Return False if it cannot be read."""
        if last - first > MOST_GROUP_BYTES:
            return True
        content = await self._read(first, last)
        self.held = (first, content or b"")
        return content is not None

    async def _read(self, first: int, last: int) -> bytes | None:
        begin, kept = self.held
        if begin <= first and last <= begin + len(kept):
            return kept[first - begin : last - begin]
        return await self.collected.read(self.key, first, last - first, self.level, code="mp4_missing")

    async def run(
        self, job: str, track: Track, samples: Sequence[bytes], *, before: bytes = b"", **asked: Any
    ) -> dict[str, Any] | None:
        """Run a job on samples. `before` contains the bytes in front of the samples. If the decoder fails, record this
        and return None."""
        config = base64.b64encode(track.config).decode()
        reason = ""
        for _ in range(2):
            try:
                sizes = [len(sample) for sample in samples]
                content = b"".join([before, *samples])
                facts, _ = await self.decoder.run(job, content, config=config, sizes=sizes, **asked)
                return facts
            except DecoderFailed as error:
                reason = str(error)
        text = f"The decoder gave up on the MP4 file {self.key}: {reason}."
        self.collected.miss(self.level, "decoder_gave_up", text, self.key)
        return None


def _stretches(track: Track, looks: dict[int, Look]) -> list[tuple[float, Look]]:
    """Return the duration of each key picture's group, with the kind of picture."""
    found = []
    for index, look in looks.items():
        end = group_end(track.samples, index)
        ticks = int(track.samples.duration[index:end].sum())
        found.append((ticks / track.timescale if track.timescale else 0.0, look))
    return found


def _forms(answer: dict[str, Any]) -> list[Form | None]:
    """Return the form of each decoded audio frame."""
    return [None if form is None else (form[0], form[1]) for form in answer["forms"]]


def _send(walk: Walk, content: bytes | None) -> tuple[int, int] | Mp4:
    """Return the walk's next range, or its result."""
    try:
        return next(walk) if content is None else walk.send(content)
    except StopIteration as done:
        found: Mp4 = done.value
        return found
