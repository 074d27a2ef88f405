"""Values that must never be shown: given inline or by a file that is read again when it changes.

A rotated file takes effect within 15 s without a restart: it is checked when the value is requested, at most every 5 s.
During a rotation (file absent, empty, not parsable) the last good value stays. The module must not log, and must not
put a value into any text.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, Self, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from service.settings.shapes import check_filled

T = TypeVar("T")
LOOK_SECONDS: Final = 5.0
MASK: Final = "**********"


class _Reread(Generic[T]):
    """The parsed content of a file, parsed again when the file changes."""

    def __init__(self, path: Path, parse: Callable[[str], T], monotonic: Callable[[], float]) -> None:
        self.path = path
        self._parse = parse
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._seen = self._mark()
        self._value = self._read()

    def get(self) -> T:
        now = self._monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            mark = self._mark()
            if mark != self._seen:
                self._value = self._read()
                self._seen = mark
        except (OSError, ValueError):
            return  # an unfinished rotation: keep the last good value and try again later

    def _mark(self) -> tuple[int, int, int]:
        status = os.stat(self.path)
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> T:
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"file {self.path} is not UTF-8") from error
        return self._parse(text)


def _open_file(given: object, parse: Callable[[str], T], monotonic: Callable[[], float]) -> _Reread[T]:
    if not isinstance(given, str | Path) or not str(given):
        raise ValueError("should be the path of a file, in quotes")
    try:
        return _Reread(Path(given), parse, monotonic)
    except OSError as error:
        raise ValueError(f"file {given} cannot be read ({error.strerror})") from error


def _parse_line(text: str) -> str:
    value = text.rstrip("\r\n")
    if not value.strip():
        raise ValueError("is empty")
    check_filled(value)
    return value


@dataclass(frozen=True, slots=True)
class FromFile:
    """Passes a `*_file` key to the validation of its secret. `clash`: this key, if the inline key is set too."""

    path: object
    clash: str = ""


class Secret:
    """One secret text. Only `get()` returns it; repr, str and dumps show a mask."""

    __slots__ = ("_source",)

    def __init__(self, value: str) -> None:
        self._source: str | _Reread[str] = value

    @classmethod
    def of_file(cls, path: str | Path, monotonic: Callable[[], float] = time.monotonic) -> Self:
        """Return a secret whose file is read now and whenever it changes. Raise ValueError if it is unreadable or
        empty."""
        secret = cls("")
        secret._source = _open_file(path, _parse_line, monotonic)
        return secret

    def get(self) -> str:
        return self._source if isinstance(self._source, str) else self._source.get()

    def is_given_as(self, other: "Secret") -> bool:
        """Return whether both are the same file, or the same inline text. Two files may be equal during a rotation."""
        mine, theirs = self._source, other._source
        if isinstance(mine, str) or isinstance(theirs, str):
            return mine == theirs
        return mine.path.resolve() == theirs.path.resolve()

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    @classmethod
    def _validate(cls, given: Any) -> "Secret":
        if isinstance(given, FromFile):
            return cls.of_file(given.path)  # type: ignore[arg-type]  # _open_file checks it
        if isinstance(given, Secret):
            return given
        if not isinstance(given, str):
            raise ValueError("should be text in quotes")
        return cls(_parse_line(given))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK)
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys as sent to Agora. With `session_token` they are temporary until `expires_at` (Unix seconds)."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None


def parse_credentials(text: str) -> Credentials:
    """Parse a credentials file: JSON with access_key, secret_key, session_token, expires_at. Raise ValueError with the
    fault."""
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError("credentials file is not JSON") from error
    if not isinstance(given, dict):
        raise ValueError("credentials file is not a JSON object")
    access_key, secret_key, session_token = (
        _text_of(given, name) for name in ("access_key", "secret_key", "session_token")
    )
    return Credentials(access_key, secret_key, session_token, _parse_instant(given.get("expires_at")))


def _text_of(given: dict[str, object], name: str) -> str:
    text = given.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"credentials file has no {name}")
    return text


def _parse_instant(given: object) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    try:
        instant = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError("credentials file: expires_at should be Unix seconds or an RFC 3339 instant with offset")
    return instant.timestamp()


class CredentialsFile:
    """Temporary storage keys in a file that another program refreshes. `get()` returns the newest good ones."""

    __slots__ = ("_source",)

    def __init__(self, path: str | Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._source = _open_file(path, parse_credentials, monotonic)

    def get(self) -> Credentials:
        return self._source.get()

    def __repr__(self) -> str:
        return f"CredentialsFile({MASK!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda given: given if isinstance(given, cls) else cls(given),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )
