"""Cursors of pages. They are opaque to callers; internally each is a JSON list of the last row's sort key."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

from service.errors import invalid
from service.operations.types import Page

T = TypeVar("T")

MAX_INTEGER = 2**63 - 1  # the maximum of a database integer


def encode_cursor(*key: str | int | float) -> str:
    """Return the cursor of the page after the row with this sort key."""
    return urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, types: tuple[type, ...], name: str = "?cursor") -> tuple[Any, ...] | None:
    """Return the sort key of a cursor, or None for the first page. Raise `ServiceError` (invalid, at `name`) if the
    text is not a cursor."""
    if cursor is None:
        return None
    try:
        key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise invalid(name, "is not a cursor of this list") from error
    fits = isinstance(key, list) and len(key) == len(types)
    if not fits or not all(_is(value, kind) for value, kind in zip(key, types, strict=True)):
        raise invalid(name, "is not a cursor of this list")
    return tuple(key)


def cut_page(found: Sequence[T], limit: int, key: Callable[[T], tuple[str | int | float, ...]]) -> Page[T]:
    """Return the page of the first `limit` rows. If more were found, its cursor continues after the last row's sort
    `key`."""
    following = encode_cursor(*key(found[limit - 1])) if len(found) > limit else None
    return Page(tuple(found[:limit]), following)


def _is(value: object, kind: type) -> bool:
    if isinstance(value, str):
        return kind is str and "\0" not in value  # PostgreSQL text cannot contain NUL
    return type(value) is kind and (not isinstance(value, int) or abs(value) <= MAX_INTEGER)
