"""Verifies one recording, given only a bucket and the expected contents."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.buckets import Bucket, Usage
from service.buckets.patient import Patience, PatientBucket
from service.errors import OutsideError, Refused
from service.media.expectation import Expectation
from service.media.findings import Effect
from service.media.listing.rules import Listed, judge_listing
from service.media.verdict import judge, judge_blind
from service.report import Level, Report
from service.verifier.collected import Collected
from service.verifier.content import read_content, read_inherited
from service.verifier.decoding.gallery import Shown
from service.verifier.decoding.process import Decoders, can_decode
from service.verifier.everything import read_bytes, read_everything
from service.verifier.mp4.bytes_read import read_mp4_bytes
from service.verifier.mp4.files import read_doubtful, read_keys, read_tables
from service.verifier.mp4.likeness import compare_with_slices
from service.verifier.mp4.stretches import compare_stretches
from service.verifier.pace import Pace
from service.verifier.reading import TooManyObjects, beside, counted, read_recording, weight
from service.verifier.structure import read_structure


async def judge_recording(
    bucket: Bucket,
    expected: Expectation,
    level: Level,
    *,
    seed: int = 0,
    now_fn: Callable[[], float] = time.time,
    usage: Usage | None = None,
    decoders: Decoders | None = None,
    pace: Pace | None = None,
    patience: Patience = Patience(),  # noqa: B008 - immutable
) -> Report:
    """Verify everything below `expected.key_prefix` to the depth of `level`, and return the report.

    `seed` selects the samples. The report contains it, so that a verification can be repeated. `usage` counts the cost,
    also while the verification runs. `decoders` limits the number of verifications that decode concurrently. `pace`
    limits the read rate of verifications that share it and read whole recordings. Never raise on answers of the bucket;
    for an unreadable bucket the verdict is `unreachable`. If the last playlist is not marked as final, the verification
    takes `two_reads_apart_seconds` longer.
    """
    usage = usage or Usage()
    # An unanswered request is retried. If there is still no answer, the object is not read.
    bucket = PatientBucket(bucket, patience, now=asyncio.get_running_loop().time)
    verification = _Verification(bucket, expected, level, seed, now_fn, usage, decoders or Decoders(), pace or Pace())
    try:
        report = await verification.judge()
    except OutsideError as error:
        report = judge_shut(error, now_fn())
    except TooManyObjects:
        text = f"The prefix {expected.key_prefix!r} has more objects than this recording can have created."
        report = judge_blind("too_many_objects", text, now_fn(), {"objects": usage.objects})
    return replace(
        report,
        wanted_level=level,
        requests=usage.requests,
        bytes_read=usage.bytes_read,
        cpu_seconds=round(usage.cpu_seconds, 3),
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Verification:
    bucket: Bucket
    expected: Expectation
    level: Level
    seed: int
    now_fn: Callable[[], float]
    usage: Usage
    decoders: Decoders
    pace: Pace

    async def judge(self) -> Report:
        usage = self.usage
        listing, reads = await read_recording(self.bucket, self.expected, usage)
        much = listing.count + weight(reads)
        listed = await beside(much, counted, usage, judge_listing, self.expected, listing, reads)
        collected = Collected(self.bucket, listed, usage, self.pace)
        shown = Shown()
        reached = Level.LISTING
        # If files may still arrive, the verification must be repeated anyway, so use a cheap level.
        if self.level is not Level.LISTING and not listed.awaited:
            shown = await self._go_deeper(collected)
            reached = reached_level(self.level, listed, collected.unread_levels())
        report = await beside(much, counted, usage, judge, collected.snapshot(), reached, self.now_fn())
        return replace(report, samples=shown.samples, pictures=shown.pictures, wanted_level=self.level)

    async def _go_deeper(self, collected: Collected) -> Shown:
        await read_structure(collected)
        await read_inherited(collected, self.decoders)
        await read_tables(collected)
        await read_doubtful(collected, self.decoders)
        await compare_stretches(collected, self.decoders)
        if self.level is Level.STRUCTURE:
            return Shown()
        if not can_decode():
            text = f"The wanted level is {self.level.value}, but PyAV is not installed, so no picture was decoded."
            collected.miss(Level.CONTENT, "decoder_absent", text)
            return Shown()
        if self.level is Level.FULL:
            shown = await read_everything(collected, self.decoders)
            await self._read_mp4s(collected)
            return shown
        async with self.decoders.one() as decoder:
            try:
                shown = await read_content(collected, self.seed, decoder)
                await read_keys(collected, self.seed, decoder)
                await compare_with_slices(collected, self.seed, decoder)
                if self.level is Level.BYTES:
                    await read_bytes(collected, self.decoders, decoder)
                    await read_mp4_bytes(collected, decoder, self.level)
            finally:
                self.usage.cpu_seconds += decoder.cpu_seconds
        return shown

    async def _read_mp4s(self, collected: Collected) -> None:
        async with self.decoders.one() as decoder:
            try:
                await read_keys(collected, self.seed, decoder)
                await compare_with_slices(collected, self.seed, decoder)
                await read_mp4_bytes(collected, decoder, self.level)
            finally:
                self.usage.cpu_seconds += decoder.cpu_seconds


def reached_level(wanted: Level, listed: Listed, unread: Sequence[Level]) -> Level:
    """Return the deepest level whose required objects were all opened. `unread` contains the levels that require
    unopened objects."""
    if Effect.BLIND in listed.findings.effects:
        return Level.LISTING
    return [level for level in Level if wanted.reaches(level) and not any(level.reaches(missed) for missed in unread)][
        -1
    ]


def judge_shut(error: OutsideError, now: float) -> Report:
    """Return the report of an unreadable bucket."""
    code = "storage_refused" if isinstance(error, Refused) else "storage_unreachable"
    evidence = {"code": error.code, "retry_after_seconds": error.retry_after_seconds}
    return judge_blind(code, f"Pagereel could not read the bucket ({error.detail or error.code}).", now, evidence)
