"""Level "content" on the wire: beginnings of slices are read and decoded, judged by `media.content`.

The budget of an hour of media is fixed: where pictures need more bytes, fewer slices are looked at.
"""

from collections.abc import Callable, Iterable
from typing import Any

from service.buckets import Bucket, Usage
from service.media.content import judge_samples
from service.media.pictures import Look, Sample, read_sample
from service.media.sampling import choose_samples, neighbours, to_bisect
from service.media.verdict import Judgement
from service.media.whole import Whole, judge_slices, read_whole
from service.verifier.decoder import Decoder, DecoderFailed
from service.verifier.gallery import Gallery, Shown
from service.verifier.ranges import each, missing, read_range

SAMPLE_BYTES = (131_072, 262_144, 524_288)
SAMPLES_PER_HOUR = 40
REQUESTS_PER_HOUR = 60
BYTES_PER_HOUR = 7_800_000
# With all that was read before (verification A.6).
ALL_REQUESTS_PER_HOUR = 135
ALL_BYTES_PER_HOUR = 9_000_000
# Agora cuts a slice at 50 MB (agora-reference §9.3).
MOST_SLICE_BYTES = 64 * 1024 * 1024
WHOLE_AT_ONCE = 3

_HOUR = 3600.0
_ROUNDS = 8


async def look_at_content(
    bucket: Bucket, judgement: Judgement, seed: int, decoder: Decoder, usage: Usage, *, audible: bool
) -> Shown:
    """Sample, look closer where a sample is bad, and judge. Raises `OutsideError`."""
    pieces = judgement.pieces
    hours = max(1.0, sum(piece.seconds for piece in pieces) / _HOUR)
    sampler = _Sampler(bucket, judgement, decoder, usage, hours)
    chosen = choose_samples(pieces, seed, round(SAMPLES_PER_HOUR * hours))
    sampler.gallery.expect(chosen)
    await sampler.take(chosen)
    await sampler.follow(lambda one: one.bad_picture)
    await sampler.follow(lambda one: bool(one.silent))
    await sampler.follow_still()
    judge_samples(judgement, sampler.samples, audible=audible)
    return Shown(len(sampler.samples), await sampler.gallery.hang(decoder))


class _Sampler:
    def __init__(self, bucket: Bucket, judgement: Judgement, decoder: Decoder, usage: Usage, hours: float) -> None:
        self.samples: dict[int, Sample] = {}
        self.gallery = Gallery()
        self._bucket = bucket
        self._judgement = judgement
        self._decoder = decoder
        self._usage = usage
        self._requests = min(round(REQUESTS_PER_HOUR * hours), round(ALL_REQUESTS_PER_HOUR * hours) - usage.requests)
        self._bytes = min(round(BYTES_PER_HOUR * hours), round(ALL_BYTES_PER_HOUR * hours) - usage.bytes_read)

    async def take(self, indexes: Iterable[int]) -> None:
        """Sample those slices that were not, as far as the budget reaches."""
        await each([index for index in dict.fromkeys(indexes) if index not in self.samples], self._take)

    async def follow(self, bad: Callable[[Sample], bool]) -> None:
        """Look at the neighbours of bad samples, then halve the way to the next good ones."""
        judged = [bad(one) for one in self.samples.values()]
        if not any(judged) or all(judged):
            return
        pieces = self._judgement.pieces
        found = [index for index, one in self.samples.items() if bad(one)]
        await self.take(near for index in found for near in neighbours(pieces, index))
        for _ in range(_ROUNDS):
            between = to_bisect({index: bad(one) for index, one in self.samples.items()})
            if not any(index not in self.samples for index in between):
                return
            await self.take(index for index in between if pieces[index].size_bytes)

    async def follow_still(self) -> None:
        """Where nothing moved in a slice, look at its neighbours: it may be the beginning of more. A page that hardly
        ever moves is seen without that."""
        pieces = self._judgement.pieces
        still = [index for index, one in self.samples.items() if one.still and one.look is Look.FINE]
        if len(still) > len(self.samples) / 4:
            return
        for _ in range(_ROUNDS):
            more = [near for index in still for near in neighbours(pieces, index) if near not in self.samples]
            if not more:
                return
            await self.take(more)
            still = [index for index in more if index in self.samples and self.samples[index].still]

    async def _take(self, index: int) -> None:
        piece = self._judgement.pieces[index]
        content = b""
        for size in SAMPLE_BYTES:
            length = min(size, piece.size_bytes) - len(content)
            if length <= 0 or self._requests < 1 or self._bytes < length:
                break
            self._requests -= 1
            self._bytes -= length
            more = await read_range(self._bucket, piece.key, len(content), length, self._usage)
            if more is None:
                missing(self._judgement, piece.key)
                return
            content += more
            facts, small = await decode(self._decoder, "sample", content)
            one = self.samples[index] = read_sample(facts)
            if one.failed or one.look is not Look.NONE:
                self.gallery.show(index, one, small, content)
                break


async def look_at_everything(
    bucket: Bucket, judgement: Judgement, decoder: Decoder, usage: Usage, *, audible: bool
) -> Shown:
    """Level "full": read and decode every slice, and judge. Raises `OutsideError`."""
    pieces = judgement.pieces
    usable = [index for index, piece in enumerate(pieces) if piece.size_bytes]
    samples: dict[int, Sample] = {}
    slices: dict[int, Whole] = {}
    gallery = Gallery()
    gallery.expect(usable)

    async def take(index: int) -> None:
        piece = pieces[index]
        content = await read_range(bucket, piece.key, 0, min(piece.size_bytes, MOST_SLICE_BYTES), usage)
        if content is None:
            missing(judgement, piece.key)
            return
        facts, small = await decode(decoder, "whole", content)
        samples[index], slices[index] = read_sample(facts), read_whole(facts)
        gallery.show(index, samples[index], small, content[: SAMPLE_BYTES[-1]])

    await each(usable, take, at_once=WHOLE_AT_ONCE)
    judge_samples(judgement, samples, audible=audible)
    judge_slices(judgement, slices)
    return Shown(len(samples), await gallery.hang(decoder))


async def decode(decoder: Decoder, job: str, content: bytes) -> tuple[dict[str, Any], bytes]:
    """What the decoder measured, and a small picture. What it could not do in time is tried once more."""
    reason = ""
    for _ in range(2):
        try:
            return await decoder.run(job, content)
        except DecoderFailed as error:
            reason = str(error)
    return {"failed": reason}, b""
