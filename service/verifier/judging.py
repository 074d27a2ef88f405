"""The one function that judges one recording, with nothing but a bucket and what is expected to lie in it."""

import time
from collections.abc import Callable
from dataclasses import replace

from service.buckets import Bucket, Usage
from service.errors import OutsideError, Refused
from service.media.expectation import Expectation
from service.media.findings import Effect
from service.media.verdict import Judgement, judge_blind
from service.report import Level, Report
from service.verifier.reading import TooManyObjects, beside, read_recording, weight
from service.verifier.structure import look_at_structure


async def judge_recording(
    bucket: Bucket,
    expected: Expectation,
    level: Level,
    *,
    seed: int = 0,
    now_fn: Callable[[], float] = time.time,
    usage: Usage | None = None,
) -> Report:
    """Look at everything below `expected.key_prefix` as deep as `level` says, and judge it.

    `seed` decides which samples are taken; the report holds it, so that a look can be repeated. `usage` counts what
    it cost, also while it runs. Never raises for what the bucket answers: a bucket that cannot be looked at gives the
    verdict `unreachable`. Takes `two_reads_apart_seconds` longer where the last playlist does not say that it is the
    final one.
    """
    usage = usage or Usage()
    try:
        report = await _judge(bucket, expected, level, seed, now_fn, usage)
    except OutsideError as error:
        report = judge_shut(error, now_fn())
    except TooManyObjects:
        text = f"Below {expected.key_prefix!r} lie more objects than this recording can have made: none was judged."
        report = judge_blind("too_many_objects", text, now_fn(), {"objects": usage.objects})
    return replace(report, requests=usage.requests, bytes_read=usage.bytes_read, seed=seed)


async def _judge(
    bucket: Bucket, expected: Expectation, level: Level, seed: int, now_fn: Callable[[], float], usage: Usage
) -> Report:
    listed, reads = await read_recording(bucket, expected, usage)
    much = len(listed) + weight(reads)
    judgement = await beside(much, Judgement, expected, listed, reads)
    reached = Level.LISTING
    # What may still come is waited for first: a look that must be repeated anyway stays a cheap one.
    if level is not Level.LISTING and Effect.AWAITS not in judgement.findings.effects:
        await look_at_structure(bucket, judgement, seed, usage)
        reached = Level.STRUCTURE
    return await beside(much, judgement.report, reached, now_fn())


def judge_shut(error: OutsideError, now: float) -> Report:
    """The report of a bucket that cannot be looked at."""
    code = "storage_refused" if isinstance(error, Refused) else "storage_unreachable"
    evidence = {"code": error.code, "retry_after_seconds": error.retry_after_seconds}
    return judge_blind(code, f"The bucket could not be looked at: {error}.", now, evidence)
