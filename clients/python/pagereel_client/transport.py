"""One call over HTTP: its token, its time limit, and repeating it where that is safe.

Safe is what surely was not done (nobody reached, 429, 503), and what may be done twice without harm. Anything else that
was sent and not answered is `UnknownOutcome`, never a second try.
"""

import asyncio
import json
import logging
import os
import random
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from pagereel_client.arguments import number
from pagereel_client.errors import (
    BadAnswer,
    ConfigurationError,
    InternalProblem,
    Limited,
    PagereelError,
    Problem,
    Unavailable,
    UnknownOutcome,
    Unreachable,
    problem_of,
)

REDIRECTS: Final = range(300, 400)
ERRORS: Final = 400
API_PATH: Final = "/v1"
TOKEN_BEGINNING: Final = "prl_"  # noqa: S105 - of every token

CLOSED: Final = "this client is closed: make a new one"

Query = Mapping[str, str | int | bool | datetime | list[str] | None]


_log: Final = logging.getLogger("pagereel_client")


@dataclass(frozen=True, slots=True)
class Patience:
    """`call_seconds`: for one try, beyond what the service was asked to wait; `connect_seconds`: for its connection.
    `total_seconds`: for all tries of a call. `first_seconds`: in its place while the service has never answered this
    client, so that a wrong URL is an error soon, and a restart of the service is none.

    Between tries: `first_pause_seconds`, then twice as long each time, a third more or less; `Retry-After` where the
    service says so.
    """

    call_seconds: float = 30
    total_seconds: float = 90
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 15
    connect_seconds: float = 5
    first_seconds: float = 10

    def __post_init__(self) -> None:
        for each in fields(self):
            number(each.name, getattr(self, each.name))


def checked_url(url: str, place: str = "the service's URL") -> str:
    """The service's URL without its last slash, and without the `/v1` that the paths of the API begin with. Raises
    `ConfigurationError`, which names the `place` and does not repeat the URL, for none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except (ValueError, AttributeError, TypeError):
        usable = False
    if not usable:
        raise ConfigurationError(f"{place} needs http:// or https:// and a host")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(f"{place} takes neither a user nor a query: the token says who calls")
    return url.rstrip("/").removesuffix(API_PATH).rstrip("/")


def checked_token(token: str, place: str = "the token") -> str:
    """The token. Raises `ConfigurationError`, which names the `place` and does not repeat the token, for what can be
    none."""
    if not token:
        raise ConfigurationError(f"{place} is empty")
    if not isinstance(token, str):
        raise ConfigurationError(f"{place} must be a string, not {type(token).__name__}")
    if not token.startswith(TOKEN_BEGINNING):
        raise ConfigurationError(f"{place} is no API token: a token looks like {TOKEN_BEGINNING}…")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(f"{place} has a line break, a blank or another character that no token has")
    return token


def checked_patience(patience: Patience | None) -> Patience:
    """The patience, or for None that of the defaults. Raises `TypeError` for anything else, such as a number."""
    if patience is None:
        return Patience()
    if not isinstance(patience, Patience):
        kind = type(patience).__name__
        raise TypeError(f"patience must be a Patience, such as Patience(first_seconds=3), not {kind}")
    return patience


@dataclass(slots=True)
class Transport:
    """Calls one service with one token, which is in no repr and no error. `answered`: whether it ever has.

    `given`: a session of the caller's; without it the first call makes one, in the loop that runs then.
    """

    url: str
    token: str = field(repr=False)
    given: aiohttp.ClientSession | None = field(repr=False)
    patience: Patience
    answered: bool = field(default=False, init=False)
    closed: bool = field(default=False, init=False)
    _own: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)

    def session(self) -> aiohttp.ClientSession:
        """The session of the running loop. Raises `RuntimeError` in another loop, and once it is closed."""
        if self.given is not None:
            return self.given
        if self.closed:
            raise RuntimeError(CLOSED)
        loop = asyncio.get_running_loop()
        if self._own is None:
            # No limit of its own: a stop would wait for a place among calls that wait for their recordings.
            self._own, self._loop = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)), loop
        if self._loop is not loop:
            raise RuntimeError(
                "this client has been used in another event loop (another asyncio.run): make a client in each, or use "
                "SyncClient"
            )
        return self._own

    async def close(self) -> None:
        """Close the session, unless it is the caller's."""
        self.closed = True
        if self._own is not None:
            await self._own.close()

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
        began = loop.time()
        sent = {
            "params": _texts(query or {}),
            "data": None if body is None else json.dumps(body, default=_text),
            "headers": {
                "Authorization": f"Bearer {self.token}",
                **({} if body is None else {"Content-Type": "application/json"}),
                **(headers or {}),
            },
            "timeout": aiohttp.ClientTimeout(
                total=self.patience.call_seconds + wait_seconds, sock_connect=self.patience.connect_seconds
            ),
        }
        pause = self.patience.first_pause_seconds
        while True:
            try:
                return await self._try(method, path, sent)
            except PagereelError as error:
                seconds = _pause(error, repeatable, pause)
                left = began + self._patience_seconds(wait_seconds) - loop.time()
                if seconds is None or seconds >= left:
                    raise
                _log.warning("%s; trying again for %.0f s", error, left)
            await asyncio.sleep(seconds)
            pause = min(pause * 2, self.patience.longest_pause_seconds)

    def _patience_seconds(self, wait_seconds: float) -> float:
        patience = self.patience
        if self.answered:
            return patience.total_seconds + wait_seconds
        return min(patience.first_seconds, patience.total_seconds)

    async def _try(self, method: str, path: str, sent: dict[str, Any]) -> bytes:
        place, http = urlsplit(self.url)._replace(path="").geturl(), self.session()
        try:
            # A redirect would carry the token to whoever is named there.
            async with http.request(method, self.url + path, allow_redirects=False, **sent) as response:
                content = await response.read()
        except aiohttp.ConnectionTimeoutError as error:
            seconds = sent["timeout"].sock_connect
            raise Unreachable(f"{place} cannot be reached: no connection within {seconds:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{place} cannot be reached: {_cause(error)}") from error
        except aiohttp.InvalidURL as error:
            raise Unreachable(f"{place} is no URL") from error
        except TimeoutError as error:
            seconds = sent["timeout"].total
            raise UnknownOutcome(f"{place}: {method} {path}: no answer within {seconds:g} s") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            why = str(error) or type(error).__name__
            raise UnknownOutcome(f"{place}: {method} {path}: the connection broke ({why})") from error
        if response.status in REDIRECTS:
            raise BadAnswer(f"{place} leads elsewhere (HTTP {response.status})")
        if response.status >= ERRORS:
            refusal = problem_of(response.status, _json(content), _seconds(response.headers.get("Retry-After")), place)
            self.answered |= isinstance(refusal, Problem)  # a proxy in front of the service is not the service
            raise refusal
        self.answered = True
        return content


def _cause(error: aiohttp.ClientConnectorError) -> str:
    """Why there is no connection, as the system says it."""
    inner = error.os_error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {inner.verify_message}"
    if isinstance(inner, ssl.SSLError):  # its number is one of OpenSSL, not of the system
        return "it does not speak valid TLS"
    if isinstance(inner, socket.gaierror) or not inner.errno or inner.errno < 0:
        return inner.strerror or str(inner) or type(inner).__name__
    return os.strerror(inner.errno)


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
