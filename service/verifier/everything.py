"""Implements levels "bytes" and "full". Both read, hash and scan every byte of every object once; "full" also decodes
every picture and audio frame of the slices."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from service.media.ts.slices import from_plain
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.gallery import Gallery, Shown
from service.verifier.decoding.process import Decoder, DecoderFailed, Decoders
from service.verifier.decoding.slices import Row, batches, take_units
from service.verifier.ranges import each
from service.verifier.structure import MOST_SLICE_BYTES, known_streams

Work = Callable[[list[list[int]]], Awaitable[None]]

_SCANNED_AT_ONCE = 4
# The digests of one hour take 2 MB.
_COMPARED_SECONDS = 48 * 3600.0


async def read_bytes(collected: Collected, decoders: Decoders, decoder: Decoder) -> None:
    """Read and scan every slice with `decoder` and all other decoders that are currently available. Raise
    `OutsideError`."""
    indexes = [index for index, piece in enumerate(collected.listed.pieces) if piece.size_bytes]
    rows = [indexes[start : start + _SCANNED_AT_ONCE] for start in range(0, len(indexes), _SCANNED_AT_ONCE)]

    async def decode(index: int, content: bytes, decoder: Decoder) -> None:
        async def read(other: int) -> bytes | None:
            return content if other == index else await read_object(collected, other, Level.BYTES)

        await Row(collected, decoder, Gallery(), Level.BYTES, read).decode([index])

    async def scan(rows: list[list[int]], decoder: Decoder) -> None:
        while rows:
            await decoder.rest(collected.pace.due_seconds())
            for index in rows.pop(0) if rows else ():
                content = await read_object(collected, index, Level.BYTES)
                if content is None:
                    continue
                known = [[stream.pid, stream.type] for stream in known_streams(collected, index)]
                try:
                    facts, _ = await decoder.run("scan", content, known=known, units=compares(collected))
                except DecoderFailed as error:
                    key = collected.listed.pieces[index].key
                    collected.miss(Level.BYTES, "decoder_gave_up", f"{key} could not be scanned: {error}.", key)
                    continue
                take_units(collected, index, facts)
                before = collected.slices.get(index)
                collected.slices[index] = from_plain(facts["slice"]).with_losses_of(before)
                if facts["zeroed"]:
                    # Only a decoder distinguishes zeros in place of a picture from padding after it.
                    await decode(index, content, decoder)

    own = iter([decoder])

    async def work(rows: list[list[int]]) -> None:
        if (first := next(own, None)) is not None:
            await scan(rows, first)
            return
        # The holder of a slot must not wait for another slot, because two verifications would then deadlock.
        if decoders.spare:
            async with decoders.one() as other:
                await scan(rows, other)
                collected.usage.cpu_seconds += other.cpu_seconds

    await _side_by_side(decoders, rows, work)


async def read_everything(collected: Collected, decoders: Decoders) -> Shown:
    """Read, scan and decode every slice. Raise `OutsideError`."""
    gallery = Gallery()
    rows = batches(collected.listed.pieces, collected.slices)
    gallery.expect([index for row in rows for index in row])

    async def read(index: int) -> bytes | None:
        return await read_object(collected, index, Level.FULL)

    async def decode(rows: list[list[int]]) -> None:
        async with decoders.one() as decoder:
            while rows:
                await decoder.rest(collected.pace.due_seconds())
                if not rows:
                    break
                row = Row(collected, decoder, gallery, Level.FULL, read, units=compares(collected))
                await row.decode(rows.pop(0))
            collected.usage.cpu_seconds += decoder.cpu_seconds

    await _side_by_side(decoders, rows, decode)
    async with decoders.one() as decoder:
        return Shown(len(collected.samples), await gallery.hang(decoder))


def compares(collected: Collected) -> bool:
    """Return whether the coded units of slices are kept for comparison with those of MP4 files."""
    seconds = sum(piece.seconds for piece in collected.listed.pieces)
    return bool(collected.mp4s) and seconds <= _COMPARED_SECONDS


async def read_object(collected: Collected, index: int, level: Level) -> bytes | None:
    """Return all bytes of a slice and record their hash."""
    piece = collected.listed.pieces[index]
    if piece.size_bytes > MOST_SLICE_BYTES:
        collected.miss(level, "object_unread", f"{piece.key} is too large to be read.", piece.key)
        return None
    fetched = await collected.fetch(piece.key, MOST_SLICE_BYTES, level)
    if fetched is None:
        return None
    collected.pace.took(len(fetched.content))
    collected.digests[piece.key] = await asyncio.to_thread(_digest, fetched.content)
    if fetched.checksum is not None:
        collected.checksums[piece.key] = fetched.checksum
    return fetched.content


async def _side_by_side(decoders: Decoders, rows: list[list[int]], work: Work) -> None:
    """Process the runs with as many workers as decoders may run. The first error ends all workers and is raised."""
    await each([rows] * min(decoders.most, len(rows)), work, at_once=decoders.most)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
