"""The connection of commands to a running service: calls with a token, and one clear line for each error."""

import asyncio
import errno
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp

from pagereel.cli.terminal.options import service_options
from pagereel.cli.terminal.output import fail
from pagereel.interrupts import INTERRUPTED
from service.http.connections import connection_reason

_BEGINNING = "prl_"
_UNAUTHORIZED = 401
CALL_SECONDS = 90
PAGE = 200


class CallError(Exception):
    """A failed call, with a line for a person. `status` is the HTTP status, if an answer arrived. `wrong` contains
    pointer and message of each wrong field."""

    def __init__(self, text: str, status: int | None = None, wrong: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.wrong = wrong


class _Answered(dict[str, Any]):
    """An object of an answer. A missing field is an error of the service, not of this program."""

    def __missing__(self, name: str) -> Any:
        raise CallError(f"the service does not answer as Pagereel does: {name!r} is missing")


@dataclass(frozen=True, slots=True)
class Service:
    """A running service. Its repr does not contain the token."""

    url: str
    http: aiohttp.ClientSession

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the JSON of a successful call. Otherwise raise `CallError`. `arguments` contains the typed arguments
        by their names in the API."""
        status, content = await self._ask(method, path, json=body, params=params, headers=headers)
        return self._read(status, content, {**(params or {}), **(body or {})}, arguments)

    async def fetch(self, path: str) -> bytes:
        """Return a document unchanged. Raise `CallError` on failure."""
        status, content = await self._ask("GET", path)
        if status != 200:
            self._read(status, content)
        return content

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[int, bytes]:
        try:
            async with self.http.request(method, self.url + path, allow_redirects=False, **more) as response:
                return response.status, await response.read()
        except TimeoutError:
            raise CallError(f"{self.url} did not answer within {CALL_SECONDS} s") from None
        except aiohttp.InvalidURL:
            raise CallError(f"{self.url} is not a URL") from None
        except aiohttp.ClientConnectorError as error:
            raise CallError(f"{self.url} cannot be reached: {_why(error)}{_nobody_there(error)}") from None
        except aiohttp.ClientError as error:
            raise CallError(f"{self.url} cannot be reached: {error}") from None

    def _read(
        self,
        status: int,
        content: bytes,
        given: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            answer = json.loads(content, object_hook=_Answered)
        except (ValueError, RecursionError):
            raise CallError(f"{self.url} does not answer as Pagereel does (HTTP {status})") from None
        if status >= 300 and isinstance(answer, dict) and answer.get("title"):
            raise CallError(_problem(answer, given or {}, arguments or {}), status, _wrong(answer))
        if status >= 300 or not isinstance(answer, dict) or not isinstance(answer.get("items", []), list):
            raise CallError(f"{self.url} does not answer as Pagereel does (HTTP {status})")
        return answer

    async def items(
        self, path: str, params: dict[str, Any] | None = None, limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield at most `limit` items of a list, page by page."""
        asked, left = dict(params or {}), limit
        while left is None or left > 0:
            asked["limit"] = str(PAGE if left is None else min(PAGE, left))
            page = await self.call("GET", path, params=asked)
            for item in page["items"]:
                yield item
            if left is not None:
                left -= len(page["items"])
            following = page.get("next")
            if following is None or not page["items"]:  # a page of a list with a next page is never empty
                return
            asked["cursor"] = following


def _why(error: aiohttp.ClientConnectorError) -> str | None:
    """Return why no connection was made. The errno of a TLS error is not a system errno."""
    if isinstance(error, aiohttp.ClientSSLError) or not error.errno or error.errno < 0:
        return connection_reason(error)
    return os.strerror(error.errno)


def _nobody_there(error: aiohttp.ClientConnectorError) -> str:
    """Return a hint for a refused connection, which means that no program listens at the port."""
    if error.errno != errno.ECONNREFUSED:
        return ""
    return ". Is the service running there? --url or PAGEREEL_URL names another address"


def _problem(answer: Mapping[str, Any], given: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Return the sentence of a problem document, with each wrong field as its option."""
    wrong = [
        f"{_argument(pointer, arguments) or _option(pointer, given)}: {message}" for pointer, message in _wrong(answer)
    ]
    if len(wrong) > 1:
        return "\n  ".join(["the request is not valid", *wrong])
    return wrong[0] if wrong else str(answer.get("detail") or answer["title"])


def _argument(pointer: str, arguments: Mapping[str, Any]) -> str | None:
    """Return the argument typed for `/recording` or `/messages/0`, or None if no argument matches."""
    name, _, place = pointer[1:].partition("/")
    value = arguments.get(name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[int(place)] if place.isdigit() and int(place) < len(value) else None
    return None if value is None else str(value)


def _option(pointer: str, given: Mapping[str, Any]) -> str:
    """Return `--app nope` for `?app` or `/app`. If no option set the value, return the pointer itself."""
    name, value = pointer[1:], given.get(pointer[1:])
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if pointer[:1] not in ("?", "/") or not isinstance(value, str | int):
        return pointer or "the request"
    return f"--{name.replace('_', '-')} {value}"


def _wrong(answer: Any) -> tuple[tuple[str, str], ...]:
    errors = answer.get("errors") if isinstance(answer, dict) else None
    listed = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return tuple((str(each.get("pointer", "")), str(each.get("message", ""))) for each in listed)


Run = Callable[..., Coroutine[Any, Any, int | None]]
"""The function of a command. It returns the exit status, or None for 0."""


def remote(run: Run) -> Callable[..., None]:
    """Turn a function into a command that gets a `Service` first."""

    @service_options
    @wraps(run)
    def command(url: str, token_file: Path | None, **given: Any) -> None:
        speak(url, token_file, lambda service: run(service, **given))

    return command


def speak(url: str, token_file: Path | None, run: Run) -> NoReturn:
    """Run `run` with the service. End the process with its status."""
    try:
        status = asyncio.run(_with_service(_address(url), _token(token_file), run))
    except CallError as error:
        if error.status != _UNAUTHORIZED:
            fail(str(error))
        reason = str(error).removesuffix(".")
        fail(f"{_place(token_file)}: {reason}. {_remedy(reason, url)}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(status or 0)


def _remedy(reason: str, url: str) -> str:
    """Return the remedy for a refused token. A sandbox on this machine creates a new token at each start."""
    if not reason.endswith("is not valid"):
        return "`pagereel token create` makes another"
    local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    sandbox = ". The token of a sandbox is valid only while the sandbox runs" if local else ""
    return f"It is mistyped, or of another service: `pagereel token list` names those of this one{sandbox}"


async def _with_service(url: str, token: str, run: Run) -> int | None:
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=10)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        return await run(Service(url, http))


def _address(url: str) -> str:
    """Return the URL of the API without a trailing slash and `/v1`. Exit if it is invalid."""
    if not url.lower().startswith(("http://", "https://")):
        fail(f"--url {url} is not the URL of a service: it must begin with http:// or https://")
    if "@" in url:
        fail("--url takes no user and no password: the token says who calls")
    try:
        parts = urlsplit(url)
        right = bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        fail(f"--url {url} is not the URL of a service: it must name a host, and a port from 1 to 65535 or none")
    url = url.rstrip("/").removesuffix("/v1").rstrip("/")  # the paths of the API begin with /v1
    if named := re.search(r"/(v1|docs|console|openapi\.json)(/.*)?$", urlsplit(url).path):
        fail(f"--url {url} must not name {named[0]}, which commands add themselves: leave it out")
    return url


def _place(file: Path | None) -> str:
    if file is None:
        return "PAGEREEL_TOKEN"
    by_variable = str(file) == os.environ.get("PAGEREEL_TOKEN_FILE")
    return f"PAGEREEL_TOKEN_FILE: {file}" if by_variable else str(file)


def _no_sandbox(file: Path, error: OSError) -> str:
    """Return a hint if the missing file seems to be a sandbox's token, which exists only while the sandbox runs."""
    lock = file.with_name(f"{file.name}.lock")  # the lock file remains next to the token's file
    if error.errno != errno.ENOENT or not (file.parent.name == "sandbox" or lock.exists()):
        return ""
    path = "" if file.is_absolute() else f", and is {Path.cwd()} its directory"
    return f". A sandbox has this file while it runs: is it running{path}? `make sandbox` starts it"


def _token(file: Path | None) -> str:
    """Return the API token of the file or of the variable. Exit if it is missing."""
    place = _place(file)
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            fail(f"{place} cannot be read ({error.strerror}){_no_sandbox(file, error)}")
        except UnicodeDecodeError:
            token = place
    else:
        token = os.environ.get("PAGEREEL_TOKEN", "").strip()
        if not token:
            fail(
                "a token is required: set PAGEREEL_TOKEN_FILE or PAGEREEL_TOKEN, or use --token-file. "
                "A sandbox keeps its token in var/sandbox/token while it runs"
            )
    if not (token.startswith(_BEGINNING) and token.isascii() and token.isprintable()):
        fail(f"{place} contains no API token: a token looks like {_BEGINNING}…")
    return token
