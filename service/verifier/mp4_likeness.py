"""Compares what an MP4 file shows and plays with the slices at the same time: a file of another recording has sound
tables and decodes, and only what it shows is wrong.

Pictures and sounds are compared as they are seen and heard, with room for an encoder's noise, because Agora has not
published whether the file holds the slices' own coded stream.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from service.media.mp4 import PICTURE, SOUND, Track
from service.media.mp4.boxes import Ints
from service.media.mp4.keys import group_begin
from service.media.pictures import Look
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoder import Decoder
from service.verifier.mp4 import File
from service.verifier.mp4_stretches import Stretch, stretches_of
from service.verifier.structure import known_sets

BEGINNING_BYTES = 262_144
# The clocks of file and slices may differ by so much.
WINDOW_SECONDS = 1.5
# So much sound of a slice is looked for in the file.
SOUND_SECONDS = 1.2
MOST_PLACES = 5
# A file that is like the slices at two places is theirs. It is not where it differs everywhere.
ALIKE_PLACES = 2
LEAST_PLACES = 3
# Up to so much of a picture may differ: a clock, a pointer, a line that moves.
MOST_APART = 0.1
# How well a sound is found again; two sounds that have nothing in common come to 0.1, those of two speakers to 0.3.
LEAST_ALIKE = 0.5

Alike = Callable[[Stretch], Awaitable[bool | None]]


async def compare_with_slices(collected: Collected, seed: int, decoder: Decoder) -> None:
    """Note the tracks of every MP4 file that are not what the slices show or play. Raises `OutsideError`."""
    for number, _ in enumerate(collected.listed.listing.runs):
        by_file: dict[str, list[Stretch]] = {}
        for one in stretches_of(collected, number):
            by_file.setdefault(one.key, []).append(one)
        for key, stretches in by_file.items():
            places = _places(collected, stretches, seed)
            facts = stretches[0].facts
            compared = _Compared(collected, File(collected, decoder, key, facts, Level.CONTENT))
            for handler, alike in ((PICTURE, compared.shows_the_same), (SOUND, compared.plays_the_same)):
                track = facts.track(handler)
                if track is not None and await _differs_everywhere(places, alike):
                    collected.note_other(key, handler, np.ones(len(track.samples), np.bool_))


def _places(collected: Collected, stretches: Sequence[Stretch], seed: int) -> list[Stretch]:
    """The slices to compare, in the order of comparing: those that begin with a picture of something."""
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


async def _differs_everywhere(places: Sequence[Stretch], alike: Alike) -> bool:
    """Whether file and slices are alike at none of the places. A place where this is not known counts for nothing."""
    same = compared = 0
    for one in places:
        found = await alike(one)
        compared += found is not None
        same += bool(found)
        if same >= ALIKE_PLACES:
            return False
    return not same and compared >= min(LEAST_PLACES, len(places)) > 0


@dataclass(frozen=True, slots=True)
class _Compared:
    """One MP4 file beside the slices."""

    collected: Collected
    file: File

    async def shows_the_same(self, one: Stretch) -> bool | None:
        """Whether the file shows the first picture of a slice at about its time; None where this is not known."""
        video = self.collected.slices[one.piece].video
        if video is None or video.first_key is None:
            return None
        track, samples = one.track, one.track.samples
        near = _near(one, track, track.shown, video.first_key, 0.0)
        content = await self._beginning(one)
        if not len(near) or content is None:
            return None
        first, last = int(near[0]), int(near[-1])
        begin = group_begin(samples, first)
        read = await self.file.read_samples(samples, range(begin, last + 1))
        if read is None:
            return None
        asked = {"begins": len(content), "sets": known_sets(self.collected, one.piece), "skipped": first - begin}
        answer = await self.file.run("mp4_likeness", track, read, before=content, **asked)
        return None if answer is None or answer["apart"] is None else answer["apart"] <= MOST_APART

    async def plays_the_same(self, one: Stretch) -> bool | None:
        """Whether the file plays the sound of a slice's beginning at about its time; None where this is not known."""
        track = self.file.facts.track(SOUND)
        if track is None or not track.timescale:
            return None
        near = _near(one, track, track.samples.decode, 0.0, SOUND_SECONDS)
        content = await self._beginning(one)
        if not len(near) or content is None:
            return None
        read = await self.file.read_samples(track.samples, near.tolist())
        if read is None:
            return None
        answer = await self.file.run("mp4_sound_likeness", track, read, before=content, begins=len(content))
        return None if answer is None or answer["alike"] is None else answer["alike"] >= LEAST_ALIKE

    async def _beginning(self, one: Stretch) -> bytes | None:
        piece = self.collected.listed.pieces[one.piece]
        return await self.collected.read(piece.key, 0, min(piece.size_bytes, BEGINNING_BYTES), Level.CONTENT)


def _near(one: Stretch, track: Track, times: Ints, after: float, lasts: float) -> Ints:
    """The indexes of samples of the file about the instant `after` seconds from a slice's beginning on."""
    begins = int(one.track.samples.decode[one.samples[0]]) / one.track.timescale + after
    first, last = begins - WINDOW_SECONDS, begins + lasts + WINDOW_SECONDS
    return np.flatnonzero((times >= first * track.timescale) & (times <= last * track.timescale))
