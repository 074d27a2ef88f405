"""One delivery of a message to an endpoint, signed by Standard Webhooks, and the meaning of its answer.

Others choose the URL, so its name is resolved once, every address is checked, and redirects are not followed. Only the
status and `Retry-After` of the answer have an effect. The first kilobyte of its body is kept for the owner of the
message and not interpreted.
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
"""The number of bytes of an answer's body that are kept."""
MOST_LOCATION_CHARACTERS: Final = 200

# An answer is valid even if its body does not arrive in this time.
_ANSWER_SECONDS: Final = 2.0
_GONE: Final = 410
_BUSY: Final = frozenset({408, 425, 429})


class Outcome(StrEnum):
    """The meaning of an answer. `REFUSED`: the endpoint does not accept this message; `FAILING`: it does not work at
    present."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Post:
    """A request to an endpoint. The URL may contain a key and is hidden from the repr."""

    target: ParsedUrl
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    timeout_seconds: float = 15


@dataclass(frozen=True, slots=True)
class Response:
    """The result of a request. `error` never contains text of the answer. `body` is the beginning of its body, which
    may contain a secret and is hidden from the repr."""

    outcome: Outcome
    status: int | None = None
    error: DeliveryError | None = None
    retry_after_seconds: float | None = None
    body: bytes = field(default=b"", repr=False)


SendPost = Callable[[Post], Awaitable[Response]]
"""Sends within `post.timeout_seconds` and returns the result of every failure of the other side; it never raises for
one."""


def signed_headers(message_id: str, body: str, secrets: Sequence[str], now: float) -> dict[str, str]:
    """Return the headers of Standard Webhooks. Every live secret signs, so that the receiver can change its own at any
    time."""
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
    """Send over a new connection to a checked address."""
    began = time.monotonic()
    response = await _send_post(post)
    log_call("POST", post.target.text, response.status, time.monotonic() - began, path=False)  # the path may be a key
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
    except Exception as error:  # the library may raise other errors than its own for invalid data
        return Response(Outcome.FAILING, error=error_of(error))


async def send_head(target: ParsedUrl, timeout_seconds: float) -> int:
    """Return the status of a HEAD request over the same path. It is unsigned and empty, so it cannot be taken for a
    message. Raise the errors of aiohttp, `TimeoutError` or `ForbiddenAddressError`."""
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
    """Return the reason for a missing or invalid answer. The order matters, because most of these classes are
    subclasses of others."""
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
    """Return the first kilobyte of a body, or the part that arrives in time."""
    body = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            while len(body) < MOST_ANSWER_BYTES and (piece := await response.content.read(MOST_ANSWER_BYTES)):
                body += piece
    return bytes(body[:MOST_ANSWER_BYTES])


def shown_location(given: str | None) -> bytes:
    """Return a line with the target of a redirect, without parts that may be secret. It precedes the kept body."""
    try:
        parts = urlsplit(given or "")
        port = "" if parts.port is None else f":{parts.port}"
        host = f"//{parts.hostname}{port}" if parts.hostname else ""
    except ValueError:
        return b""
    shown = f"{parts.scheme}:{host}{parts.path}" if parts.scheme else f"{host}{parts.path}"
    return f"Location: {shown[:MOST_LOCATION_CHARACTERS]}\n".encode("utf-8", "replace") if shown else b""


def judge(status: int, retry_after: str | None, now: datetime) -> Response:
    """Return the meaning of a status. Any 2xx is a success; a redirect is refused, because it would bypass the
    checks."""
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
