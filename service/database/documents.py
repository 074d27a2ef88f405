"""Converts the domain's dataclasses to and from the JSON of a row.

Decoding accepts older and newer versions. A missing field gets its default, and an unknown field is ignored.
"""

from typing import Any

import orjson
from pydantic import TypeAdapter

from service.recording import Recording
from service.report import JudgedFile, Report

_RECORDING = TypeAdapter(Recording)
_REPORT = TypeAdapter(Report)
_FILE = TypeAdapter(JudgedFile)


def encode(value: Any) -> str:
    """Return the JSON of a dataclass, dict, list or tuple. Raise `TypeError` for a value that JSON cannot represent."""
    return orjson.dumps(value).decode()


def decode(text: str) -> Any:
    """Return plain JSON values."""
    return orjson.loads(text)


def decode_recording(text: str) -> Recording:
    return _RECORDING.validate_json(text)


def decode_report(text: str) -> Report:
    return _REPORT.validate_json(text)


def decode_file(text: str) -> JudgedFile:
    return _FILE.validate_json(text)
