"""One message to one endpoint, signed by Standard Webhooks, and what its answer means.

The place is somebody else's choice: its name is resolved once, every address is checked, redirects are not followed.
Status and `Retry-After` of the answer decide what comes next. The first kilobyte of its body is kept for the owner of
the message, and is interpreted by nobody.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from standardwebhooks import Webhook
from yarl import URL

from service.http.calls import log_call
from service.http.headers import parse_retry_after
from service.messages import DeliveryError
from service.urls.resolver import ForbiddenAddressError, check_peer, connector_to
from service.urls.rules import ParsedUrl

MOST_ANSWER_BYTES: Final = 1024
"""So much of an answer's body is kept."""
MOST_LOCATION_CHARACTERS: Final = 200

# An answer whose body does not come is an answer all the same.
_ANSWER_SECONDS: Final = 2.0
_GONE: Final = 410
_BUSY: Final = frozenset({408, 425, 429})


class Outcome(StrEnum):
    """What an answer means. `REFUSED`: this message is not liked; `FAILING`: the endpoint is not well."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent where. The URL may hold a key and is in no repr."""

    target: ParsedUrl
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    timeout_seconds: float = 15


@dataclass(frozen=True, slots=True)
class Response:
    """What came of it. `error` is never text of theirs; `body` is the beginning of theirs. It may
    hold a secret and is in no repr."""

    outcome: Outcome
    status: int | None = None
    error: DeliveryError | None = None
    retry_after_seconds: float | None = None
    body: bytes = field(default=b"", repr=False)


SendPost = Callable[[Post], Awaitable[Response]]
"""Sends, within `post.timeout_seconds`; never raises for what the other side does."""


def signed_headers(message_id: str, body: str, secrets: Sequence[str], now: float) -> dict[str, str]:
    """The headers of Standard Webhooks; each live secret signs, so that a receiver may change its own at leisure."""
    at = datetime.fromtimestamp(int(now), UTC)
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "Pagereel",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets),
    }


async def send_post(post: Post) -> Response:
    """Send over a connection of its own to an address that was checked."""
    began = time.monotonic()
    response = await _send_post(post)
    log_call("POST", post.target.text, response.status, time.monotonic() - began, path=False)  # its path may be a key
    return response


async def _send_post(post: Post) -> Response:
    try:
        async with _session(post.target) as http:
            async with asyncio.timeout(post.timeout_seconds):
                response = await http.post(
                    URL(post.target.text, encoded=True), data=post.body, headers=post.headers, allow_redirects=False
                )
            async with response:
                check_peer(post.target, response)
                judged = judge(response.status, response.headers.get("Retry-After"), datetime.now(UTC))
                led = (
                    shown_location(response.headers.get("Location")) if judged.error is DeliveryError.REDIRECT else b""
                )
                return replace(judged, body=(led + await _read_beginning(response))[:MOST_ANSWER_BYTES])
    except Exception as error:  # a library fails at what it was sent with more than its own errors
        return Response(Outcome.FAILING, error=error_of(error))


async def send_head(target: ParsedUrl, timeout_seconds: float) -> int:
    """The status that a HEAD request gets by the same way. It is unsigned and empty: nobody takes it for a message.
    Raises what aiohttp does, `TimeoutError` or `ForbiddenAddressError`."""
    async with _session(target) as http, asyncio.timeout(timeout_seconds):
        url = URL(target.text, encoded=True)
        async with http.head(url, headers={"User-Agent": "Pagereel"}, allow_redirects=False) as response:
            check_peer(target, response)
            return response.status


def _session(target: ParsedUrl) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector_to(target),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        auto_decompress=False,
    )


def error_of(error: Exception) -> DeliveryError:
    """Why there is no answer that can be understood. The order matters: most of these are kinds of one another."""
    match error:
        case ForbiddenAddressError():
            return DeliveryError.FORBIDDEN_ADDRESS
        case TimeoutError():
            return DeliveryError.TIMEOUT
        case aiohttp.ClientConnectorCertificateError():
            return DeliveryError.CERTIFICATE
        case aiohttp.ClientConnectorSSLError():
            return DeliveryError.TLS
        case aiohttp.ClientConnectorDNSError():
            return DeliveryError.NO_SUCH_HOST
        case aiohttp.ClientConnectorError():
            return DeliveryError.NO_CONNECTION
        case aiohttp.ServerDisconnectedError() | OSError():
            return DeliveryError.NO_ANSWER
    return DeliveryError.BAD_ANSWER


async def _read_beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first kilobyte of a body, or what comes of it in time."""
    body = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            while len(body) < MOST_ANSWER_BYTES and (piece := await response.content.read(MOST_ANSWER_BYTES)):
                body += piece
    return bytes(body[:MOST_ANSWER_BYTES])


def shown_location(given: str | None) -> bytes:
    """Where a redirect leads, as the first line of what is kept of its answer: without what may be a secret."""
    try:
        parts = urlsplit(given or "")
        port = "" if parts.port is None else f":{parts.port}"
        host = f"//{parts.hostname}{port}" if parts.hostname else ""
    except ValueError:
        return b""
    shown = f"{parts.scheme}:{host}{parts.path}" if parts.scheme else f"{host}{parts.path}"
    return f"Location: {shown[:MOST_LOCATION_CHARACTERS]}\n".encode("utf-8", "replace") if shown else b""


def judge(status: int, retry_after: str | None, now: datetime) -> Response:
    """What a status means. Any 2xx is a yes; a redirect is none: it would lead past the checks."""
    if 200 <= status < 300:
        return Response(Outcome.DELIVERED, status)
    wait = parse_retry_after(retry_after, now.timestamp())
    if status == _GONE:
        return Response(Outcome.GONE, status, DeliveryError.GONE)
    if status >= 500 or status in _BUSY:
        error = DeliveryError.BUSY if status in _BUSY else DeliveryError.SERVER_ERROR
        return Response(Outcome.FAILING, status, error, wait)
    error = DeliveryError.REDIRECT if 300 <= status < 400 else DeliveryError.REFUSED
    return Response(Outcome.REFUSED, status, error, wait)
