"""One message to one endpoint, signed by Standard Webhooks, and what its answer means.

The place is somebody else's choice: its name is resolved once, every address is checked, redirects are not followed,
and of the answer nothing but its status and `Retry-After` is looked at.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import aiohttp
from standardwebhooks import Webhook
from yarl import URL

from service.headers import parse_retry_after
from service.page_url import ParsedUrl
from service.resolver import ForbiddenAddressError, check_peer, connector_to

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
    """What came of it. `error` is a word of ours, never text of theirs."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None


SendPost = Callable[[Post], Awaitable[Response]]
"""Sends, within `post.timeout_seconds`; never raises for what the other side does."""


def signed_headers(message_id: str, body: str, secrets: Sequence[str], now: float) -> dict[str, str]:
    """The headers of Standard Webhooks; each live secret signs, so that a receiver may change its own at leisure."""
    at = datetime.fromtimestamp(int(now), UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Pagereel",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets),
    }


async def send_post(post: Post) -> Response:
    """Send over a connection of its own to an address that was checked."""
    try:
        async with (
            asyncio.timeout(post.timeout_seconds),
            aiohttp.ClientSession(
                connector=connector_to(post.target),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
            ) as http,
            http.post(
                URL(post.target.text, encoded=True), data=post.body, headers=post.headers, allow_redirects=False
            ) as response,
        ):
            check_peer(post.target, response)
            return judge(response.status, response.headers.get("Retry-After"), datetime.now(UTC))
    except ForbiddenAddressError:
        return Response(Outcome.FAILING, error="forbidden_address")
    except TimeoutError:
        return Response(Outcome.FAILING, error="timeout")
    except aiohttp.ClientConnectorCertificateError:
        return Response(Outcome.FAILING, error="certificate")
    except aiohttp.ClientConnectorDNSError:
        return Response(Outcome.FAILING, error="no_such_host")
    except Exception:  # a library fails at what it was sent with more than its own errors
        return Response(Outcome.FAILING, error="no_connection")


def judge(status: int, retry_after: str | None, now: datetime) -> Response:
    """What a status means. Any 2xx is a yes; a redirect is none: it would lead past the checks."""
    if 200 <= status < 300:
        return Response(Outcome.DELIVERED, status)
    wait = parse_retry_after(retry_after, now.timestamp())
    if status == _GONE:
        return Response(Outcome.GONE, status, "gone")
    if status >= 500 or status in _BUSY:
        return Response(Outcome.FAILING, status, "busy" if status in _BUSY else "server_error", wait)
    return Response(Outcome.REFUSED, status, "redirect" if 300 <= status < 400 else "refused", wait)
