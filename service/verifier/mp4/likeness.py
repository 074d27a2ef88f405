"""Compares the pictures and audio of an MP4 file with the slices at the same time. A file of another recording has
valid tables and decodes, so only its contents show the difference.

Pictures and audio are compared after decoding, with tolerance for an encoder's noise, because Agora does not document
whether the file contains the slices' own coded stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from service.media.mp4 import PICTURE, SOUND, Track
from service.media.mp4.boxes import Ints
from service.media.mp4.keys import group_begin, reads
from service.media.pictures.measures import Look
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.process import Decoder
from service.verifier.mp4.files import File
from service.verifier.mp4.stretches import Stretch, stretches_of
from service.verifier.structure import known_sets

BEGINNING_BYTES = 262_144
# The largest difference between the clocks of file and slices.
WINDOW_SECONDS = 1.5
# The length of a slice's audio that is searched for in the file.
SOUND_SECONDS = 1.2
MOST_PLACES = 5
# The other places are read only if a track matches the slices at none of the first places.
FIRST_PLACES = 2
# A track is foreign if it differs at this many places, or at all places of a shorter recording, and matches at none.
LEAST_PLACES = 3
# The largest share of a picture that may differ: a clock, a pointer, a moving line.
MOST_APART = 0.1
# The minimum correlation of equal audio. Unrelated audio reaches 0.1, and that of two speakers 0.3.
LEAST_ALIKE = 0.5


async def compare_with_slices(collected: Collected, seed: int, decoder: Decoder) -> None:
    """Record the tracks of every MP4 file that do not match the slices. Raise `OutsideError`."""
    for number, _ in enumerate(collected.listed.listing.runs):
        by_file: dict[str, list[Stretch]] = {}
        for one in stretches_of(collected, number):
            by_file.setdefault(one.key, []).append(one)
        for key, stretches in by_file.items():
            facts = stretches[0].facts
            compared = _Compared(collected, File(collected, decoder, key, facts, Level.CONTENT))
            for handler in await compared.other_tracks(_places(collected, stretches, seed)):
                track = facts.track(handler)
                assert track is not None
                collected.note_other(key, handler, np.ones(len(track.samples), np.bool_))


def _places(collected: Collected, stretches: Sequence[Stretch], seed: int) -> list[Stretch]:
    """Return the slices to compare, in order. Each begins with a picture that is not blank."""
    samples, slices = collected.samples, collected.slices
    found = [
        one
        for one in stretches
        if (facts := slices.get(one.piece)) is not None
        and facts.key
        and (one.piece not in samples or samples[one.piece].look is Look.FINE)
    ]
    seen = [one for one in found if one.piece in samples]
    found = seen if len(seen) >= MOST_PLACES else found
    return Random(seed).sample(found, min(len(found), MOST_PLACES))  # noqa: S311 - no secret


@dataclass(slots=True)
class _Alike:
    """The numbers of places at which a track was compared and at which it matched the slices."""

    compared: int = 0
    same: int = 0

    def count(self, *, alike: bool | None) -> None:
        self.compared += alike is not None
        self.same += bool(alike)

    @property
    def suspect(self) -> bool:
        return self.compared > 0 and not self.same


@dataclass(frozen=True, slots=True)
class _Compared:
    """The comparison of one MP4 file with the slices."""

    collected: Collected
    file: File

    async def other_tracks(self, places: Sequence[Stretch]) -> list[str]:
        """Return the tracks (by handler) that match the slices at none of the places. If the first places show no
        suspicion, the other places are not read."""
        tracks = {PICTURE: _Alike(), SOUND: _Alike()}
        for number, one in enumerate(places, start=1):
            piece = self.collected.listed.pieces[one.piece]
            content = await self.collected.read(piece.key, 0, min(piece.size_bytes, BEGINNING_BYTES), Level.CONTENT)
            pictures, sounds = self._near_pictures(one), self._near_sounds(one)
            if content is None or not await self._hold(one, pictures, sounds):
                continue
            tracks[PICTURE].count(alike=await self._shows_the_same(one, content, pictures))
            tracks[SOUND].count(alike=await self._plays_the_same(content, sounds))
            if number >= FIRST_PLACES and not any(each.suspect for each in tracks.values()):
                break
        least = min(LEAST_PLACES, len(places))
        return [handler for handler, each in tracks.items() if each.suspect and each.compared >= least]

    async def _hold(self, one: Stretch, pictures: range, sounds: Ints) -> bool:
        """Read the part of the file with these samples at once, because pictures and audio are interleaved."""
        ends = []
        for handler, indexes in ((PICTURE, pictures), (SOUND, sounds)):
            track = self.file.facts.track(handler)
            if track is not None and len(indexes):
                spans = reads(track.samples, list(indexes), self.file.facts.size_bytes)
                ends += [(begin, begin + length) for begin, length in spans if length]
        return bool(ends) and await self.file.hold(min(begin for begin, _ in ends), max(end for _, end in ends))

    def _near_pictures(self, one: Stretch) -> range:
        """Return the pictures near the first picture of a slice, beginning with the key picture that they depend on."""
        video = self.collected.slices[one.piece].video
        if video is None or video.first_key is None:
            return range(0)
        near = _near(one, one.track, one.track.shown, video.first_key, 0.0)
        return range(group_begin(one.track.samples, int(near[0])), int(near[-1]) + 1) if len(near) else range(0)

    def _near_sounds(self, one: Stretch) -> Ints:
        track = self.file.facts.track(SOUND)
        if track is None or not track.timescale:
            return np.zeros(0, np.int64)
        return _near(one, track, track.samples.decode, 0.0, SOUND_SECONDS)

    async def _shows_the_same(self, one: Stretch, content: bytes, pictures: range) -> bool | None:
        """Return whether the file shows the first picture of a slice at about its time, or None if unknown."""
        samples = await self.file.read_samples(one.track.samples, pictures) if pictures else None
        if samples is None:
            return None
        video = self.collected.slices[one.piece].video
        assert video is not None
        first = int(_near(one, one.track, one.track.shown, video.first_key or 0.0, 0.0)[0])
        asked = {"sets": known_sets(self.collected, one.piece), "skipped": first - pictures.start}
        answer = await self.file.run("mp4_likeness", one.track, samples, before=content, begins=len(content), **asked)
        return None if answer is None or answer["apart"] is None else answer["apart"] <= MOST_APART

    async def _plays_the_same(self, content: bytes, sounds: Ints) -> bool | None:
        """Return whether the file plays the audio of a slice's beginning at about its time, or None if unknown."""
        track = self.file.facts.track(SOUND)
        if track is None or not len(sounds):
            return None
        samples = await self.file.read_samples(track.samples, sounds.tolist())
        if samples is None:
            return None
        answer = await self.file.run("mp4_sound_likeness", track, samples, before=content, begins=len(content))
        return None if answer is None or answer["alike"] is None else answer["alike"] >= LEAST_ALIKE


def _near(one: Stretch, track: Track, times: Ints, after: float, lasts: float) -> Ints:
    """Return the indexes of samples in or near the stretch that begins `after` seconds after a slice's beginning and
    lasts `lasts` seconds."""
    begins = int(one.track.samples.decode[one.samples[0]]) / one.track.timescale + after
    first, last = begins - WINDOW_SECONDS, begins + lasts + WINDOW_SECONDS
    return np.flatnonzero((times >= first * track.timescale) & (times <= last * track.timescale))
