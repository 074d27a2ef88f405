"""What callers pass to the client's methods: each wrong kind of value is an error that names its argument. Pure."""

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any


def listed(name: str, value: Collection[str]) -> list[str]:
    """The words of a list. Raises `TypeError` for a text, which would be a list of its letters, and for no list."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Collection):
        raise TypeError(f"{name} must be a list of strings, not {_kind(value)}{_example(value)}")
    words = list(value)
    if wrong := [word for word in words if not isinstance(word, str)]:
        raise TypeError(f"{name} must be a list of strings, and one of them is {_kind(wrong[0])}")
    return words


def among(name: str, words: list[str], known: Collection[str]) -> list[str]:
    """The words, each of which is known. Raises `ValueError` for another."""
    if wrong := next((word for word in words if word not in known), None):
        raise ValueError(f"{name} must be among {', '.join(known)}, not {wrong!r}")
    return words


def labelled(name: str, value: Mapping[str, str]) -> dict[str, str]:
    """Labels by name. Raises `TypeError` for what has no names."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping such as {{'lesson': '42'}}, not {_kind(value)}")
    return dict(value)


def number(name: str, value: float, *, positive: bool = False) -> float:
    """A finite number, 0 or more; with `positive` more than 0. Raises `TypeError` or `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {_kind(value)}")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        raise ValueError(f"{name} must be a number of seconds, {'more than 0' if positive else '0 or more'}: {value}")
    return value


def count(name: str, value: int | None) -> int | None:
    """A whole number, 0 or more, or None for all. Raises `TypeError` or `ValueError`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {_kind(value)}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more: {value}")
    return value


def moment(name: str, value: datetime) -> datetime:
    """A time with its offset. Raises `TypeError` for another kind of value, `ValueError` for one without."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {_kind(value)}")
    if value.tzinfo is None:
        raise ValueError(f"{name} needs an offset: datetime.now(UTC), not datetime.now()")
    return value


def text(name: str, value: str) -> str:
    """A text that is not empty. Raises `TypeError` or `ValueError`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {_kind(value)}")
    if not value:
        raise ValueError(f"{name} is empty")
    return value


def checked_wishes(wishes: Mapping[str, Any]) -> None:
    """Refuse lists, labels and times of the wrong kind. All else is the service's to judge."""
    for name in ("av_file_type", "notify"):
        if wishes.get(name) is not None:
            listed(name, wishes[name])
    if wishes.get("labels") is not None:
        labelled("labels", wishes["labels"])
    for name in ("start_at", "stop_at"):
        if wishes.get(name) is not None:
            moment(name, wishes[name])


def _kind(value: object) -> str:
    return type(value).__name__


def _example(value: object) -> str:
    return f": write [{value!r}]" if isinstance(value, str) else ""
