"""Sends one request to a store of any vendor: bounded, counted, limited in concurrency, with the errors of this
package."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

import aiohttp
from yarl import URL

from metrics.verification import bucket_answered, bucket_dated, bucket_read
from service.buckets import Fetched, Headed, Usage
from service.buckets.answers import Absent, PastEnd, read_refusal
from service.buckets.listing.page import BITE_BYTES, NotAListing, PageReader
from service.buckets.values import parse_checksum
from service.errors import OutsideError, Refused, Unavailable
from service.http.calls import log_call
from service.http.connections import exchange_reason
from service.http.headers import parse_content_range, parse_count, parse_encoding, parse_etag

_CHUNK = 65_536
_REFUSAL_BYTES = 4096
_CONNECT_SECONDS = 10.0
_LONGEST_NAME = 80
# Headers from proxies are accepted within a memory limit of 128 MiB per answer.
_HEADER_BYTES = 131_072
_HEADERS = 1000
_UNSAID: Final = ("Content-Type",)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)

Reader = TypeVar("Reader", bound=PageReader)


class Wire:
    """The connection to one bucket. `deadline_seconds` bounds each request including its answer's body, `concurrency`
    the concurrent requests: others wait for a slot, and the wait is not part of the deadline."""

    def __init__(
        self,
        bucket: str,
        http: aiohttp.ClientSession,
        clock: Callable[[], float],
        deadline_seconds: float,
        concurrency: int,
    ) -> None:
        self._bucket = bucket
        self._http = http
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._turns = asyncio.Semaphore(concurrency)
        self.place = ""
        """Host and port of the bucket, set by the first request; all requests have the same."""

    def asking(self, operation: str, usage: Usage) -> "_Asking":
        """Return a context for one request with its answer. Any exception of a library inside becomes `Unavailable`, so
        that its failure on a store's data ends only this request."""
        return _Asking(self, operation, usage, self._turns, self._deadline_seconds)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any = None,
        *,
        object_asked: bool = False,
        unpacked: bool = False,
    ) -> aiohttp.ClientResponse:
        """Send one signed request; every request to the bucket uses this method. Raise OutsideError for an answer of
        300 or more, and aiohttp's own errors. `unpacked`: a Content-Encoding of the answer is decoded."""
        target = URL(url, encoded=True)
        self.place = f"{target.host_subcomponent}:{target.port}"
        response = await self._request(
            method,
            target,
            headers={**headers, "Accept-Encoding": "identity"},
            data=body or None,
            allow_redirects=False,
            skip_auto_headers=_UNSAID if body else None,
            timeout=_TIMEOUT,
            auto_decompress=unpacked,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            max_headers=_HEADERS,
        )
        bucket_dated(response.headers.get("Date"), self._clock())
        if response.status < 300:
            return response
        try:
            refusal = await response.content.read(_REFUSAL_BYTES)
        finally:
            response.close()
        raise read_refusal(
            *(response.status, response.headers, refusal, self._clock()), object_asked=object_asked, bucket=self._bucket
        )

    async def _request(self, method: str, target: URL, **how: Any) -> aiohttp.ClientResponse:
        began, status = time.monotonic(), None
        try:
            response = await self._http.request(method, target, **how)
            status = response.status
        finally:
            log_call(method, str(target), status, time.monotonic() - began)
        return response

    async def read_page(self, response: aiohttp.ClientResponse, page: Reader, usage: Usage) -> Reader:
        """Feed the answer to `page`."""
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                usage.bytes_read += len(chunk)
                bucket_read("list", len(chunk))
                for start in range(0, len(chunk), BITE_BYTES):
                    page.feed(chunk[start : start + BITE_BYTES])
                    # Reading a full buffer never suspends, so other tasks would wait for the whole page.
                    await asyncio.sleep(0)
            page.close()
        finally:
            response.close()
        return page

    async def read_object(
        self, response: aiohttp.ClientResponse, max_bytes: int, span: tuple[int, int] | None, usage: Usage
    ) -> Fetched:
        """Return at most `max_bytes` of the answer to a GET of an object, or of its bytes `span`. Raise `Unavailable`
        if it is not the requested part, and aiohttp's own errors."""
        content = await self._read_body(response, max_bytes + 1, usage)
        headers, cut = response.headers, len(content) > max_bytes
        first, last, size = parse_content_range(headers.get("Content-Range", "")) if span else (None, None, None)
        if response.status not in (200, 206):
            raise Unavailable("storage_unreachable", f"status {response.status} gives no object")
        if span and first is not None and first != span[0]:
            raise Unavailable("storage_unreachable", "the store gives another part than it was asked for")
        if first is not None and last is not None and not cut and len(content) != last - first + 1:
            raise Unavailable("storage_unreachable", "the answer does not hold the part that it names")
        if not span:
            size = parse_count(headers.get("Content-Length", ""))
        return Fetched(
            content[:max_bytes],
            parse_etag(headers.get("ETag", "")),
            size,
            cut,
            parse_encoding(", ".join(headers.getall("Content-Encoding", ()))),
            None if span else parse_checksum(headers),
        )

    async def _read_body(self, response: aiohttp.ClientResponse, most: int, usage: Usage) -> bytes:
        chunks: list[bytes] = []
        left, stream = most, response.content
        try:
            while left > 0 and not stream.at_eof() and (chunk := await stream.read(min(_CHUNK, left))):
                left -= len(chunk)
                usage.bytes_read += len(chunk)
                bucket_read("get", len(chunk))
                chunks.append(chunk)
        finally:
            response.close()
        return b"".join(chunks)


class _Asking:
    """The context of `Wire.asking`. It is a class, because a generator costs a tenth of a request."""

    def __init__(
        self, wire: Wire, operation: str, usage: Usage, turns: asyncio.Semaphore, deadline_seconds: float
    ) -> None:
        self._wire = wire
        self._operation = operation
        self._usage = usage
        self._turns = turns
        self._deadline_seconds = deadline_seconds
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> None:
        self._usage.requests += 1
        await self._turns.acquire()
        self._started = self._loop.time()
        self._deadline = asyncio.timeout(self._deadline_seconds)
        await self._deadline.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.release()
        outcome = "unavailable"
        try:
            await self._deadline.__aexit__(kind, error, trace)
            outcome = "ok" if error is None else _outcome(error)
            if isinstance(error, OutsideError):
                error.locate(self._wire.place)
            elif isinstance(error, Exception):
                raise _unavailable(error, self._wire.place) from error
        except TimeoutError as late:
            raise _unavailable(late, self._wire.place) from late
        finally:
            bucket_answered(self._operation, outcome, self._loop.time() - self._started)


def _outcome(error: BaseException) -> str:
    if isinstance(error, Absent):
        return "missing"
    if isinstance(error, PastEnd):
        return "ok"
    return "refused" if isinstance(error, Refused) else "unavailable"


def _unavailable(error: Exception, place: str) -> Unavailable:
    if isinstance(error, NotAListing):
        told = f"the answer is no listing: {error}"
    elif (reason := exchange_reason(error)) is not None:
        told = reason
    else:
        told = f"unexpected error {type(error).__name__[:_LONGEST_NAME]}"
    found = Unavailable("storage_unreachable", told)
    found.locate(place)
    return found


def read_head(response: aiohttp.ClientResponse) -> Headed:
    """Return the size and ETag in an answer to HEAD. Raise `Unavailable` if it does not state the size."""
    response.close()
    size = parse_count(response.headers.get("Content-Length", ""))
    if size is None:
        raise Unavailable("storage_unreachable", "the store does not say how large the object is")
    return Headed(size, parse_etag(response.headers.get("ETag", "")))
