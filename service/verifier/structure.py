"""Implements level "structure": reads the beginning and the end of every slice, and all bytes of slices that seem
damaged."""

from service.media.continuity import must_follow
from service.media.pieces import Piece
from service.media.ts.packets import read_packets
from service.media.ts.rows import PACKET
from service.media.ts.slices import SliceFacts, read_ends, read_whole
from service.media.ts.tables import Stream
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.ranges import each
from service.verifier.reading import beside, counted

HEAD_BYTES = 22 * PACKET
# A second of audio is stored in blocks of up to half a second, between the pictures of that time.
LEAST_TAIL_BYTES = 170 * PACKET
MOST_TAIL_BYTES = 340 * PACKET
FURTHER_BYTES = 1360 * PACKET
TAIL_SECONDS = 0.8
# Agora cuts a slice at 50 MB.
MOST_SLICE_BYTES = 64 * 1024 * 1024

_WHOLE_AT_ONCE = 4
# The distance within which parameter sets are searched backwards, before those of the recorder's first slice are used.
_SETS_WITHIN = 64
_OBJECTS_A_BYTE = 1 / 4096


async def read_structure(collected: Collected) -> None:
    """Read both ends of every slice, and the whole slice if its ends do not suffice. Raise `OutsideError`."""
    pieces = collected.listed.pieces
    await each([index for index, piece in enumerate(pieces) if piece.size_bytes], lambda index: _read(collected, index))
    await read_doubtful(collected)


async def read_doubtful(collected: Collected) -> None:
    """Read slices that seem damaged as a whole, unless the lost time already decides the verdict."""
    while True:
        doubtful = [index for index, facts in sorted(collected.slices.items()) if facts.doubtful]
        doubtful += [index for index in must_follow(collected.listed.pieces, collected.slices) if index not in doubtful]
        settled = {*(one.key for one in collected.unread), *collected.gone}
        doubtful = [index for index in doubtful if collected.listed.pieces[index].key not in settled]
        if not doubtful or await collected.is_decided():
            return
        chosen = doubtful[:_WHOLE_AT_ONCE]
        await each(chosen, lambda index: read_slice(collected, index), at_once=_WHOLE_AT_ONCE)


async def read_slice(collected: Collected, index: int, level: Level = Level.STRUCTURE) -> None:
    """Read every byte of a slice."""
    piece = collected.listed.pieces[index]
    if piece.size_bytes > MOST_SLICE_BYTES:
        collected.miss(level, "object_unread", f"{piece.key} is too large to be read.", piece.key)
        return
    content = await collected.read(piece.key, 0, piece.size_bytes, level)
    if content is not None:
        collected.slices[index] = await _whole(collected, index, content)


def known_streams(collected: Collected, index: int) -> tuple[Stream, ...]:
    """Return the streams of the neighbouring slices, which a player uses for a slice without a table of its own."""
    run = collected.listed.pieces[index].run
    for other in (index - 1, index + 1, index - 2, index + 2):
        facts = collected.slices.get(other)
        if facts is not None and facts.streams and collected.listed.pieces[other].run == run:
            return facts.streams
    return ()


def known_sets(collected: Collected, index: int) -> str:
    """Return the parameter sets (hex) that a decoder has at a slice: its own, or those of an earlier slice."""
    run = collected.listed.pieces[index].run
    for other in range(index, max(-1, index - _SETS_WITHIN), -1):
        facts = collected.slices.get(other)
        if collected.listed.pieces[other].run != run:
            return ""
        if facts is not None and facts.sets:
            return facts.sets
    first = next(
        (facts for place, facts in collected.slices.items() if collected.listed.pieces[place].run == run), None
    )
    return "" if first is None else first.sets


async def _read(collected: Collected, index: int) -> None:
    piece = collected.listed.pieces[index]
    tail = _tail_bytes(piece)
    if piece.size_bytes <= HEAD_BYTES + tail:
        await read_slice(collected, index)
        return
    head = await collected.read(piece.key, 0, HEAD_BYTES, Level.STRUCTURE)
    if head is None:
        return
    begin = (piece.size_bytes - tail) // PACKET * PACKET
    end = await collected.read(piece.key, begin, piece.size_bytes - begin, Level.STRUCTURE)
    if end is None:
        return
    facts = counted(collected.usage, _ends, head, end)
    if facts.doubtful and not facts.damage and begin > HEAD_BYTES:
        further = max(HEAD_BYTES, begin - FURTHER_BYTES)
        more = await collected.read(piece.key, further, begin - further, Level.STRUCTURE)
        if more is not None:
            facts = counted(collected.usage, _ends, head, more + end)
    collected.slices[index] = facts


def _ends(head: bytes, tail: bytes) -> SliceFacts:
    first = read_packets(head, partial=True)
    return read_ends(first, read_packets(tail, first.maps[0] if first.maps else ()))


async def _whole(collected: Collected, index: int, content: bytes) -> SliceFacts:
    known = known_streams(collected, index)
    size = round(len(content) * _OBJECTS_A_BYTE)
    return await beside(size, counted, collected.usage, _read_all, content, known)


def _read_all(content: bytes, known: tuple[Stream, ...]) -> SliceFacts:
    return read_whole(read_packets(content, known), known or None)


def _tail_bytes(piece: Piece) -> int:
    wanted = int(piece.bits_per_second / 8 * TAIL_SECONDS)
    return min(max(wanted, LEAST_TAIL_BYTES), MOST_TAIL_BYTES) // PACKET * PACKET
