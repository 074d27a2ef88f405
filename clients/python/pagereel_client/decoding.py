"""From JSON to the classes of `models`. What is unknown is left out, so that an older client reads a newer service."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def decode(kind: type[T], value: Any) -> T:
    """`value` as a `kind`. Raises `ValueError`, naming the field, where it cannot be one."""
    hint: Any = kind
    found: T = _decoder(hint)(value)
    return found


@cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    if is_dataclass(hint):
        return _fields(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):  # with a Literal in it, `|` makes the older one
        return _optional([each for each in arguments if each is not NoneType], NoneType in arguments)
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda value: tuple(item(each) for each in _of(list, value))
    if origin is dict:
        item = _decoder(arguments[1])
        return lambda value: {name: item(each) for name, each in _of(dict, value).items()}
    if origin is Literal:
        return lambda value: _of(str, value)  # a newer service may say words that are not known here
    return _plain(hint)


def _plain(hint: Any) -> Callable[[Any], Any]:
    if hint is Any:
        return lambda value: value
    if hint is datetime:
        return lambda value: datetime.fromisoformat(_of(str, value))
    if hint is float:
        return lambda value: float(_of((int, float), value))
    return lambda value: _of(hint, value)


def _fields(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    decoders = [(field.name, _decoder(hints[field.name])) for field in fields(kind)]

    def decoded(value: Any) -> Any:
        given, found = _of(dict, value), {}
        for name, decoder in decoders:
            try:
                found[name] = decoder(given.get(name))
            except ValueError as error:
                raise ValueError(f"{kind.__name__}.{name}: {error}") from None
        return kind(**found)

    return decoded


def _optional(kinds: list[Any], nothing: bool) -> Callable[[Any], Any]:
    """One kind or nothing; of several plain kinds the value is what JSON says it is."""
    one = _decoder(kinds[0]) if len(kinds) == 1 else (lambda value: _of(tuple(kinds), value))
    return lambda value: None if nothing and value is None else one(value)


def _of(kind: Any, value: Any) -> Any:
    """`value`, which has to be of a kind. JSON's true is no number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{type(value).__name__} is not expected")
    return value
