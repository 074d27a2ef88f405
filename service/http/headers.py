"""Reads the values of headers that somebody else wrote. Every function gives the value or says that it is absent: it
never raises, whatever the text is. Pure.

Where a library reads such a text, any exception of it means "absent": the exceptions that its documentation names are
fewer than those that it raises.
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
    """The Unix time that `text` writes: RFC 3339 (UTC where it names no zone), an HTTP date, or seconds, milliseconds,
    microseconds or nanoseconds since 1970. None where it writes none, or one outside of 1970 to 9999."""
    text = text.strip().upper()
    if len(text) > _LONGEST_DATE:
        return None
    if _EPOCH.fullmatch(text):
        digits = len(text.partition(".")[0])
        at = float(text) / 1000 ** max(0, (digits - 9) // 3)
        return at if 0 <= at < _LATEST else None
    return _first_instant(text, (datetime.fromisoformat, _loose_iso, parsedate_to_datetime))


def parse_http_date(text: str | None) -> float | None:
    """The Unix time of a `Date`, `Last-Modified` or the like, in UTC where it names no zone; None where `text` writes
    none, or one outside of 1970 to 9999."""
    text = (text or "").strip()
    return None if len(text) > _LONGEST_DATE else _first_instant(text, (parsedate_to_datetime,))


def parse_retry_after(text: str | None, now: float) -> float | None:
    """The seconds to wait that a `Retry-After` says, as a number or as a date, `now` being our own Unix time; at least
    0, and at most 30 years."""
    text = (text or "").strip()
    if _DELAY.fullmatch(text):
        return min(float(text), _LONGEST_DELAY)
    at = parse_http_date(text)
    return None if at is None else min(max(at - now, 0.0), _LONGEST_DELAY)


def parse_count(text: str) -> int | None:
    """A number of bytes; None where `text` is no whole number."""
    text = text.strip()
    return int(text) if _COUNT.fullmatch(text) else None


def parse_etag(text: str) -> str:
    """An ETag without its quotes and the mark of a weak one; empty where there is none."""
    text = text.strip()
    if len(text) > _LONGEST_ETAG or not text.isprintable():
        return ""
    return text.removeprefix("W/").strip('"')


def parse_content_range(text: str) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and size of the whole, each None where `text` does not say it."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None, None, None
    first, last, size = (None if one is None else int(one) for one in found.groups())
    return first, last, size


def parse_encoding(text: str) -> str:
    """The codings of a Content-Encoding header, lower case, separated by `, `; empty where they change no bytes."""
    names = (name.strip().lower() for name in text.split(","))
    return ", ".join(_ALIASES.get(name, name) for name in names if name not in _IDENTITY)


_IDENTITY = frozenset({"", "identity", "none", "aws-chunked"})
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}


def parse_media_type(text: str | None) -> str | None:
    """Type and subtype of a Content-Type in lower case, without its parameters."""
    kind = (text or "")[: 4 * _LONGEST_TYPE].partition(";")[0].strip().lower()
    return kind if len(kind) <= _LONGEST_TYPE and _TYPE.fullmatch(kind) else None


def _first_instant(text: str, reads: Iterable[Callable[[str], datetime]]) -> float | None:
    """What the first of `reads` that understands `text` makes of it."""
    found = next((at for at in (_instant(text, read) for read in reads) if at is not None), None)
    return found if found is not None and 0 <= found < _LATEST else None


def _instant(text: str, read: Callable[[str], datetime]) -> float | None:
    try:
        moment = read(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except Exception:  # see the module
        return None


def _loose_iso(text: str) -> datetime:
    """A date as `fromisoformat` reads it, with a zone name behind it or a blank before its offset."""
    text = _ZONE_NAME.sub("", text).replace("/", "-")
    return datetime.fromisoformat(_OFFSET.sub(r"\1", text))
