"""Tells who waits for a look at a bucket that the bucket does not answer it, while the look goes on asking."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Final, TypeVar

from service.buckets import Bucket, Fetched, Headed, Usage
from service.buckets.walking import Walk
from service.errors import OutsideError, Unavailable
from service.report import ListedObject

T = TypeVar("T")
Tell = Callable[[OutsideError | None], None]

# A bucket that has answered nothing for so long is told of: a single request that fails is repeated at once.
SILENT_SECONDS: Final = 1.0


class Troubles:
    """Who is told of which recording."""

    def __init__(self) -> None:
        self._told: dict[str, Tell] = {}

    @contextmanager
    def telling(self, recording_id: str, tell: Tell) -> Iterator[None]:
        """Until the block ends `tell` is called with the error once a bucket of the recording has answered nothing for
        `SILENT_SECONDS`, and with None when it answers again. Two looks at one recording may overlap, where the first
        has lost its claim: the later one is told."""
        self._told[recording_id] = tell
        try:
            yield
        finally:
            if self._told.get(recording_id) is tell:
                del self._told[recording_id]

    def watch(self, recording_id: str, bucket: Bucket) -> Bucket:
        """`bucket` as it is, or one that is listened to where somebody is told of the recording."""
        tell = self._told.get(recording_id)
        return bucket if tell is None else _WatchedBucket(bucket, tell)


class _WatchedBucket:
    """`bucket`, with an ear to what it answers. Whoever lends the bucket closes it."""

    def __init__(self, bucket: Bucket, tell: Tell) -> None:
        self._bucket = bucket
        self._tell = tell
        self._now = asyncio.get_running_loop().time
        self._silent_since: float | None = None
        self._is_told = False

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: Walk | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        """As the bucket's own."""
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
        """As the bucket's own."""
        return await self._heard(self._bucket.fetch(key, max_bytes, span=span, usage=usage))

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """As the bucket's own."""
        return await self._heard(self._bucket.head(key, usage=usage))

    async def presign(self, key: str, seconds: int) -> str:
        """As the bucket's own: no request is made."""
        return await self._bucket.presign(key, seconds)

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """As the bucket's own."""
        return await self._bucket.probe_read(prefix)

    async def probe_write(self, key: str) -> None:
        """As the bucket's own."""
        await self._bucket.probe_write(key)

    async def close(self) -> None:
        """Nothing is held."""

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
