"""One outgoing HTTP request, and the interface that the simulation replaces.

It never follows a redirect and never reads an answer of unlimited size.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from yarl import URL

from service.http.calls import log_call
from service.http.connections import exchange_reason

MAX_ANSWER_BYTES: Final = 1024 * 1024
CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `url` and `body` contain secrets and `headers` the credentials, so the repr shows only the method."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout_seconds: float = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. The names of `headers` are in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class NotSentError(Exception):
    """The request was certainly not sent: no address, no connection, no TLS."""


class NoAnswerError(Exception):
    """The request may have been carried out, but no complete answer arrived in time."""


Send = Callable[[Request], Awaitable[Answer]]
"""Returns the answer, or raises `NotSentError` or `NoAnswerError`, within `request.timeout_seconds`."""


@asynccontextmanager
async def open_sender() -> AsyncIterator[Send]:
    """Return a `Send` over aiohttp with its own connection pool.

    Connections are kept only for 4 s (acquire, then start), because a stale one would give a start an unknown outcome.
    """
    connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=4, ttl_dns_cache=30)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[_trace_connection()]
    ) as session:
        yield _Sender(session)


def _words(error: Exception) -> str:
    """Return the reason for an error. An unexpected error is named only by its type, because its text may contain
    secrets."""
    return exchange_reason(error) or f"unexpected error {type(error).__name__}"


def _trace_connection() -> aiohttp.TraceConfig:
    """Record on the request that it has a connection: only a request without one was certainly not sent."""

    async def connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
        context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


class _Sender:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, request: Request) -> Answer:
        progress = SimpleNamespace(connected=False)
        began, status = time.monotonic(), None
        try:
            async with asyncio.timeout(request.timeout_seconds):
                answer = await self._exchange(request, progress)
            status = answer.status
            return answer
        except aiohttp.ClientResponseError as error:  # contains the request's headers, so it is not chained
            raise NoAnswerError(_words(error)) from None
        except NoAnswerError:
            raise
        except Exception as error:  # the library may raise other errors than its own for invalid data
            kind = NoAnswerError if progress.connected else NotSentError
            raise kind(_words(error)) from error
        finally:
            log_call(request.method, request.url, status, time.monotonic() - began)

    async def _exchange(self, request: Request, progress: SimpleNamespace) -> Answer:
        connecting = min(CONNECT_SECONDS, request.timeout_seconds)
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=connecting, sock_connect=connecting),
            trace_request_ctx=progress,
        ) as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(65536):
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise NoAnswerError("oversize")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, bytes(body), headers)
