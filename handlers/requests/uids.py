"""Agora's uid of a task in requests. The API shows it as text, and a log line as a number. Pure."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

_MOST: Final = 2**32 - 1
_DIGITS: Final = "^[1-9][0-9]{0,9}$"


def _number(given: object) -> object:
    return int(given) if isinstance(given, str) and re.fullmatch(_DIGITS, given) else given


UidIn = Annotated[
    int,
    Field(ge=1, le=_MOST),
    BeforeValidator(_number),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": _MOST}, {"type": "string", "pattern": _DIGITS}],
            "description": "Agora's uid of the task: a number, or its digits in a string, as in `attempts[].uid`",
        }
    ),
]
