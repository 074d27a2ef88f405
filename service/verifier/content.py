"""Implements level "content": decodes the beginnings of slices, and whole slices that seem damaged.

The budget per hour of media is fixed, so if pictures need more bytes, fewer slices are sampled.
"""

from collections.abc import Callable, Iterable, Sequence

from service.media.content import blank_seconds, blank_stretches
from service.media.pictures.measures import Look, Sample, read_sample
from service.media.sampling import choose_samples, inheriting, near_keys, neighbours, to_bisect
from service.report import Level
from service.verifier.collected import Collected
from service.verifier.decoding.gallery import Gallery, Shown
from service.verifier.decoding.process import Decoder, DecoderFailed, Decoders, can_decode
from service.verifier.decoding.slices import Row
from service.verifier.ranges import each
from service.verifier.structure import MOST_SLICE_BYTES, known_sets, read_slice

SAMPLE_BYTES = (131_072, 262_144, 524_288)
SAMPLES_PER_HOUR = 40
REQUESTS_PER_HOUR = 70
BYTES_PER_HOUR = 6_500_000

_HOUR = 3600.0
_ROUNDS = 8


async def read_content(collected: Collected, seed: int, decoder: Decoder) -> Shown:
    """Sample the slices, and sample more densely around bad ones. Raise `OutsideError`."""
    pieces = collected.listed.pieces
    hours = max(1.0, sum(piece.seconds for piece in pieces) / _HOUR)
    sampler = _Sampler(collected, decoder, hours)
    chosen = near_keys(choose_samples(pieces, seed, round(SAMPLES_PER_HOUR * hours)), pieces, collected.slices)
    sampler.gallery.expect(chosen)
    await sampler.take(chosen, promised=True)
    await sampler.follow(lambda one: one.bad_picture)
    await sampler.follow(lambda one: bool(one.silent))
    await sampler.follow_still()
    await sampler.confirm_blank()
    await sampler.decode_doubtful()
    return Shown(len(collected.samples), await sampler.gallery.hang(decoder))


async def read_inherited(collected: Collected, decoders: Decoders) -> None:
    """Decode the slices that follow a change of parameter sets and contain none of their own, up to the first slice of
    each run that decodes. A recorder may change its parameter sets, but those of a foreign slice damage all following
    slices. Raise `OutsideError`."""
    rows = inheriting(collected.listed.pieces, collected.slices)
    if not rows:
        return
    if not can_decode():
        text = "The parameter sets change, and without PyAV the slices that follow cannot be decoded with the new ones."
        collected.miss(Level.STRUCTURE, "decoder_absent", text)
        return
    async with decoders.one() as decoder:
        try:
            sampler = _Sampler(collected, decoder, 1.0, Level.STRUCTURE)
            for row in rows:
                await sampler.decode_until_fine(row)
        finally:
            collected.usage.cpu_seconds += decoder.cpu_seconds
    # A deeper level takes its own samples of undamaged slices.
    for index in [index for index, one in collected.samples.items() if not one.doubtful]:
        del collected.samples[index]


