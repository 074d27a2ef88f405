"""The one function that judges one recording, with nothing but a bucket and what is expected to lie in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from service.buckets import Bucket, Usage
from service.errors import OutsideError, Refused
from service.media.expectation import Expectation
from service.media.findings import Effect
from service.media.sampling import HEADS_EVERY
from service.media.verdict import Judgement, judge_blind
from service.report import Level, Report
from service.verifier.content import look_at_content, look_at_everything
from service.verifier.decoder import Decoders, can_decode
from service.verifier.gallery import Shown
from service.verifier.reading import TooManyObjects, beside, counted, read_recording, weight
from service.verifier.structure import look_at_structure


async def judge_recording(
    bucket: Bucket,
    expected: Expectation,
    level: Level,
    *,
    seed: int = 0,
    now_fn: Callable[[], float] = time.time,
    usage: Usage | None = None,
    decoders: Decoders | None = None,
) -> Report:
    """Look at everything below `expected.key_prefix` as deep as `level` says, and judge it.

    `seed` decides which samples are taken; the report holds it, so that a look can be repeated. `usage` counts what
    it cost, also while it runs. `decoders` bounds how many looks decode at once. Never raises for what the bucket
    answers: a bucket that cannot be looked at gives the verdict `unreachable`. Takes `two_reads_apart_seconds` longer
    where the last playlist does not say that it is the final one.
    """
    usage = usage or Usage()
    look = _Look(bucket, expected, level, seed, now_fn, usage, decoders or Decoders())
    try:
        report = await look.judge()
    except OutsideError as error:
        report = judge_shut(error, now_fn())
    except TooManyObjects:
        text = f"Below {expected.key_prefix!r} lie more objects than this recording can have made: none was judged."
        report = judge_blind("too_many_objects", text, now_fn(), {"objects": usage.objects})
    return replace(
        report,
        requests=usage.requests,
        bytes_read=usage.bytes_read,
        cpu_seconds=round(usage.cpu_seconds, 3),
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Look:
    bucket: Bucket
    expected: Expectation
    level: Level
    seed: int
    now_fn: Callable[[], float]
    usage: Usage
    decoders: Decoders

    async def judge(self) -> Report:
        usage = self.usage
        listed, reads = await read_recording(self.bucket, self.expected, usage)
        much = len(listed) + weight(reads)
        judgement = await beside(much, counted, usage, Judgement, self.expected, listed, reads)
        reached, shown = Level.LISTING, Shown()
        # What may still come is waited for first: a look that must be repeated anyway stays a cheap one.
        if self.level is not Level.LISTING and Effect.AWAITS not in judgement.findings.effects:
            reached, shown = await self._go_deeper(judgement)
        report = await beside(much, counted, usage, judgement.report, reached, self.now_fn())
        return replace(report, samples=shown.samples, pictures=shown.pictures)

    async def _go_deeper(self, judgement: Judgement) -> tuple[Level, "Shown"]:
        bucket, seed, usage, level = self.bucket, self.seed, self.usage, self.level
        decoding = level is not Level.STRUCTURE and can_decode()
        every = 1 if level is Level.FULL else HEADS_EVERY
        tables = level is not Level.STRUCTURE
        audible = await look_at_structure(bucket, judgement, seed, usage, every=every, tables=tables)
        if level is not Level.STRUCTURE and not decoding:
            text = f"Level {level.value} was asked for, but PyAV is not installed here: no picture was looked at."
            judgement.findings.add("decoder_absent", text)
        if not decoding or not judgement.pieces:
            return Level.STRUCTURE, Shown()
        async with self.decoders.one() as decoder:
            try:
                if level is Level.FULL:
                    shown = await look_at_everything(bucket, judgement, decoder, usage, audible=audible)
                else:
                    shown = await look_at_content(bucket, judgement, seed, decoder, usage, audible=audible)
            finally:
                usage.cpu_seconds += decoder.cpu_seconds
        return level, shown


def judge_shut(error: OutsideError, now: float) -> Report:
    """The report of a bucket that cannot be looked at."""
    code = "storage_refused" if isinstance(error, Refused) else "storage_unreachable"
    evidence = {"code": error.code, "retry_after_seconds": error.retry_after_seconds}
    return judge_blind(code, f"The bucket could not be looked at: {error}.", now, evidence)
