"""Judges recordings that nobody wrote down: finds them in a bucket, and looks at each as at one of our own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from service.buckets import Bucket, Fetched, Headed, Usage
from service.media.discovery import FoundRecording, find_recordings
from service.report import Level, ListedObject, Report
from service.verifier.decoder import Decoders
from service.verifier.judging import judge_recording
from service.verifier.reading import beside, list_all

MOST_OBJECTS = 2_000_000
"""More than this below a prefix are not looked at in one go: about 8,000 recorded hours."""

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Window:
    """What the caller knows about the recordings; None: what their files say."""

    from_at: float | None = None
    to_at: float | None = None


async def discover(bucket: Bucket, prefix: str, usage: Usage) -> tuple[list[FoundRecording], int]:
    """The recordings below `prefix`, and how many objects belong to none. Raises `OutsideError`, `TooManyObjects`."""
    listed = await list_all(bucket, prefix, "", MOST_OBJECTS, usage)
    return await beside(len(listed), find_recordings, listed)


async def judge_found(
    bucket: Bucket,
    found: list[FoundRecording],
    level: Level,
    window: Window,
    *,
    now_fn: Callable[[], float] = time.time,
) -> AsyncIterator[tuple[FoundRecording, Report]]:
    """A report of each, as they get ready, some at a time. Their listing is the one that found them."""
    turns, decoders = asyncio.Semaphore(_AT_ONCE), Decoders()

    async def judge(one: FoundRecording) -> tuple[FoundRecording, Report]:
        async with turns:
            expected = one.expectation(now_fn(), window.from_at, window.to_at)
            return one, await judge_recording(
                _Listed(bucket, one.objects), expected, level, now_fn=now_fn, decoders=decoders
            )

    tasks = [asyncio.ensure_future(judge(one)) for one in found]
    try:
        for ready in asyncio.as_completed(tasks):
            yield await ready
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Listed:
    """A bucket whose listing is known already, and shows one recording alone: others may lie in the same folder."""

    def __init__(self, bucket: Bucket, objects: list[ListedObject]) -> None:
        self._bucket = bucket
        self._objects = objects

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        shown = [one for one in self._objects if one.key.startswith(prefix) and one.key > after]
        if usage is not None:
            usage.objects += len(shown)
        yield shown

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
        raise AssertionError("a foreign recording is only looked at")

    async def close(self) -> None:
        """The bucket is somebody else's."""