class _Sampler:
    def __init__(self, collected: Collected, decoder: Decoder, hours: float, level: Level = Level.CONTENT) -> None:
        self.gallery = Gallery()
        self._level = level
        self._collected = collected
        self._samples = collected.samples
        self._pieces = collected.listed.pieces
        self._decoder = decoder
        self._requests = round(REQUESTS_PER_HOUR * hours)
        self._bytes = round(BYTES_PER_HOUR * hours)

    async def take(self, indexes: Iterable[int], *, promised: bool = False) -> None:
        """Sample the slices not yet sampled, within the budget. If `promised` is true, ignore the budget."""
        wanted = [index for index in dict.fromkeys(indexes) if index not in self._samples]
        await each(wanted, lambda index: self._take(index, promised=promised))

    async def follow(self, bad: Callable[[Sample], bool]) -> None:
        """Sample the neighbours of bad samples, then bisect towards the next good ones."""
        judged = [bad(one) for one in self._samples.values()]
        if not any(judged) or all(judged):
            return
        found = [index for index, one in self._samples.items() if bad(one)]
        await self.take(near for index in found for near in neighbours(self._pieces, index))
        for _ in range(_ROUNDS):
            between = to_bisect({index: bad(one) for index, one in self._samples.items()})
            if not any(index not in self._samples for index in between):
                return
            await self.take(index for index in between if self._pieces[index].size_bytes)

    async def follow_still(self) -> None:
        """Sample the neighbours of slices without movement, because such a slice may begin a longer stretch. A page
        that hardly ever moves is detected without this."""
        still = [index for index, one in self._samples.items() if one.still and one.look is Look.FINE]
        if len(still) > len(self._samples) / 4:
            return
        for _ in range(_ROUNDS):
            more = [near for index in still for near in neighbours(self._pieces, index) if near not in self._samples]
            if not more:
                return
            await self.take(more)
            still = [index for index in more if index in self._samples and self._samples[index].still]

    async def confirm_blank(self) -> None:
        """Sample between distant blank samples until the verdict is determined. The budget does not limit this, because
        a verdict depends on it."""
        limit = self._collected.listed.expected.policy.blank_seconds
        for first, last in blank_stretches(self._samples):
            for index in range(first, last + 1):
                if blank_seconds(self._collected.listed, self._samples) > limit:
                    return
                if index not in self._samples and self._pieces[index].size_bytes:
                    self._requests, self._bytes = self._requests + 1, self._bytes + SAMPLE_BYTES[0]
                    await self._take(index)

    async def decode_doubtful(self) -> None:
        """Decode slices with a damaged or undecodable beginning as a whole, until the lost time determines the
        verdict."""
        for index in sorted(self._samples):
            if self._samples[index].doubtful:
                if await self._collected.is_decided():
                    return
                await self._decode_whole(index)

    async def decode_until_fine(self, row: Sequence[int]) -> None:
        """Decode the slices of a run up to the first undamaged one, or until the lost time determines the verdict."""
        for index in row:
            await self.take([index], promised=True)
            if index not in self._samples or not self._samples[index].doubtful or await self._collected.is_decided():
                return
            await self._decode_whole(index)

    async def _decode_whole(self, index: int) -> None:
        facts = self._collected.slices.get(index)
        if facts is None or not facts.whole:
            await read_slice(self._collected, index, self._level)
        row = Row(self._collected, self._decoder, self.gallery, self._level, self._read_whole)
        await row.decode([index])

    async def _read_whole(self, index: int) -> bytes | None:
        piece = self._pieces[index]
        return await self._collected.read(piece.key, 0, min(piece.size_bytes, MOST_SLICE_BYTES), self._level)

    async def _take(self, index: int, *, promised: bool = False) -> None:
        piece = self._pieces[index]
        content = b""
        for size in SAMPLE_BYTES:
            length = min(size, piece.size_bytes) - len(content)
            if length <= 0 or (not promised and (self._requests < 1 or self._bytes < length)):
                break
            self._requests -= 1
            self._bytes -= length
            more = await self._collected.read(piece.key, len(content), length, self._level)
            if more is None:
                return
            content += more
            if not await self._decode(index, content, cut=len(content) < piece.size_bytes):
                return
            if self._samples[index].look is not Look.NONE:
                break

    async def _decode(self, index: int, content: bytes, *, cut: bool) -> bool:
        key, sets = self._pieces[index].key, known_sets(self._collected, index)
        reason = ""
        for _ in range(2):
            try:
                facts, small = await self._decoder.run("sample", content, cut=cut, sets=sets)
            except DecoderFailed as error:
                reason = str(error)
                continue
            self._samples[index] = read_sample(facts)
            self.gallery.show(index, self._samples[index], small, content, sets)
            return True
        text = f"The decoder gave up on {key}: {reason}."
        self._collected.miss(self._level, "decoder_gave_up", text, key)
        return False
