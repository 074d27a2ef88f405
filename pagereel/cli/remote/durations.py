"""Durations as people write and read them: `90s`, `10m`, `1h30m`, `2d`. Pure."""

import re
from typing import Final

import click

from service.wording import length, size

_UNITS: Final = "dhms"
_SECONDS_OF_UNITS: Final = (86400, 3600, 60, 1)
_LONGEST_SECONDS: Final = 719 * 3600
"""The longest recording that Agora allows."""
_NUMBER: Final = r"(\d{1,9}(?:\.\d{1,9})?)"
_PARTS: Final = re.compile(
    rf"(?:{_NUMBER}d(?:ays?)?)?(?:{_NUMBER}h(?:ours?)?)?(?:{_NUMBER}m(?:in(?:utes?)?)?)?(?:{_NUMBER}s(?:ec(?:onds?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
# Clock notation, which has two digits of minutes after the hour and no unit.
_CLOCK: Final = re.compile(r"(.*\dh)([0-5]\d)", re.ASCII | re.IGNORECASE)
_BARE: Final = re.compile(r"(.*?)([\d.]+)", re.ASCII)


class Duration(click.ParamType[float]):
    """A duration in seconds, more than 0 and at most Agora's longest recording. A number without a unit is refused,
    because it may mean minutes or seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = "".join(str(value).split())
        if clock := _CLOCK.fullmatch(text):
            text = f"{clock[1]}{clock[2]}m"
        match = _PARTS.fullmatch(text)
        if match is None or not any(match.groups()):
            self.fail(_refusal(str(value), text), param, context)
        seconds = sum(size * float(part or 0) for size, part in zip(_SECONDS_OF_UNITS, match.groups(), strict=True))
        if not 0 < seconds <= _LONGEST_SECONDS:
            self.fail(f"{value!r} must be longer than 0 and at most 719h", param, context)
        return seconds


def _refusal(given: str, text: str) -> str:
    bare = _BARE.fullmatch(text)
    before = "" if bare is None else bare[1]
    smaller = _UNITS.partition(before[-1].lower())[2] if before else _UNITS
    if bare is None or not smaller:
        return f"{given!r} is not a length of time; write 90s, 10m, 1h30m or 2d"
    return f"{bare[2]} has no unit; write {' or '.join(f'{text}{unit}' for unit in smaller)}"


def in_words(seconds: float | None) -> str:
    """Return a duration in the console's format, or `-` for None."""
    return "-" if seconds is None else length(seconds)


def size_in_words(count: float | None) -> str:
    """Return a size in the console's format, or `-` for None."""
    return "-" if count is None else size(count)
