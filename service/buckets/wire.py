"""One request to a store: bounded, counted, taken in turns, and with the errors of this room. Knows no vendor."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError
from yarl import URL

from metrics.verification import bucket_answered, bucket_dated, bucket_read
from service.buckets import Usage
from service.buckets.answers import Absent, read_refusal
from service.buckets.listing import BITE_BYTES, NotAListing, PageReader
from service.errors import OutsideError, Refused, Unavailable

_CHUNK = 65_536
_REFUSAL_BYTES = 4096
_CONNECT_SECONDS = 10.0

Reader = TypeVar("Reader", bound=PageReader)


class Wire:
    """The way to one bucket. `deadline_seconds` bounds each request with its answer's body, `concurrency` how many of
    them are under way at once: others wait for their turn, and the wait is not part of the deadline."""

    def __init__(
        self, http: aiohttp.ClientSession, clock: Callable[[], float], deadline_seconds: float, concurrency: int
    ) -> None:
        self._http = http
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._turns = asyncio.Semaphore(concurrency)

    @asynccontextmanager
    async def asking(self, operation: str, usage: Usage) -> AsyncIterator[None]:
        """One request with its answer."""
        usage.requests += 1
        outcome = "unavailable"
        async with self._turns:
            started = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(self._deadline_seconds):
                    yield
                outcome = "ok"
            except OutsideError as error:
                outcome = "missing" if isinstance(error, Absent) else outcome
                outcome = "refused" if isinstance(error, Refused) else outcome
                raise
            except TimeoutError as error:
                raise Unavailable("storage_unreachable", "no whole answer in time") from error
            except NotAListing as error:
                raise Unavailable("storage_unreachable", f"the answer is no listing: {error}") from error
            except (aiohttp.ClientError, OSError, BotoCoreError, ClientError) as error:
                raise Unavailable("storage_unreachable", type(error).__name__) from error
            finally:
                bucket_answered(operation, outcome, asyncio.get_running_loop().time() - started)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, *, object_asked: bool
    ) -> aiohttp.ClientResponse:
        """Send one signed request; every request to the bucket goes through here. Raises OutsideError for an answer
        of 300 or more, and aiohttp's own errors."""
        response = await self._http.request(
            method,
            URL(url, encoded=True),
            headers={**headers, "Accept-Encoding": "identity"},
            data=body or None,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        )
        bucket_dated(response.headers.get("Date"), self._clock())
        if response.status < 300:
            return response
        try:
            refusal = await response.content.read(_REFUSAL_BYTES)
        finally:
            response.close()
        raise read_refusal(response.status, response.headers, refusal, object_asked=object_asked)

    async def read_page(self, response: aiohttp.ClientResponse, page: Reader, usage: Usage) -> Reader:
        """Feed the answer to `page`."""
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                usage.bytes_read += len(chunk)
                bucket_read("list", len(chunk))
                for start in range(0, len(chunk), BITE_BYTES):
                    page.feed(chunk[start : start + BITE_BYTES])
                    # A full buffer never suspends, so others would wait until the whole page is read.
                    await asyncio.sleep(0)
            page.close()
        finally:
            response.close()
        return page

    async def read_body(self, body: Any, most: int, usage: Usage) -> bytes:
        """At most `most` bytes of what can be read and closed."""
        chunks: list[bytes] = []
        left = most
        try:
            while left > 0 and (chunk := await body.read(min(_CHUNK, left))):
                left -= len(chunk)
                usage.bytes_read += len(chunk)
                bucket_read("get", len(chunk))
                chunks.append(chunk)
        finally:
            body.close()
        return b"".join(chunks)
