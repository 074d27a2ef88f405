"""Decodes consecutive slices, each with the earlier pictures that it depends on."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from service.media.pictures.measures import read_sample
from service.media.pieces import Piece
from service.media.ts.slices import SliceFacts, from_plain
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.gallery import Gallery
from service.verifier.decoding.process import Decoder, DecoderFailed
from service.verifier.structure import known_sets, known_streams

# The maximum number of slices that are decoded as the context of a slice that begins without a key picture.
MOST_CONTEXT = 24
_BATCH = 8

Read = Callable[[int], Awaitable[bytes | None]]


def batches(pieces: Sequence[Piece], facts: dict[int, SliceFacts]) -> list[list[int]]:
    """Return the non-empty slices in runs that can be decoded separately. Each run begins with a slice that needs
    little context."""
    rows: list[list[int]] = []
    for index, piece in enumerate(pieces):
        if not piece.size_bytes:
            continue
        follows = rows and rows[-1][-1] == index - 1 and pieces[index - 1].run == piece.run
        one = facts.get(index)
        easy = one is not None and (one.alone or (one.key and len(context_of(pieces, facts, index)) <= 1))
        if follows and not (easy and len(rows[-1]) >= _BATCH):
            rows[-1].append(index)
        else:
            rows.append([index])
    return rows


def context_of(pieces: Sequence[Piece], facts: dict[int, SliceFacts], index: int) -> list[int]:
    """Return the slices to decode before this slice, back to the last one that begins with a key picture."""
    one = facts.get(index)
    if one is None or one.alone:
        return []
    found: list[int] = []
    for other in range(index - 1, max(-1, index - 1 - MOST_CONTEXT), -1):
        if pieces[other].run != pieces[index].run or not pieces[other].size_bytes:
            break
        found.insert(0, other)
        if other in facts and facts[other].key:
            break
    return found


def take_units(collected: Collected, index: int, facts: dict[str, Any]) -> None:
    """Store the digests of a slice's coded pictures and audio frames, if requested."""
    if "units" in facts:
        pictures, sounds = facts["units"]
        collected.units[index] = pictures, sounds


class Row:
    """Decodes one run of slices. Facts are added to `collected`, and pictures to `gallery`."""

    def __init__(
        self,
        collected: Collected,
        decoder: Decoder,
        gallery: Gallery,
        level: Level,
        read: Read,
        *,
        units: bool = False,
    ) -> None:
        self._units = units
        self._collected = collected
        self._decoder = decoder
        self._gallery = gallery
        self._level = level
        self._read = read
        self._reason = ""
        self._contents: dict[int, tuple[SliceFacts, bytes, bytes]] = {}

    async def decode(self, indexes: Sequence[int]) -> None:
        """Decode consecutive slices. A slice on which the decoder fails twice is recorded as unread."""
        left = list(indexes)
        failed: set[int] = set()
        while left:
            stuck = await self._from(left)
            if stuck is None:
                return
            left = left[left.index(stuck) :]
            if stuck in failed:
                key = self._collected.listed.pieces[stuck].key
                self._collected.miss(
                    self._level, "decoder_gave_up", f"The decoder gave up on {key}: {self._reason}.", key
                )
                left = left[1:]
            failed.add(stuck)

    async def _from(self, indexes: list[int]) -> int | None:
        """Decode these slices. Return the slice on which the decoder failed, or None."""
        begins = True
        pieces, facts = self._collected.listed.pieces, self._collected.slices
        for index in context_of(pieces, facts, indexes[0]):
            content = await self._read(index)
            if content is None:
                begins = True
                continue
            answer = await self._run(index, content, begins=begins, ends=False, context=True)
            begins = answer is None
        for index, following in zip(indexes, [*indexes[1:], None], strict=True):
            content = await self._read(index)
            if content is None:
                begins = True
                continue
            ends = following is None or self._alone(following)
            answer = await self._run(index, content, begins=begins, ends=ends, context=False)
            if answer is None:
                return index
            begins = ends
        return None

    def _alone(self, index: int) -> bool:
        facts = self._collected.slices.get(index)
        return facts is None or facts.alone

    async def _run(self, index: int, content: bytes, *, begins: bool, ends: bool, context: bool) -> bool | None:
        known = [[stream.pid, stream.type] for stream in known_streams(self._collected, index)]
        try:
            facts, small = await self._decoder.run(
                "whole",
                content,
                seconds=self._collected.listed.pieces[index].seconds,
                keep=not ends,
                known=known,
                sets=known_sets(self._collected, index),
                begins=begins,
                ends=ends,
                context=context,
                units=self._units and not context,
            )
        except DecoderFailed as error:
            self._reason = str(error)
            return None
        if context:
            return True
        take_units(self._collected, index, facts)
        # Losses found at a lower level also apply here.
        scanned = from_plain(facts["slice"]).with_losses_of(self._collected.slices.get(index))
        self._contents[index] = (scanned, small, content[:524_288])
        if "before" in facts:
            self._take(index - 1, facts["before"])
        if "own" in facts:
            self._take(index, facts["own"])
        return True

    def _take(self, index: int, facts: dict[str, Any]) -> None:
        found = self._contents.pop(index, None)
        if found is None:
            return
        scanned, small, content = found
        sample = read_sample(facts)
        self._collected.samples[index] = sample
        self._collected.slices[index] = scanned.with_lost(
            [(begin, end) for begin, end in facts["lost"]],
            [(begin, end) for begin, end in facts["sound_lost"]],
            unfinished=bool(facts["unfinished"]),
        )
        self._gallery.show(index, sample, small, content, known_sets(self._collected, index))
