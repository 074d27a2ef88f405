"""Slices through the service, for the player on the console's page: a bucket's own address is of another origin, and
players may not read those. A few at a time, so that nobody's watching holds up what the service is for."""

import asyncio
from collections.abc import Awaitable, Callable

from service.errors import Code, OutsideError, ServiceError
from service.recording import Recording
from service.report import FileKind, JudgedFile

AT_ONCE = 4
WAIT_SECONDS = 10.0
FETCH_SECONDS = 20.0
# 15 s of Agora's highest bit rate are a quarter of that.
MOST_BYTES = 64 * 1024 * 1024

Fetch = Callable[[Recording, str, int], Awaitable[bytes | None]]
"""At most so many bytes of an object; None where it is not there, or is larger."""


class Playback:
    """Gives slices, at most four at once."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._places = asyncio.Semaphore(AT_ONCE)

    async def read_slice(self, recording: Recording, file: JudgedFile | None) -> bytes:
        """The bytes of a slice. Raises `not_found`; `limited` while too many are watching; `unavailable`."""
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
