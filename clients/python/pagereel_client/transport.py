"""One call over HTTP: its token, its time limit, and repeating it where that is safe.

Safe is what surely was not done (nobody reached, 429, 503), and what may be done twice without harm. Anything else that
was sent and not answered is `UnknownOutcome`, never a second try.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import aiohttp

from pagereel_client.errors import (
    BadAnswer,
    InternalProblem,
    Limited,
    PagereelError,
    Unavailable,
    UnknownOutcome,
    Unreachable,
    problem_of,
)

REDIRECTS: Final = range(300, 400)
ERRORS: Final = 400

Query = Mapping[str, str | int | bool | datetime | list[str] | None]


@dataclass(frozen=True, slots=True)
class Patience:
    """`call_seconds`: for one try, beyond what the service was asked to wait. `total_seconds`: for all tries of a call.

    Between tries: `first_pause_seconds`, then twice as long each time, a third more or less; `Retry-After` where the
    service says so.
    """

    call_seconds: float = 30
    total_seconds: float = 90
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 15


@dataclass(frozen=True, slots=True)
class Transport:
    """Calls one service with one token, which is in no repr and no error."""

    url: str
    http: aiohttp.ClientSession = field(repr=False)
    token: str = field(repr=False)
    patience: Patience

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        wait_seconds: float = 0,
    ) -> bytes:
        """The body of a success. `repeatable`: doing it twice is as good as once."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience.total_seconds + wait_seconds
        sent = {
            "params": _texts(query or {}),
            "data": None if body is None else json.dumps(body, default=_text),
            "headers": {
                "Authorization": f"Bearer {self.token}",
                **({} if body is None else {"Content-Type": "application/json"}),
                **(headers or {}),
            },
            "timeout": aiohttp.ClientTimeout(total=self.patience.call_seconds + wait_seconds),
        }
        pause = self.patience.first_pause_seconds
        while True:
            try:
                return await self._try(method, path, sent)
            except PagereelError as error:
                seconds = _pause(error, repeatable, pause)
                if seconds is None or loop.time() + seconds >= until:
                    raise
            await asyncio.sleep(seconds)
            pause = min(pause * 2, self.patience.longest_pause_seconds)

    async def _try(self, method: str, path: str, sent: dict[str, Any]) -> bytes:
        try:
            # A redirect would carry the token to whoever is named there.
            async with self.http.request(method, self.url + path, allow_redirects=False, **sent) as response:
                content = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"{self.url} cannot be reached") from error
        except aiohttp.InvalidURL as error:
            raise Unreachable(f"{self.url} is no URL") from error
        except TimeoutError as error:
            raise UnknownOutcome(f"{method} {path}: no answer in time") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise UnknownOutcome(f"{method} {path}: the connection broke") from error
        if response.status in REDIRECTS:
            raise BadAnswer(f"{self.url} leads elsewhere (HTTP {response.status})")
        if response.status >= ERRORS:
            raise problem_of(response.status, _json(content), _seconds(response.headers.get("Retry-After")))
        return content


def _pause(error: PagereelError, repeatable: bool, pause: float) -> float | None:
    """How long until the next try, or None where there must be none."""
    jittered = pause * random.uniform(2 / 3, 4 / 3)  # noqa: S311 - spreads callers, hides nothing
    if isinstance(error, (Limited, Unavailable)):
        return max(jittered, error.retry_after_seconds or 0)
    if isinstance(error, Unreachable):
        return jittered
    return jittered if repeatable and isinstance(error, (UnknownOutcome, InternalProblem)) else None


def _texts(query: Query) -> list[tuple[str, str]]:
    """The parameters that were given; a list is the parameter repeated."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, list):
            pairs += [(name, each) for each in value]
        elif value is not None:
            pairs.append((name, _text(value)))
    return pairs


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return instant(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def instant(at: datetime) -> str:
    """RFC 3339. Raises `ValueError` for a naive one: nobody knows which instant that is."""
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset: datetime.now(UTC), not datetime.now()")
    return at.isoformat(timespec="milliseconds")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _seconds(text: str | None) -> float | None:
    return float(text[:9]) if text and text.isascii() and text.isdigit() else None
