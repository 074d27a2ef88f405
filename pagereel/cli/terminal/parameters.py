"""Parameter types of options, with a clear text for refused values."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import click

from service.report import Interval

_SIZE = re.compile(r"([1-9][0-9]{0,4})[x×]([1-9][0-9]{0,4})", re.ASCII | re.IGNORECASE)


def _instant(text: str) -> float | None:
    """Return the Unix seconds of an RFC 3339 timestamp with an offset, or None."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    # In the first and the last year, an offset may lead out of the supported range.
    return None if instant.tzinfo is None or instant.year in (1, 9999) else instant.timestamp()


def rfc3339(at: float) -> str:
    """Format Unix seconds for the API."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Instant(click.ParamType[float]):
    """An RFC 3339 timestamp with an offset, as Unix seconds."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        instant = value if isinstance(value, float) else _instant(value)
        if instant is None:
            self.fail(f"{value!r}: write a time with its offset, for example 2026-11-22T09:00:00Z", param, ctx)
        return instant


class Span(click.ParamType[Interval]):
    """FROM/TO, two timestamps in the format of `Instant`. The first one must be earlier."""

    name = "from/to"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Interval:
        if isinstance(value, Interval):
            return value
        begin, slash, end = value.partition("/")
        from_at, to_at = _instant(begin), _instant(end)
        if not slash or from_at is None or to_at is None:
            example = "2026-11-22T09:00:00Z/2026-11-22T09:10:00Z"
            self.fail(f"{value!r}: write two times with their offsets, for example {example}", param, ctx)
        if from_at >= to_at:
            self.fail(f"{value!r}: the first time must be earlier than the second", param, ctx)
        return Interval(from_at, to_at)


class Size(click.ParamType[tuple[int, int]]):
    """A size WIDTHxHEIGHT in pixels."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r}: write WIDTHxHEIGHT in pixels, for example 1280x720", param, ctx)
        return int(found[1]), int(found[2])


class Whole(click.IntRange):
    """A whole number in a range with both bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r}: write a whole number from {self.min} to {self.max}", param, ctx)


class Days(click.ParamType[float]):
    """A number of days, more than 0."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        days = _number(value)
        if not 0 < days < math.inf:
            self.fail(f"{value!r}: write a number of days, more than 0", param, ctx)
        return days


class Seconds(click.ParamType[float]):
    """A number of seconds, 0 or more."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = _number(value)
        if not 0 <= seconds < math.inf:
            self.fail(f"{value!r}: write a number of seconds, 0 or more", param, ctx)
        return seconds


def _number(value: Any) -> float:
    """Return the typed number, or NaN if it is not a number."""
    try:
        return float(value)
    except ValueError:
        return math.nan
