"""The manifest as an in-toto Statement, and its reader for this and earlier versions. Pure.

The subjects are the objects with a known SHA-256, so any tool for in-toto statements can compare copies with them. An
ETag is the store's change mark and not a digest. ETags and objects without a digest appear only in the predicate.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from service.recording import Recording
from service.report import JudgedFile, Report, rules_of

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://pagereel.dev/manifest/v2"
OLD_PAYLOAD_TYPE: Final = "application/vnd.pagereel.manifest.v1+json"
PAYLOAD_TYPES: Final = (PAYLOAD_TYPE, OLD_PAYLOAD_TYPE)

# The fields of a manifest that `pagereel manifest check` shows, with their possible JSON types.
_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "deployment": str,
    "recording": str,
    "state": str,
    "verdict": str,
    "level": str,
    "judged_at": str,
    "coverage": (int, float, type(None)),
    "objects": list,
    "missing": list,
}


class NotAManifestError(Exception):
    """The signed payload is not a manifest of a recording."""


def write_statement(
    recording: Recording, number: int, report: Report, files: Sequence[JudgedFile], deployment: str
) -> bytes:
    """Return the payload of the manifest of report `number`. `files` are in the order of their keys."""
    present = [file for file in files if file.listed and not file.missing]
    return orjson.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": _subjects(recording, present),
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "deployment": deployment,
                "recording": recording.id,
                "state": recording.state,
                "report": number,
                "verdict": report.verdict,
                "level": report.level,
                "wanted_level": report.wanted_level,
                "rules_version": rules_of(report),
                "judged_at": _instant(report.judged_at),
                "coverage": None if report.coverage is None else report.coverage.share,
                "bucket": recording.location.bucket,
                "attempts": [{"cname": one.cname, "sid": one.sid, "prefix": one.prefix} for one in recording.attempts],
                "objects": [_object(file) for file in present],
                "missing": [file.key for file in files if file.missing],
            },
        }
    )


def _subjects(recording: Recording, present: Sequence[JudgedFile]) -> list[dict[str, Any]]:
    """Return a subject for each object with a known SHA-256. Because a statement needs a subject, the listing itself is
    the subject if no object has a digest: a line `SIZE ETAG KEY` for each object of the predicate, in its order."""
    hashed = [file for file in present if file.sha256 is not None]
    if hashed:
        return [{"name": file.key, "digest": {"sha256": file.sha256}} for file in hashed]
    lines = "".join(f"{file.size_bytes} {file.etag} {file.key}\n" for file in present)
    return [{"name": f"{recording.id}/listing", "digest": {"sha256": hashlib.sha256(lines.encode()).hexdigest()}}]


def _object(file: JudgedFile) -> dict[str, Any]:
    return {
        "object": file.key,
        "kind": file.kind,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "checksum": file.checksum,
        "etag": file.etag,
        "starts_at": None if file.starts_at is None else _instant(file.starts_at),
        "duration_seconds": file.duration_seconds,
        "in_playlist": file.in_playlist,
    }


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_manifest(payload: bytes, payload_type: str) -> dict[str, Any]:
    """Return the predicate of a manifest of this or an earlier version. Raise `NotAManifestError` for any other
    payload."""
    try:
        given: Any = orjson.loads(payload)
    except ValueError:
        raise NotAManifestError("the signed content is not JSON") from None
    if payload_type == PAYLOAD_TYPE:
        given = _predicate_of(given)
    if not isinstance(given, dict) or not all(isinstance(given.get(name), kind) for name, kind in _FIELDS.items()):
        raise NotAManifestError("the signed content is not a manifest of a recording")
    if not all(isinstance(one, dict) for one in given["objects"]):
        raise NotAManifestError("the signed content is not a manifest of a recording")
    return given


def _predicate_of(statement: Any) -> Any:
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        raise NotAManifestError("the signed content is not an in-toto statement")
    if statement.get("predicateType") != PREDICATE_TYPE:
        raise NotAManifestError("the signed content is a statement about something else")
    return statement.get("predicate")
