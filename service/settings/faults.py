"""Describes faults of a settings file or its values in words that name the choices, without showing a value. Pure."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from pydantic_core import ErrorDetails, PydanticCustomError

from service.settings.section import Section, annotation_at, is_table, keys_of, plain_type
from service.settings.shapes import OWNER

Place = tuple[str | int, ...]

PATTERNS: Final[dict[str, str]] = {
    r"^[a-z0-9]{2,8}$": "2 to 8 lower-case letters and digits",
    r"^[A-Za-z0-9_-]{1,64}$": "1 to 64 letters, digits, - and _",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$": "the bucket's name alone: 2 to 255 letters, digits, `.`, `_` and `-`",
    r"^[a-zA-Z0-9]+$": "letters and digits alone: one entry for each folder",
    r"^[a-z0-9][a-z0-9-]{0,62}$": "the name of a region, such as eu-central-1",
    r"^(sqlite:///.+|postgresql://.+)$": "sqlite:///PATH or postgresql://user@host:port/name",
    r"^[A-Z]{3}$": "three capital letters, such as USD",
    r"^[a-z0-9][a-z0-9_-]{0,30}$": "1 to 31 lower-case letters, digits, `-` and `_`",
}
"""Every regular expression of the settings, in words."""

_KINDS: Final[dict[str, str]] = {
    "string_type": "text in quotes",
    "tuple_type": "a list in brackets: […]",
    "path_type": "the path of a file, in quotes",
}
_TOML: Final[dict[str, str]] = {
    "Cannot overwrite": "this key is set twice",
    "Cannot declare": "this table stands twice, or its name is a key already",
    "Cannot mutate": "this table stands twice, or its name is a key already",
    "Illegal character '\\n'": "the closing quote is missing",
    "Illegal character": "this character cannot stand here",
    "Unterminated string": "the closing quote is missing",
    "Invalid value": 'a value is missing, or is text without straight quotes ("…")',
    "Unescaped": "a backslash begins an escape: write two of them, or use '…' for the text",
    "Invalid hex": "an escape (\\u…) is not complete",
    "Expected newline": "something follows the value: write one key on each line",
    "Expected '='": "write KEY = VALUE",
    "Expected ']'": "the heading of a table is not closed, or has a blank in its name: write [name]",
    "Invalid statement": "write KEY = VALUE, or [table]",
    "Invalid initial character": "a key is missing: it has letters, digits, - and _, or stands in quotes",
    "Unclosed array": "a list is not closed: `]` is missing",
    "Unclosed inline table": "a table is not closed: `}` is missing",
    "Duplicate inline table key": "this key is set twice",
}


def at(place: Iterable[str], text: str) -> PydanticCustomError:
    """Return the fault of a key below the validated one."""
    return PydanticCustomError("below", "{text}", {"text": text, "place": tuple(place)})


def at_each(faults: Iterable[tuple[Iterable[str], str]]) -> PydanticCustomError:
    """Return the faults of several keys below the validated one."""
    named = tuple((tuple(place), text) for place, text in faults)
    return PydanticCustomError("below", "{text}", {"text": named[0][1], "faults": named})


def faults_of(root: type[Section], errors: list[ErrorDetails]) -> Iterator[tuple[Place, str]]:
    """Yield place and text of each error. A list with a wrong entry is not also reported as too short."""
    places = [error["loc"] for error in errors]
    for error in errors:
        place = error["loc"]
        if error["type"] == "too_short" and any(other[:-1] == place for other in places):
            continue
        context = error.get("ctx", {})
        own = tuple(part for part in place if part != "[key]")
        for below, text in context.get("faults") or ((context.get("place", ()), _words(root, error)),):
            yield (*own, *below), text


def _words(root: type[Section], error: ErrorDetails) -> str:
    kind, place, context = error["type"], error["loc"], error.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if "[key]" in place:
        return f"is not a valid name: use {_name_rule(place)}"
    if kind in _KINDS:
        return f"should be {_KINDS[kind]}"
    if kind in ("dict_type", "model_type"):
        return _table(root, place)
    if kind == "string_pattern_mismatch":
        return f"should be {PATTERNS[context['pattern']]}"
    if kind in ("literal_error", "enum"):
        return f"should be {context['expected']}"
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        return _length(kind, context)
    if kind == "int_quoted":
        return f"should be {_number(root, place)}, without quotes"
    if kind.startswith("bool_"):
        return "should be true or false" + (", without quotes" if kind == "bool_quoted" else "")
    if kind.startswith(("int_", "float_", "finite_", "greater_", "less_")):
        return f"should be {_number(root, place)}"
    return error["msg"].removeprefix("Value error, ")


def _name_rule(place: Place) -> str:
    return OWNER if place[0] == "owners" else PATTERNS[r"^[a-z0-9][a-z0-9_-]{0,30}$"]


def _table(root: type[Section], place: Place) -> str:
    """Return the fault of a value in a table's place, or of keys that belong in a named table."""
    if is_table(annotation_at(root, place)):
        return f"should hold tables with names: [{place[-1]}.<name>]"
    if len(place) > 1 and is_table(annotation_at(root, place[:-1])):
        section = plain_type(annotation_at(root, place))
        if str(place[-1]) in keys_of(section):
            return f"belongs into a table with a name: [{place[-2]}.<name>]"
    return f"should be a table: [{'.'.join(map(str, place))}]"


