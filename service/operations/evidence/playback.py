"""Slices for the player on the console's page, because the page's origin may not read the bucket. Concurrency is
limited so that viewers do not slow down recordings."""

import asyncio
from collections.abc import Awaitable, Callable

from service.errors import Code, OutsideError, ServiceError
from service.recording import Recording
from service.report import FileKind, JudgedFile

AT_ONCE = 4
WAIT_SECONDS = 10.0
FETCH_SECONDS = 20.0
# 15 s at Agora's highest bit rate need a quarter of this size.
MOST_BYTES = 64 * 1024 * 1024

Fetch = Callable[[Recording, str, int], Awaitable[bytes | None]]
"""Returns an object of at most this many bytes, or None if the object does not exist or is larger."""


class Playback:
    """Reads slices, at most four at once."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._places = asyncio.Semaphore(AT_ONCE)

    async def read_slice(self, recording: Recording, file: JudgedFile | None) -> bytes:
        """Return the bytes of a slice. Raise `not_found` or `unavailable`, or `limited` if too many viewers are
        reading."""
        if file is None or not file.listed or file.kind is not FileKind.SLICE:
            raise ServiceError(Code.NOT_FOUND, "no such slice")
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise ServiceError(
                Code.LIMITED,
                f"{AT_ONCE} slices are being read for viewers already: try again soon",
                retry_after_seconds=5,
            ) from None
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                content = await self._fetch(recording, file.key, MOST_BYTES)
        except (OutsideError, TimeoutError) as error:
            raise ServiceError(Code.UNAVAILABLE, "the slice could not be read from the bucket") from error
        finally:
            self._places.release()
        if content is None:
            raise ServiceError(Code.NOT_FOUND, "no such slice")
        return content
