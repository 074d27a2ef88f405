"""Repeats requests that a store did not answer, within one verification, so that a temporary failure does not decide
the verdict."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from service.buckets import Bucket, Fetched, Headed, Usage
from service.buckets.borrowed import BorrowedBucket
from service.buckets.listing.walking import Walk
from service.errors import OutsideError, Unavailable
from service.report import ListedObject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of repetition. `object_seconds` bounds all requests for one object, or for one page of a listing, with
    the waits between them. At least half of it remains after the first failure, since a request may have waited long
    for its slot. The first wait is `first_wait_seconds`, later ones double up to `longest_wait_seconds`; each is
    randomly shortened to at least half. A longer Retry-After is honoured.

    The store counts as down if `down_objects` different objects failed consecutively and nothing was answered for
    `down_seconds` since the first of them. Then no request is repeated.
    """

    object_seconds: float = 60.0
    first_wait_seconds: float = 0.25
    longest_wait_seconds: float = 8.0
    down_objects: int = 8
    down_seconds: float = 15.0


class PatientBucket(BorrowedBucket):
    """Wraps `bucket` for one verification: a `fetch`, a `head` or a page of `list_objects` that raises `Unavailable` is
    repeated according to `patience`; `Refused` and every answer pass at once. Safe to share between tasks. The owner
    closes the bucket."""

    def __init__(
        self,
        bucket: Bucket,
        patience: Patience = Patience(),
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(bucket)
        self._patience = patience
        self._sleep = sleep
        self._now = now
        self._chance = chance
        self._failing: set[str] = set()
        self._failing_since = 0.0
        self._down: Unavailable | None = None

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: Walk | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        """List with repetition; see `Bucket`."""
        usage, walk = usage or Usage(), walk or Walk(after)
        trouble = _Trouble(self._now())
        while True:
            self._check_up()
            try:
                pages = self._bucket.list_objects(prefix, after, usage=usage, walk=walk)
                async with aclosing(pages):  # type: ignore[type-var] # every bucket's is a generator
                    async for page in pages:
                        self._failing.clear()
                        yield page
                        trouble = _Trouble(self._now())
                return
            except Unavailable as error:
                await self._wait(prefix, error, trouble, usage)

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """Fetch with repetition; see `Bucket`."""
        return await self._repeat(key, lambda: self._bucket.fetch(key, max_bytes, span=span, usage=usage), usage)

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Return size and ETag with repetition; see `Bucket`."""
        return await self._repeat(key, lambda: self._bucket.head(key, usage=usage), usage)

    async def _repeat(self, key: str, ask: Callable[[], Awaitable[T]], usage: Usage | None) -> T:
        trouble = _Trouble(self._now())
        while True:
            self._check_up()
            left = None if trouble.failed is None else max(0.0, trouble.until - self._now())
            try:
                async with asyncio.timeout(left):
                    answer = await ask()
            except TimeoutError:
                raise trouble.failed or Unavailable("storage_unreachable", "no answer in time") from None
            except Unavailable as error:
                await self._wait(key, error, trouble, usage or Usage())
            except OutsideError:
                self._failing.clear()  # the store is up and refuses
                raise
            else:
                self._failing.clear()
                return answer

    async def _wait(self, key: str, failed: Unavailable, trouble: "_Trouble", usage: Usage) -> None:
        """Wait before the next try. Raise `failed` if no try remains."""
        self._note(key, failed)
        self._check_up()
        now, patience = self._now(), self._patience
        if trouble.failed is None:
            trouble.until = max(trouble.began + patience.object_seconds, now + patience.object_seconds / 2)
        trouble.failed = failed
        longest = min(patience.first_wait_seconds * 2**trouble.tries, patience.longest_wait_seconds)
        wait = max(longest * (1 + self._chance()) / 2, failed.retry_after_seconds or 0.0)
        if now + wait >= trouble.until:
            raise failed
        trouble.tries += 1
        usage.repeats += 1
        await self._sleep(wait)

    def _note(self, key: str, failed: Unavailable) -> None:
        now, patience = self._now(), self._patience
        if not self._failing:
            self._failing_since = now
        self._failing.add(key)
        if len(self._failing) >= patience.down_objects and now - self._failing_since >= patience.down_seconds:
            self._down = failed

    def _check_up(self) -> None:
        if self._down is not None:
            raise Unavailable(
                self._down.code,
                f"the store does not answer any more ({self._down.detail})",
                retry_after_seconds=self._down.retry_after_seconds,
            )


@dataclass(slots=True)
class _Trouble:
    """The tries for one object or page: the start of the first, the number of failed ones, the last error, and the end
    of the time for further ones."""

    began: float
    tries: int = 0
    failed: Unavailable | None = None
    until: float = 0.0
