"""Level "structure" on the wire: ranged reads of slices and MP4 files, judged by `media.structure`."""

from collections.abc import Iterable

from service.buckets import Bucket, Usage
from service.media.findings import RULES
from service.media.mp4 import Mp4, Walk, walk_mp4
from service.media.mpegts import Head, held_seconds, read_head
from service.media.pieces import by_run
from service.media.sampling import HEADS_EVERY, choose_heads
from service.media.structure import add_faults, judge_heads, judge_length, judge_mp4s
from service.media.verdict import Judgement
from service.report import Severity
from service.verifier.ranges import each, missing, read_range
from service.verifier.reading import beside

HEAD_BYTES = 4096
TAIL_BYTES = 65_536
# Longer than any step between two pictures of a recording (agora-reference §3.3: at least 5 a second).
_FRAME_SECONDS = 0.2


async def look_at_structure(
    bucket: Bucket, judgement: Judgement, seed: int, usage: Usage, *, every: int = HEADS_EVERY, tables: bool = False
) -> bool:
    """Read and judge the heads of one slice in `every`, of all of a run where one of them is conspicuous, the tail of
    each run, and the boxes of every MP4 file. `tables`: their tables of samples as well. Tells whether there is a sound
    track. Raises `OutsideError`."""
    pieces = judgement.pieces
    heads: dict[int, Head] = {}
    await _read_heads(bucket, judgement, choose_heads(pieces, seed, every), heads, usage)
    faults = judge_heads(pieces, heads)
    doubtful = {pieces[one.index].run for one in faults if RULES[one.code].severity is not Severity.NOTE}
    if doubtful:
        rest = [index for index, piece in enumerate(pieces) if piece.run in doubtful and index not in heads]
        await _read_heads(bucket, judgement, rest, heads, usage)
        faults = judge_heads(pieces, heads)
    add_faults(judgement, faults)
    await _read_tails(bucket, judgement, heads, usage)
    audible = any(stream.audio for head in heads.values() for stream in head.streams or ())
    await _read_mp4s(bucket, judgement, usage, tables=tables, audible=audible)
    return audible


async def _read_heads(
    bucket: Bucket, judgement: Judgement, indexes: Iterable[int], heads: dict[int, Head], usage: Usage
) -> None:
    async def read(index: int) -> None:
        key = judgement.pieces[index].key
        content = await read_range(bucket, key, 0, HEAD_BYTES, usage)
        if content is None:
            missing(judgement, key)
        else:
            heads[index] = read_head(content)

    await each(indexes, read)


async def _read_tails(bucket: Bucket, judgement: Judgement, heads: dict[int, Head], usage: Usage) -> None:
    async def read(index: int) -> None:
        piece, head = judgement.pieces[index], heads[index]
        begin = max(0, piece.size_bytes - TAIL_BYTES)
        content = await read_range(bucket, piece.key, begin, piece.size_bytes - begin, usage)
        if content is None:
            missing(judgement, piece.key)
            return
        held = held_seconds(content, head)
        if held is not None:
            judge_length(judgement, piece, held, _FRAME_SECONDS)

    last = [end - 1 for _, end in by_run(judgement.pieces)]
    await each([index for index in last if index in heads and heads[index].fault is None], read)


async def _read_mp4s(bucket: Bucket, judgement: Judgement, usage: Usage, *, tables: bool, audible: bool) -> None:
    facts: dict[str, Mp4] = {}

    async def read(one: tuple[str, int]) -> None:
        key, size_bytes = one
        walk = walk_mp4(size_bytes, tables=tables)
        step = _send(walk, None)
        while not isinstance(step, Mp4):
            content = await read_range(bucket, key, *step, usage)
            if content is None:
                missing(judgement, key, "mp4_missing")
                return
            step = await beside(len(content) // HEAD_BYTES, _send, walk, content)
        facts[key] = step

    files = [one for run in judgement.listing.runs for one in run.mp4s.values() if one.size_bytes]
    await each([(one.key, one.size_bytes) for one in files], read)
    judge_mp4s(judgement, facts, audible=audible)


def _send(walk: Walk, content: bytes | None) -> tuple[int, int] | Mp4:
    """What the walk needs next, or what it found out."""
    try:
        return next(walk) if content is None else walk.send(content)
    except StopIteration as done:
        found: Mp4 = done.value
        return found
