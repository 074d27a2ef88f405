"""Reports that a bucket does not answer while a verification keeps requesting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Final, TypeVar

from service.buckets import Bucket, Fetched, Headed, Usage
from service.buckets.borrowed import BorrowedBucket
from service.buckets.listing.walking import Walk
from service.errors import OutsideError, Unavailable
from service.report import ListedObject

T = TypeVar("T")
Tell = Callable[[OutsideError | None], None]

# The time without an answer before a report: a single failed request is repeated at once.
SILENT_SECONDS: Final = 1.0


class Troubles:
    """The callbacks of the running verifications, by recording."""

    def __init__(self) -> None:
        self._told: dict[str, Tell] = {}

    @contextmanager
    def telling(self, recording_id: str, tell: Tell) -> Iterator[None]:
        """Call `tell` until the block ends: with the error once the recording's bucket has not answered for
        `SILENT_SECONDS`, and with None when it answers again. Two verifications of one recording overlap if the first
        has lost its claim; then the later callback is used."""
        self._told[recording_id] = tell
        try:
            yield
        finally:
            if self._told.get(recording_id) is tell:
                del self._told[recording_id]

    def watch(self, recording_id: str, bucket: Bucket) -> Bucket:
        """Return `bucket`, watched if the recording has a callback."""
        tell = self._told.get(recording_id)
        return bucket if tell is None else _WatchedBucket(bucket, tell)


class _WatchedBucket(BorrowedBucket):
    """Reports the times without an answer of a bucket."""

    def __init__(self, bucket: Bucket, tell: Tell) -> None:
        super().__init__(bucket)
        self._tell = tell
        self._now = asyncio.get_running_loop().time
        self._silent_since: float | None = None
        self._is_told = False

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: Walk | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        """List and watch; see `Bucket`."""
        began = self._now()
        pages = self._bucket.list_objects(prefix, after, usage=usage, walk=walk)
        try:
            async with aclosing(pages):  # type: ignore[type-var] # every bucket's is a generator
                async for page in pages:
                    self._answered()
                    yield page
                    began = self._now()
        except Unavailable as error:
            self._failed(error, began)
            raise

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """Fetch and watch; see `Bucket`."""
        return await self._heard(self._bucket.fetch(key, max_bytes, span=span, usage=usage))

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Return size and ETag and watch; see `Bucket`."""
        return await self._heard(self._bucket.head(key, usage=usage))

    async def _heard(self, asking: Awaitable[T]) -> T:
        began = self._now()
        try:
            answer = await asking
        except Unavailable as error:
            self._failed(error, began)
            raise
        self._answered()
        return answer

    def _failed(self, error: Unavailable, began: float) -> None:
        if self._silent_since is None:
            self._silent_since = began
        if not self._is_told and self._now() - self._silent_since >= SILENT_SECONDS:
            self._is_told = True
            self._tell(error)

    def _answered(self) -> None:
        self._silent_since = None
        if self._is_told:
            self._is_told = False
            self._tell(None)
