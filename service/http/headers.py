"""Parsers for header values of other servers. Each function returns the value or its absence and never raises, whatever
the text is. Pure.

If a library parses such a text, any exception means "absent": libraries raise more exceptions than they document.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_LONGEST_DATE: Final = 64
_LONGEST_ETAG: Final = 1024
_LONGEST_TYPE: Final = 255
_EPOCH = re.compile(r"[0-9]{9,20}(?:\.[0-9]{1,9})?", re.ASCII)
_ZONE_NAME = re.compile(r"\s*(?:UTC|GMT|Z)\s*$")
_OFFSET = re.compile(r"\s*([+-][0-9]{2}:?[0-9]{2})$", re.ASCII)
_LATEST: Final = 253_402_300_800.0  # the year 10000
_RANGE = re.compile(r"\s*bytes\s+(?:([0-9]{1,19})-([0-9]{1,19})|\*)/(?:([0-9]{1,19})|\*)\s*", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)
_DELAY = re.compile(r"[0-9]{1,400}", re.ASCII)
_LONGEST_DELAY: Final = 999_999_999.0
_TYPE = re.compile(r"[!#-'*+.^-z|~-]+/[!#-'*+.^-z|~-]+", re.ASCII)


def parse_instant(text: str) -> float | None:
    """Return the Unix time in `text`: RFC 3339 (UTC without a zone), an HTTP date, or seconds, milliseconds,
    microseconds or nanoseconds since 1970. None for other texts and for years outside 1970 to 9999."""
    text = text.strip().upper()
    if len(text) > _LONGEST_DATE:
        return None
    if _EPOCH.fullmatch(text):
        digits = len(text.partition(".")[0])
        at = float(text) / 1000 ** max(0, (digits - 9) // 3)
        return at if 0 <= at < _LATEST else None
    return _first_instant(text, (datetime.fromisoformat, _loose_iso, parsedate_to_datetime))


def parse_http_date(text: str | None) -> float | None:
    """Return the Unix time of a `Date`, `Last-Modified` or similar header, in UTC without a zone. None for other texts
    and for years outside 1970 to 9999."""
    text = (text or "").strip()
    return None if len(text) > _LONGEST_DATE else _first_instant(text, (parsedate_to_datetime,))


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds to wait by a `Retry-After`, which is a number or a date; `now` is our own Unix time. At least
    0, at most 30 years; None if absent."""
    text = (text or "").strip()
    if _DELAY.fullmatch(text):
        return min(float(text), _LONGEST_DELAY)
    at = parse_http_date(text)
    return None if at is None else min(max(at - now, 0.0), _LONGEST_DELAY)


def parse_count(text: str) -> int | None:
    """Return a number of bytes; None if `text` is not a whole number."""
    text = text.strip()
    return int(text) if _COUNT.fullmatch(text) else None


def parse_etag(text: str) -> str:
    """Return an ETag without its quotes and the prefix of a weak one; empty if absent."""
    text = text.strip()
    if len(text) > _LONGEST_ETAG or not text.isprintable():
        return ""
    return text.removeprefix("W/").strip('"')


def parse_content_range(text: str) -> tuple[int | None, int | None, int | None]:
    """Return first byte, last byte and total size, each None if absent."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None, None, None
    first, last, size = (None if one is None else int(one) for one in found.groups())
    return first, last, size


def parse_encoding(text: str) -> str:
    """Return the codings of a Content-Encoding header in lower case, separated by `, `; empty if they change no
    bytes."""
    names = (name.strip().lower() for name in text.split(","))
    return ", ".join(_ALIASES.get(name, name) for name in names if name not in _IDENTITY)


_IDENTITY = frozenset({"", "identity", "none", "aws-chunked"})
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}


def parse_media_type(text: str | None) -> str | None:
    """Return type and subtype of a Content-Type in lower case, without its parameters; None if absent."""
    kind = (text or "")[: 4 * _LONGEST_TYPE].partition(";")[0].strip().lower()
    return kind if len(kind) <= _LONGEST_TYPE and _TYPE.fullmatch(kind) else None


def _first_instant(text: str, reads: Iterable[Callable[[str], datetime]]) -> float | None:
    """Return the result of the first of `reads` that accepts `text`."""
    found = next((at for at in (_instant(text, read) for read in reads) if at is not None), None)
    return found if found is not None and 0 <= found < _LATEST else None


def _instant(text: str, read: Callable[[str], datetime]) -> float | None:
    try:
        moment = read(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except Exception:  # see the module's docstring
        return None


def _loose_iso(text: str) -> datetime:
    """Return a date in the form of `fromisoformat`, allowing a zone name after it or a space before its offset."""
    text = _ZONE_NAME.sub("", text).replace("/", "-")
    return datetime.fromisoformat(_OFFSET.sub(r"\1", text))
