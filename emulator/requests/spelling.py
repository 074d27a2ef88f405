"""The keys that Agora documents for each body, and corrections of other keys (agora-reference §2, §3, §5, §6). Pure.

Finds misspelt keys, which Agora's official clients send too. It does not interpret the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from emulator.faults.model import Endpoint

_SHOWN_CHARACTERS = 64

# The keys allowed below each key. None means that there are no keys, or that the content belongs to other recording
# modes and is not checked.
_OUTPUTS = {"outputs": {"rtmpUrl": None}}
_STORAGE = {
    **dict.fromkeys(("vendor", "region", "bucket", "accessKey", "secretKey", "stsToken", "stsExpiration")),
    "fileNamePrefix": None,
    "extensionParams": dict.fromkeys(("sse", "tag", "endpoint")),
}
_SERVICE_PARAM = {
    **dict.fromkeys(("url", "audioProfile", "videoWidth", "videoHeight", "maxRecordingHour", "videoBitrate")),
    **dict.fromkeys(("videoFps", "mobile", "maxVideoDuration", "onhold", "readyTimeout")),
    **_OUTPUTS,
}
_SERVICE = {"serviceName": None, "errorHandlePolicy": None, "serviceParam": _SERVICE_PARAM}
_START = {
    **dict.fromkeys(("token", "recordingConfig", "snapshotConfig", "appsCollection", "transcodeOptions")),
    "storageConfig": _STORAGE,
    "recordingFileConfig": {"avFileType": None},
    "extensionServiceConfig": {"errorHandlePolicy": None, "apiVersion": None, "extensionServices": _SERVICE},
}
_REQUESTS: dict[Endpoint, dict[str, Any]] = {
    "acquire": {
        **dict.fromkeys(("scene", "resourceExpiredHour", "excludeResourceIds", "region", "regionAffinity")),
        "startParameter": _START,
    },
    "start": _START,
    "update": {
        "webRecordingConfig": {"onhold": None},
        "rtmpPublishConfig": _OUTPUTS,
        "storageConfig": _STORAGE,
        "streamSubscribe": None,
    },
    "stop": {"async_stop": None},
}


@dataclass(frozen=True, slots=True)
class Unknown:
    """A key that Agora does not document, its path, and the key that was probably meant."""

    path: str
    meant: str | None

    def __str__(self) -> str:
        advice = "" if self.meant is None else f"; did you mean {self.meant}?"
        return f"{self.path}: is not a key that Agora documents{advice}"


def check_spelling(endpoint: Endpoint, body: Any) -> tuple[list[Unknown], Any]:
    """Return a body's unknown keys, and the body after correcting keys that differ in case, dash or underscore."""
    known = {"cname": None, "uid": None, "clientRequest": _REQUESTS[endpoint]}
    unknown: list[Unknown] = []
    return unknown, _walk(body, known, "", unknown)


def _walk(value: Any, known: Mapping[str, Any], path: str, unknown: list[Unknown]) -> Any:
    if isinstance(value, list):
        return [_walk(item, known, f"{path}[{place}]", unknown) for place, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    folded = {_fold(key): key for key in known}
    corrected: dict[str, Any] = {}
    for key, item in value.items():
        place = f"{path}.{key[:_SHOWN_CHARACTERS]}".removeprefix(".")
        right = key if key in known else folded.get(_fold(key))
        if key not in known:
            close = get_close_matches(_fold(key), folded, n=1, cutoff=0.8)
            unknown.append(Unknown(place, right or (folded[close[0]] if close else None)))
        if right is None or (right != key and right in value):
            corrected[key] = item
        else:
            below = known[right]
            corrected[right] = item if below is None else _walk(item, below, place, unknown)
    return corrected


def _fold(key: str) -> str:
    return key[:_SHOWN_CHARACTERS].lower().replace("_", "").replace("-", "")
