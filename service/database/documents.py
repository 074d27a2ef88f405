"""The domain's dataclasses to and from the JSON of a row.

Reading tolerates what older and newer versions wrote: a missing field gets its default, an unknown one is left out.
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
    """JSON of a dataclass, dict, list or tuple. Raises `TypeError` for anything that JSON cannot hold."""
    return orjson.dumps(value).decode()


def decode(text: str) -> Any:
    """Plain JSON values."""
    return orjson.loads(text)


def decode_recording(text: str) -> Recording:
    return _RECORDING.validate_json(text)


def decode_report(text: str) -> Report:
    return _REPORT.validate_json(text)


def decode_file(text: str) -> JudgedFile:
    return _FILE.validate_json(text)
