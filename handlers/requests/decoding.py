"""The decoding of bodies, queries and headers into typed values, or into one `invalid` error that names every wrong
field.

The error never contains a wrong value, which may be a URL with a secret. This module knows no routes.
"""

import asyncio
import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable
from typing import Any, NoReturn, TypeVar, cast

import orjson
from aiohttp import web
from multidict import MultiMapping
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from handlers.keys import LIMITS
from handlers.problems import UNREADABLE
from handlers.requests.refusals import refuse_null, refuse_unknown, summary, words_of
from service.errors import Code, FieldError, ServiceError, invalid
from service.operations import Idempotency

T = TypeVar("T")

MAX_WAIT_SECONDS = 60
MAX_DEPTH = 100
_LATE_READ_SECONDS = 2.0
_MAX_ERRORS = 20
_FIELDS: dict[type[Any], tuple[str, ...]] = {}
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,4})\"?\s*", re.IGNORECASE)
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def refuse_oversize(request: web.Request) -> None:
    """Raise aiohttp's 413 for a body whose declared length is too large, without reading it."""
    size, most = request.content_length, request.app[LIMITS].max_body_bytes
    if size is not None and size > most:
        raise web.HTTPRequestEntityTooLarge(most, size)


async def read_body(request: web.Request, kind: type[T], *, optional: bool = False, fixed: Collection[str] = ()) -> T:
    """Return the JSON body as a `kind`. If `optional` is true, a missing body means `{}`. `fixed` are fields of the
    resource that this call cannot change. Raise `invalid`, or aiohttp's 408, 413 and 415."""
    return _validate(kind, parse_json(await receive_body(request, optional=optional)), "/", fixed)


async def receive_body(request: web.Request, *, optional: bool = False) -> bytes:
    """Return the bytes of a JSON body. If the body is missing and `optional` is true, return `{}`. Raise aiohttp's 408,
    413 and 415."""
    if optional and not (await _read_content(request)).strip():
        return b"{}"
    _refuse_other_types(request)
    return await _read_content(request)


async def refuse_fields(request: web.Request, parameters: Iterable[str]) -> None:
    """Raise `invalid` for fields in the body of a call that takes none, because the sender expects an effect. An empty
    body and `{}` are accepted with any content type. `parameters` are the call's query parameters."""
    if not request.can_read_body:
        return
    content = await _read_content(request)
    if b"".join(content.split()) in (b"", b"{}"):
        return
    _refuse_other_types(request)
    value = parse_json(content)
    if not isinstance(value, dict):
        raise invalid("", "must be empty: this call takes no fields")
    _refuse_names(value, parameters)


async def refuse_named_fields(request: web.Request, parameters: Iterable[str]) -> None:
    """Refuse fields like `refuse_fields`, for a call that must not fail because of its form, such as a stop. Only a
    JSON object with names is refused. Any other body is ignored, including one that never arrives."""
    if not request.can_read_body:
        return
    try:
        value = parse_json(await _read_content(request, _LATE_READ_SECONDS))
    except (ServiceError, web.HTTPRequestTimeout, web.HTTPRequestEntityTooLarge):
        return
    if isinstance(value, dict) and value:
        _refuse_names(value, parameters)


def _refuse_names(value: dict[str, object], parameters: Iterable[str]) -> None:
    known = set(parameters)
    _raise_all(
        FieldError(
            f"/{name[:100]}",
            f"belongs into the query: ?{name}=…" if name in known else "is unknown: this call takes no fields",
        )
        for name in list(value)[:_MAX_ERRORS]
    )


def _refuse_other_types(request: web.Request) -> None:
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType


async def _read_content(request: web.Request, most_seconds: float = math.inf) -> bytes:
    refuse_oversize(request)
    try:
        async with asyncio.timeout(min(most_seconds, request.app[LIMITS].read_seconds)):
            return await request.read()
    except (TimeoutError, ConnectionError):  # silent or disconnected; aiohttp itself would log the latter as an error
        raise web.HTTPRequestTimeout from None


def read_query(request: web.Request, kind: type[T]) -> T:
    """Return the query as a `kind`. A parameter given once becomes a text, and a repeated parameter a list of texts."""
    return decode_query(request.query, kind)


def decode_query(given: MultiMapping[str], kind: type[T], *, filled: bool = False) -> T:
    """Decode parameters like `read_query`. If `filled` is true, an empty parameter counts as omitted, because forms
    send omitted fields in this way."""
    query: dict[str, Any] = {}
    for name in given:
        values = [value for value in given.getall(name) if value or not filled]
        if values:
            query[name] = values if len(values) > 1 else values[0]
    return _validate(kind, query, "?")


def decode_form(given: dict[str, Any], kind: type[T]) -> T:
    """Decode a form as a body of the API."""
    return _validate(kind, given, "/")


