"""Finds recordings without a database in a bucket, and verifies selected ones concurrently."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from service.buckets import Bucket, Fetched, Headed, Usage
from service.buckets.listing.walking import Walk
from service.media.listing.discovery import FoundRecording, Wanted, find_recordings
from service.media.listing.names import NameReader
from service.report import Level, ListedObject, Report
from service.verifier.decoding.process import Decoders
from service.verifier.judging import judge_recording
from service.verifier.pace import Pace
from service.verifier.ranges import each
from service.verifier.reading import beside, list_all

MOST_OBJECTS = 2_000_000
"""The maximum number of objects below a prefix that are listed in one operation, which corresponds to about 8,000
recorded hours."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One recording with its report, or with the internal error that prevented it."""

    recording: FoundRecording
    report: Report | None
    error: Exception | None = None


async def discover(bucket: Bucket, prefix: str, usage: Usage) -> tuple[list[FoundRecording], int]:
    """Return the recordings below `prefix`, and the number of objects that belong to none. Raise `OutsideError` or
    `TooManyObjects`."""
    listed = await list_all(bucket, prefix, "", MOST_OBJECTS, usage)
    return await beside(len(listed), find_recordings, listed)


async def judge_found(
    bucket: Bucket,
    found: Sequence[FoundRecording],
    level: Level,
    wanted: Wanted,
    show: Callable[[Judged], None],
    *,
    at_once: int,
    pace: Pace | None = None,
    now_fn: Callable[[], float] = time.time,
) -> None:
    """Verify the recordings, `at_once` concurrently, and pass each to `show` when its report is ready.

    Use the listing that found the recordings, and list a recording again if its playlist has changed since. An internal
    error in one recording does not affect the others. Cancelling ends the running verifications with their decoder
    processes; finished recordings have already been passed to `show`.
    """
    decoders = Decoders()

    async def work(recording: FoundRecording) -> None:
        show(await _judge(bucket, recording, level, wanted, decoders, pace, now_fn))

    await each(found, work, at_once=at_once)


async def _judge(
    bucket: Bucket,
    recording: FoundRecording,
    level: Level,
    wanted: Wanted,
    decoders: Decoders,
    pace: Pace | None,
    now_fn: Callable[[], float],
) -> Judged:
    listed = _Listed(bucket, recording)
    try:
        expected = recording.expectation(now_fn(), wanted)
        report = await judge_recording(listed, expected, level, now_fn=now_fn, decoders=decoders, pace=pace)
    except Exception as error:
        return Judged(recording, None, error)
    return Judged(recording, report)


class _Listed:
    """A bucket with a known first listing of one recording alone, because other recordings may be in the same folder. A
    second listing, after a change of the playlist, is read from the bucket."""

    def __init__(self, bucket: Bucket, recording: FoundRecording) -> None:
        self._bucket = bucket
        self._known: list[ListedObject] | None = recording.objects
        self._reader = NameReader(recording.sid, recording.cname)

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: Walk | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        if self._known is not None:
            shown = [one for one in self._known if one.key.startswith(prefix) and one.key > after]
            self._known = None
            if usage is not None:
                usage.objects += len(shown)
            yield shown
            return
        async for page in self._bucket.list_objects(prefix, after, usage=usage, walk=walk):
            yield [one for one in page if self._reader.read(one.key.removeprefix(prefix)) is not None]

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        return await self._bucket.fetch(key, max_bytes, span=span, usage=usage)

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        return await self._bucket.head(key, usage=usage)

    async def presign(self, key: str, seconds: int) -> str:
        return await self._bucket.presign(key, seconds)

    async def probe_read(self, prefix: str) -> ListedObject | None:
        return await self._bucket.probe_read(prefix)

    async def probe_write(self, key: str) -> None:
        raise AssertionError("a foreign recording is only read")

    async def close(self) -> None:
        """Leave the bucket open, because its owner closes it."""
