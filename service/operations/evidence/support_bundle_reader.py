"""A reader for support bundles that reproduces the decisions of their recording. It needs no database and no
settings."""

import io
import zipfile
import zlib
from dataclasses import replace

import orjson
from pydantic import TypeAdapter, ValidationError

from service.database.evidence import HistoryRow
from service.lifecycle.reconstruct import Decision, Kept, replay
from service.operations.evidence.support_bundle import FORMAT
from service.recording import Notice, Recording
from service.report import JudgedFile, Report

MOST_BYTES = 256 * 1024 * 1024
_NOTICE = TypeAdapter(Notice)
_REPORTS = TypeAdapter(dict[int, Report])
_FILES = TypeAdapter(tuple[JudgedFile, ...])
_HISTORY = TypeAdapter(list[HistoryRow])
_RECORDING = TypeAdapter(Recording)


class BundleError(ValueError):
    """The content is not a support bundle, or has another format."""


def open_bundle(content: bytes) -> Kept:
    """Return the content of a bundle. Raise `BundleError` if it is not valid."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > MOST_BYTES:
                raise BundleError("it is too large for a support bundle")
            if orjson.loads(archive.read("bundle.json"))["format"] != FORMAT:
                raise BundleError("another version created it, and its format is unknown")
            files = _FILES.validate_json(archive.read("files.json"))
            reports = _REPORTS.validate_json(archive.read("reports.json"))
            notices = [each["notice"] for each in orjson.loads(archive.read("notices.json"))]
            return Kept(
                _RECORDING.validate_json(archive.read("recording.json")),
                _HISTORY.validate_json(archive.read("timeline.json")),
                [_NOTICE.validate_python(notice) for notice in notices if notice is not None],
                {number: _with_files(report, files) for number, report in reports.items()},
            )
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValidationError, orjson.JSONDecodeError) as error:
        raise BundleError("it is not a support bundle") from error


def decide(content: bytes) -> tuple[Recording, Recording, tuple[Decision, ...]]:
    """Return the recording as stored, the recording that today's rules arrive at, and every decision."""
    kept = open_bundle(content)
    try:
        arrived, decisions = replay(kept)
    except (LookupError, TypeError, ValueError) as error:
        raise BundleError("its timeline is not valid") from error
    return kept.recording, arrived, decisions


def _with_files(report: Report, files: tuple[JudgedFile, ...]) -> Report:
    return replace(report, files=files)
