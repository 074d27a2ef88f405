"""What every method of the client builds on: its session, and calls whose answers become classes."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp

from pagereel_client.arguments import count
from pagereel_client.decoding import decode
from pagereel_client.errors import BadAnswer, ConfigurationError
from pagereel_client.transport import Patience, Query, Transport, checked_patience, checked_token, checked_url

T = TypeVar("T")

DEFAULT_URL: Final = "http://127.0.0.1:8080"
PAGE: Final = 200


class Calls:
    """A session with one service, and one token."""

    def __init__(
        self, url: str, token: str, *, http: aiohttp.ClientSession | None = None, patience: Patience | None = None
    ) -> None:
        self._transport = Transport(checked_url(url), checked_token(token), http, checked_patience(patience))

    @classmethod
    def from_environment(cls, *, patience: Patience | None = None) -> Self:
        """As the command line: `PAGEREEL_URL`, and `PAGEREEL_TOKEN_FILE` or `PAGEREEL_TOKEN`."""
        return cls(*cls.read_environment(), patience=patience)

    @staticmethod
    def read_environment() -> tuple[str, str]:
        """URL and token, as `from_environment` takes them. Raises `ConfigurationError`, which names the variable, for
        what can be none."""
        file = os.environ.get("PAGEREEL_TOKEN_FILE")
        if not file and not os.environ.get("PAGEREEL_TOKEN"):
            raise ConfigurationError("a token is needed: set PAGEREEL_TOKEN or PAGEREEL_TOKEN_FILE")
        given = os.environ.get("PAGEREEL_TOKEN", "").strip()
        token = _token_of(Path(file)) if file else checked_token(given, "PAGEREEL_TOKEN")
        return checked_url(os.environ.get("PAGEREEL_URL") or DEFAULT_URL, "PAGEREEL_URL"), token

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session, unless it is the caller's."""
        await self._transport.close()

    async def _json(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        wait_seconds: float = 0,
    ) -> T:
        content = await self._transport.call(
            method, path, query=query, body=body, headers=headers, repeatable=repeatable, wait_seconds=wait_seconds
        )
        try:
            return decode(kind, json.loads(content))
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"{method} {path}: {error}") from None

    async def _read(self, path: str, query: Query | None = None) -> bytes:
        return await self._transport.call("GET", path, query=query, repeatable=True)

    async def _items(self, kind: type[T], path: str, query: Query, limit: int | None) -> AsyncIterator[T]:
        cursor, left = None, count("limit", limit)
        while left is None or left > 0:
            asked = {**query, "cursor": cursor, "limit": PAGE if left is None else min(PAGE, left)}
            page = await self._json(dict[str, Any], "GET", path, query=asked)
            try:
                found = decode(tuple[kind, ...], page.get("items"))  # type: ignore[valid-type]
            except ValueError as error:
                raise BadAnswer(f"GET {path}: {error}") from None
            for item in found:
                yield item
            left = None if left is None else left - len(found)
            cursor = page.get("next")
            if cursor is None or not found:  # a list that goes on has something on each page
                return


def _token_of(file: Path) -> str:
    place = f"PAGEREEL_TOKEN_FILE: {file}"
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{place} cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigurationError(f"{place} is no API token: it is no text") from None
    return checked_token(token, place)
