"""Listing a huge bucket never holds the loop that answers Agora: a few milliseconds at a time, whatever its size."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest
from aiobotocore.session import AioSession

from benchmarks.stores import MANY, running
from pagereel.serving import calm_interpreter
from service.buckets import Keys, Usage
from service.buckets.s3 import S3Bucket
from service.recording import Location
from service.verifier.reading import list_all

LONGEST_SECONDS = 0.010


class Turns:
    """How long the loop computes between two of its turns. Of the thread's own time: other processes do not count."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._last = time.thread_time()
        self._handle = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self.count += 1
        self._last = now
        self._handle = self._loop.call_soon(self._turn)

    def stop(self) -> None:
        self._handle.cancel()


@pytest.mark.proof
@pytest.mark.usefixtures("interpreter")
async def test_listing_100_000_keys_never_holds_the_loop_for_ten_milliseconds(boto: AioSession, tmp_path: Path) -> None:
    with running("mapped", str(tmp_path)) as endpoint:
        place = Location(11, 0, "bench", endpoint, True, ())
        async with aiohttp.ClientSession() as http, S3Bucket(place, Keys("a", "b"), http=http, session=boto) as bucket:
            await bucket.presign("warm-up", 1)  # making the client reads models from the disk, once for the process
            calm_interpreter()  # when all is built, as the service does
            usage, turns = Usage(), Turns()
            listed = await list_all(bucket, "many/", "", 2 * MANY, usage)
            turns.stop()
    print(
        f"{len(listed)} keys, {usage.requests} requests, {turns.count} turns, the longest {turns.longest * 1000:.1f} ms"
    )
    assert len(listed) == MANY
    assert turns.count > usage.requests
    assert turns.longest < LONGEST_SECONDS
