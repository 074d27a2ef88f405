"""A reader of JSON objects, field by field. Every refusal names its field. Pure.

Checks types and ranges. It does not interpret the fields.
"""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """The body breaks a rule. The answer is HTTP 400 with `code` and `reason`."""

    def __init__(self, reason: str, code: int = 2) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def without_nulls(value: Any) -> Any:
    """Remove keys whose value is null at every depth, because null counts as omitted."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


class Fields:
    """A reader of one JSON object that names the field in every refusal. A null value counts as omitted."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise Refused(f"{path}: must be an object")
        self._value: dict[str, Any] = {key: item for key, item in value.items() if item is not None}
        self._path = path

    def refuse(self, key: str, problem: str) -> Refused:
        """Return the refusal of one field."""
        return Refused(f"{self._path}.{key}: {problem}" if self._path != "body" else f"{key}: {problem}")

    def has(self, key: str) -> bool:
        """Return True if the field is present and not null."""
        return key in self._value

    def object(self, key: str) -> Fields:
        """Return a nested object. Raise Refused if it is missing."""
        if not self.has(key):
            raise self.refuse(key, "is missing")
        return Fields(self._value[key], key if self._path == "body" else f"{self._path}.{key}")

    def raw(self, key: str) -> Any:
        """Return the value as received, without nulls."""
        return without_nulls(self._value[key])

    def text(self, key: str) -> str:
        """Return a non-empty text, or raise Refused."""
        value = self._value.get(key)
        if not isinstance(value, str) or not value:
            raise self.refuse(key, "must be a text and not empty")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a text, or None if it was omitted."""
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, words: tuple[str, ...], default: str) -> str:
        """Return one of `words`. If it was omitted or is empty, as the official Go client sends it, return the
        default."""
        value = self._value.get(key) or default
        if value not in words:
            raise self.refuse(key, "must be " + " or ".join(f'"{word}"' for word in words))
        return str(value)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """Return a number within bounds, or raise Refused."""
        value = self._value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(key, "must be a number")
        if not low <= value <= high:
            raise self.refuse(key, f"must be from {low:.15g} to {high:.15g}")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Return an integer within bounds, or raise Refused."""
        value = self.number(key, low, high, default)
        if value != int(value):
            raise self.refuse(key, "must be an integer")
        return int(value)

    def flag(self, key: str) -> bool:
        """Return a boolean, which is False if it was omitted."""
        value = self._value.get(key, False)
        if not isinstance(value, bool):
            raise self.refuse(key, "must be true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, which is empty if it was omitted."""
        value = self._value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(key, "must be a list of texts")
        return tuple(value)

    def objects(self, key: str) -> list[Fields]:
        """Return a list of objects, or raise Refused."""
        value = self._value.get(key)
        if not isinstance(value, list):
            raise self.refuse(key, "must be a list")
        return [Fields(item, f"{self._path}.{key}[{place}]") for place, item in enumerate(value)]