def _length(kind: str, context: Mapping[str, Any]) -> str:
    what = "character" if kind.startswith("string_") else "entry"
    most = context.get("max_length")
    number = most if most is not None else context["min_length"]
    plural = {"character": "characters", "entry": "entries"}[what] if number != 1 else what
    return f"should have at {'most' if most is not None else 'least'} {number} {plural}"


def _number(root: type[Section], place: Place) -> str:
    """Return "a number" with the range of its setting."""
    while place and isinstance(place[-1], int):
        place = place[:-1]
    section = plain_type(annotation_at(root, place[:-1]))
    info = (
        section.model_fields.get(str(place[-1])) if isinstance(section, type) and issubclass(section, Section) else None
    )
    if info is None:
        return "a number"
    bounds, types = {}, set()
    for part in parts_of(info.annotation, info.metadata):
        types.add(part) if isinstance(part, type) else None
        for name in ("ge", "gt", "le", "lt"):
            if getattr(part, name, None) is not None:
                bounds[name] = f"{getattr(part, name):.15g}"
    return ("a whole number" if int in types else "a number") + _range(bounds)


def parts_of(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[Any]:
    """Yield the types and rules of an annotation, including those of a list's entries."""
    yield from metadata
    yield annotation
    for inner in (*get_args(annotation), *getattr(annotation, "__metadata__", ())):
        if inner is not annotation:
            yield from parts_of(inner, getattr(inner, "metadata", ()))


def _range(bounds: Mapping[str, str]) -> str:
    low, high = bounds.get("ge"), bounds.get("le")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    said = " and ".join(f"{word} {bounds[name]}" for name, word in words.items() if name in bounds)
    return f", {said}" if said else ""


def not_toml(error: tomllib.TOMLDecodeError) -> str:
    """Return the syntax error of a file, and its place."""
    text = str(error)
    said = next((words for begin, words in _TOML.items() if text.startswith(begin)), "this cannot be read")
    found = re.search(r"at line (\d+), column (\d+)", text)
    where = f"at line {found[1]}, column {found[2]}" if found else "at its end"
    return f"is not TOML {where}: {said}"


def not_utf8(content: bytes, error: UnicodeDecodeError) -> str:
    """Return why a file is not readable text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is not UTF-8 but UTF-16: save it as UTF-8"
    line = content.count(b"\n", 0, error.start) + 1
    return f"is not UTF-8 in line {line}: save it as UTF-8"
