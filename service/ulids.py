"""The time in a part of a ULID. Pure."""

import re
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_CHARACTERS: Final = 10
LENGTH: Final = 26
_PART: Final = re.compile(rf"[{_ALPHABET}]{{1,{LENGTH}}}")


def read_part(text: str) -> str | None:
    """Return the part of a ULID in `text`, which is a recording's id or a part of one, with or without `rec_`. Return
    None if it cannot be one."""
    part = text.strip().upper().removeprefix("REC_")
    return part if part.isascii() and _PART.fullmatch(part) else None


def span_of(beginning: str) -> tuple[float, float]:
    """Return the range of timestamps (Unix seconds, end exclusive) of ULIDs with this beginning, which comes from
    `read_part`."""
    time = beginning[:_TIME_CHARACTERS]
    from_at, to_at = _milliseconds(time), _milliseconds(time) + 32 ** (_TIME_CHARACTERS - len(time))
    return from_at / 1000, to_at / 1000


def _milliseconds(time: str) -> int:
    number = 0
    for character in time.ljust(_TIME_CHARACTERS, "0"):
        number = number * 32 + _ALPHABET.index(character)
    return number