async def read_idempotency(request: web.Request) -> Idempotency | None:
    """Return the `Idempotency-Key` with its request's body, which must have been read. Return None without the header.
    Bodies with equal values are the same request, even if they are written differently."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters, sent once")
    raw = await request.read()
    return Idempotency(keys[0], orjson.dumps(parse_json(raw), option=orjson.OPT_SORT_KEYS), raw)


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a JSON value with every number in one form, so that 5.0 and 5 are equal."""
    if depth > MAX_DEPTH:
        raise ServiceError(Code.INVALID, f"The body is nested deeper than {MAX_DEPTH} levels.", detail=UNREADABLE)
    if isinstance(value, dict):
        return {name: _plain(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def read_wait(request: web.Request) -> int:
    """Return the seconds of `Prefer: wait=N`, or 0 without it. Other preferences are ignored, as RFC 7240 requires."""
    for preference in ",".join(request.headers.getall("Prefer", [])).split(","):
        if preference.strip().lower().startswith("wait"):
            match = _WAIT.fullmatch(preference)
            if not match or int(match[1]) > MAX_WAIT_SECONDS:
                raise invalid("Prefer", f"wait must be a whole number of seconds, at most {MAX_WAIT_SECONDS}")
            return int(match[1])
    return 0


def parse_json(content: bytes) -> object:
    """Return the value of a JSON text, with every whole number as an `int`. The parser is stricter than JSON: it
    accepts no NaN, no duplicate names and no lone surrogates, and limits the depth."""
    if (wrong := _wrong_text(content)) is not None:
        raise ServiceError(Code.INVALID, wrong, detail=UNREADABLE)
    try:
        value = _plain(orjson.loads(content))
        json.loads(content, object_pairs_hook=_refuse_duplicates)
    except ServiceError:
        raise
    except (ValueError, RecursionError) as error:
        place = f" Line {error.lineno}, column {error.colno}." if isinstance(error, json.JSONDecodeError) else ""
        raise ServiceError(Code.INVALID, f"The body is not readable as JSON.{place}", detail=UNREADABLE) from None
    return value


def _wrong_text(content: bytes) -> str | None:
    """Return why the bytes of a body cannot be JSON, or None."""
    if not content.strip():
        return "The body is empty; it must be a JSON object."
    if content.startswith(BOM_UTF8):
        return "The body begins with a byte order mark, which JSON does not allow."
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f"The body is not UTF-8: byte {error.start + 1} cannot be read."
    return None


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise ServiceError(Code.INVALID, f"The body has the name {_quoted(name)} twice.", detail=UNREADABLE)
        seen.add(name)


def _quoted(name: str) -> str:
    """Return a name in printable ASCII, truncated."""
    return json.dumps(name[:64])


def _validate(kind: type[T], value: object, root: str, fixed: Collection[str] = ()) -> T:
    try:
        return cast(T, adapter(kind).validate_python(value))
    except ValidationError as error:
        _refuse(error.errors(include_url=False, include_context=True), root, kind, fixed)


def adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the cached validator of a type."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _names(kind: type[Any]) -> tuple[str, ...]:
    """Return the cached names of a type's fields, as callers write them."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(adapter(kind).json_schema().get("properties", ()))
    return _FIELDS[kind]


def _refuse(details: Iterable[ErrorDetails], root: str, kind: type[Any], fixed: Collection[str]) -> NoReturn:
    found: dict[FieldError, None] = {}
    for detail in details:
        found[FieldError(_pointer(detail, root), _message(detail, kind, fixed))] = None
        if len(found) == _MAX_ERRORS:
            break
    _raise_all(found)


def _raise_all(found: Iterable[FieldError]) -> NoReturn:
    errors = tuple(found)
    sentence = summary([(error.pointer, error.message) for error in errors])
    raise ServiceError(Code.INVALID, sentence, errors=errors) from None


def _pointer(detail: ErrorDetails, root: str) -> str:
    # pydantic marks a wrong key of a mapping with a last step "[key]", but the pointer is that of the entry.
    steps = [str(step) for step in detail["loc"] if step != "[key]"]
    if root == "?":
        return f"?{steps[0][:100]}" if steps else "?"
    return "".join("/" + step.replace("~", "~0").replace("/", "~1")[:100] for step in steps)


def _message(detail: ErrorDetails, kind: type[Any], fixed: Collection[str]) -> str:
    at_top, cause = len(detail["loc"]) == 1, detail.get("ctx", {}).get("error")
    if detail["type"] == "missing":
        return "is required"
    if detail["type"] == "extra_forbidden":
        return refuse_unknown(str(detail["loc"][0]), _names(kind), fixed) if at_top else "is unknown"
    message = str(cause) if isinstance(cause, ValueError) else words_of(detail)
    if at_top and detail["input"] is None:
        name = str(detail["loc"][0])
        return refuse_null(name, message, required=name in kind.__required_keys__, changing=bool(fixed))
    return message
