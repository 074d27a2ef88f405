"""Timestamps in requests and answers: RFC 3339 text with an offset outside, and Unix seconds inside. Pure."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# In a query, an unescaped + is decoded as a blank.
_LOST_PLUS = re.compile(r"[0-9Tt:.-]{19,29} \d\d:\d\d", re.ASCII)
_YEAR_10000 = 253_402_300_800
_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000Z"]})


def parse_instant(text: object) -> float:
    """Return the Unix seconds of an RFC 3339 timestamp. If the offset is missing or the date does not exist, raise
    ValueError with a text for the caller."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        hint = "; write + as %2B" if isinstance(text, str) and _LOST_PLUS.fullmatch(text) else ""
        raise ValueError('must be an instant with an offset, such as "2026-01-31T09:30:00Z"' + hint)
    try:
        at = datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("must be a date and time that exist") from None
    if not 0 <= at < _YEAR_10000:  # an offset can lead out of the supported years
        raise ValueError("must be of the years 1970 to 9999")
    return at


def format_instant(at: float) -> str:
    """Format Unix seconds as RFC 3339 in UTC with milliseconds."""
    seconds, milliseconds = divmod(round(at * 1e6) // 1000, 1000)
    minutes, second = divmod(seconds, 60)
    return f"{_to_the_minute(minutes)}{second:02}.{milliseconds:03}Z"


@lru_cache(maxsize=1024)
def _to_the_minute(minutes: int) -> str:
    """Format a minute. The result is cached, because a page of a list contains thousands of timestamps in few
    minutes."""
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


InstantIn = Annotated[float, BeforeValidator(parse_instant), _SCHEMA]
InstantOut = Annotated[float, PlainSerializer(format_instant, return_type=str), _SCHEMA]
