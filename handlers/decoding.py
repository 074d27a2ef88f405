"""From bytes, query and headers to typed values, or one `invalid` error that names every wrong field.

A wrong value is never shown in the error: it may be a URL with a secret. Nothing here knows a route.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar, cast

import orjson
from aiohttp import web
from multidict import MultiMapping
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from handlers.keys import LIMITS
from handlers.problems import UNREADABLE
from handlers.refusals import suggest, summary, words_of
from service.errors import Code, FieldError, ServiceError, invalid
from service.operations import Idempotency

T = TypeVar("T")

MAX_WAIT_SECONDS = 60
_MAX_ERRORS = 20
_FIELDS: dict[type[Any], tuple[str, ...]] = {}
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,4})\"?\s*", re.IGNORECASE)
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
_MESSAGES = {"missing": "is required", "extra_forbidden": "is unknown"}


def refuse_oversize(request: web.Request) -> None:
    """Raise aiohttp's 413 for a body that says itself that it is too large: nobody waits for it."""
    size, most = request.content_length, request.app[LIMITS].max_body_bytes
    if size is not None and size > most:
        raise web.HTTPRequestEntityTooLarge(most, size)


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The JSON body as a `kind`. Raises `invalid`, or aiohttp's 408, 413 and 415."""
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType
    refuse_oversize(request)
    try:
        async with asyncio.timeout(request.app[LIMITS].read_seconds):
            content = await request.read()
    except (TimeoutError, ConnectionError):  # silent, or gone; aiohttp itself would log the latter with a traceback
        raise web.HTTPRequestTimeout from None
    return _validate(kind, parse_json(content), "/")


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query as a `kind`. A parameter given once is a text, given more often a list of texts."""
    return decode_query(request.query, kind)


def decode_query(given: MultiMapping[str], kind: type[T], *, filled: bool = False) -> T:
    """`read_query` of these parameters. `filled`: an empty one was not given, as forms send it."""
    query: dict[str, Any] = {}
    for name in given:
        values = [value for value in given.getall(name) if value or not filled]
        if values:
            query[name] = values if len(values) > 1 else values[0]
    return _validate(kind, query, "?")


def decode_form(given: dict[str, Any], kind: type[T]) -> T:
    """What a form means, as a body of the API says it."""
    return _validate(kind, given, "/")


async def read_idempotency(request: web.Request) -> Idempotency | None:
    """The caller's `Idempotency-Key` with the body it came with; None without the header."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters, sent once")
    return Idempotency(keys[0], await request.read())


def read_wait(request: web.Request) -> int:
    """The seconds of `Prefer: wait=N`, 0 without it. Other preferences are ignored, as RFC 7240 demands."""
    for preference in ",".join(request.headers.getall("Prefer", [])).split(","):
        if preference.strip().lower().startswith("wait"):
            match = _WAIT.fullmatch(preference)
            if not match or int(match[1]) > MAX_WAIT_SECONDS:
                raise invalid("Prefer", f"wait must be a whole number of seconds, at most {MAX_WAIT_SECONDS}")
            return int(match[1])
    return 0


def parse_json(content: bytes) -> object:
    """The value of a JSON text. Stricter than JSON: no NaN, no duplicate names, no lone surrogates, bounded depth."""
    try:
        value = orjson.loads(content)
        json.loads(content, object_pairs_hook=_refuse_duplicates)
    except ServiceError:
        raise
    except (ValueError, RecursionError) as error:
        place = f" Line {error.lineno}, column {error.colno}." if isinstance(error, json.JSONDecodeError) else ""
        raise ServiceError(Code.INVALID, f"The body is not readable as JSON.{place}", detail=UNREADABLE) from None
    return value


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ServiceError(Code.INVALID, "The body has a duplicate name in an object.", detail=UNREADABLE)


def _validate(kind: type[T], value: object, root: str) -> T:
    try:
        return cast(T, adapter(kind).validate_python(value))
    except ValidationError as error:
        _refuse(error.errors(include_url=False, include_context=True, include_input=False), root, kind)


def adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """The validator of a type of ours; built once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _names(kind: type[Any]) -> tuple[str, ...]:
    """The fields of a type of ours, as callers write them; asked once."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(adapter(kind).json_schema().get("properties", ()))
    return _FIELDS[kind]


def _refuse(details: Iterable[ErrorDetails], root: str, kind: type[Any]) -> NoReturn:
    found: dict[FieldError, None] = {}
    for detail in details:
        found[FieldError(_pointer(detail, root), _message(detail, kind))] = None
        if len(found) == _MAX_ERRORS:
            break
    errors = tuple(found)
    sentence = summary([(error.pointer, error.message) for error in errors])
    raise ServiceError(Code.INVALID, sentence, errors=errors) from None


def _pointer(detail: ErrorDetails, root: str) -> str:
    # pydantic marks a wrong key of a mapping with a last step "[key]"; the pointer is that of the entry.
    steps = [str(step) for step in detail["loc"] if step != "[key]"]
    if root == "?":
        return f"?{steps[0][:100]}" if steps else "?"
    return "".join("/" + step.replace("~", "~0").replace("/", "~1")[:100] for step in steps)


def _message(detail: ErrorDetails, kind: type[Any]) -> str:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
        return _MESSAGES["extra_forbidden"] + suggest(str(detail["loc"][0]), _names(kind))
    return _MESSAGES.get(detail["type"]) or words_of(detail)
