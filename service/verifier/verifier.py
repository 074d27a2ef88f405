"""Verifies recordings as their rows require, and counts the cost."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from zlib import crc32

from metrics import verification as meter
from service.buckets import Bucket, Usage
from service.errors import OutsideError
from service.media.expectation import expectation
from service.recording import Recording
from service.report import Level, Report
from service.verifier.decoding.process import Decoder, Decoders
from service.verifier.judging import judge_recording, judge_shut
from service.verifier.live import sample_newest
from service.verifier.looking import Look, find_sid, find_tasks, look
from service.verifier.pace import Pace


class Verifier:
    """Keeps no state between verifications except the decoder process. `open_bucket` returns the bucket that a
    recording is pinned to, or raises `OutsideError`. `read_bytes_per_second` limits the read rate of whole recordings
    by storage profile; None means no limit."""

    def __init__(
        self,
        open_bucket: Callable[[Recording], Bucket],
        read_bytes_per_second: Mapping[str, int | None] = MappingProxyType({}),
    ) -> None:
        self._open_bucket = open_bucket
        self._paces = {storage: Pace(rate) for storage, rate in read_bytes_per_second.items()}
        self._decoders = Decoders()
        # One child handles the samples of all running recordings, because starting one costs more than twenty samples.
        self._live = Decoder()

    async def close(self) -> None:
        """End the decoder process."""
        await self._live.close()

    async def verify(self, recording: Recording, now_fn: Callable[[], float]) -> Report:
        """Verify everything below the recording's prefix. Never raise on answers of the bucket; for an unreadable
        bucket the verdict is `unreachable`. See `judge_recording`."""
        usage = Usage()
        started = asyncio.get_running_loop().time()
        try:
            bucket = self._open_bucket(recording)
        except OutsideError as error:
            report = judge_shut(error, now_fn())
        else:
            level = recording.look_level or recording.policy.level
            report = await judge_recording(
                bucket,
                expectation(recording),
                level,
                seed=_seed(recording),
                now_fn=now_fn,
                usage=usage,
                decoders=self._decoders,
                pace=self._paces.get(recording.storage),
            )
        _count(report, usage, asyncio.get_running_loop().time() - started)
        return report

    async def look(self, recording: Recording) -> Look:
        """List and sample the newest objects. See `looking.look` and `live.sample_newest`."""
        usage = Usage()
        bucket = self._open_bucket(recording)
        try:
            seen = await look(bucket, recording, usage)
            sample = await sample_newest(bucket, recording, seen, self._live, usage)
            return seen if sample is None else replace(seen, picture=sample.look, silent=sample.proven_silent)
        finally:
            meter.bucket_used(usage.objects, usage.requests, usage.bytes_read, usage.repeats)

    async def find_sid(self, recording: Recording) -> str | None:
        """Return the sid of the newest attempt. See `looking.find_sid`."""
        usage = Usage()
        try:
            return await find_sid(self._open_bucket(recording), recording, usage)
        finally:
            meter.bucket_used(usage.objects, usage.requests, usage.bytes_read, usage.repeats)

    async def find_tasks(self, recording: Recording) -> dict[int, str]:
        """Return the sids by attempt. See `looking.find_tasks`."""
        usage = Usage()
        try:
            return await find_tasks(self._open_bucket(recording), recording, usage)
        finally:
            meter.bucket_used(usage.objects, usage.requests, usage.bytes_read, usage.repeats)


def _seed(recording: Recording) -> int:
    """Return a different seed for each verification, so that it may find damage that an earlier one missed by
    chance."""
    return crc32(f"{recording.id}:{recording.reports}".encode())


def _count(report: Report, usage: Usage, seconds: float) -> None:
    level = Level(report.level)
    meter.report_made(report.verdict.value, level.value, (one.severity.value for one in report.findings), seconds)
    meter.files_judged((file.kind.value, file.missing) for file in report.files)
    meter.bucket_used(usage.objects, usage.requests, usage.bytes_read, usage.repeats)
    if report.coverage is not None:
        missing = ((one.kind.value, one.seconds) for one in report.missing)
        meter.time_judged(report.coverage.expected_seconds, report.coverage.covered_seconds, missing)
