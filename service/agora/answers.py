"""Parses Agora's successful answers into typed results, with tolerance for missing values (agora-reference §2 to §7.6,
§14). Pure. A result contains no URL: push targets are redacted here."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from service.urls.rules import redact_rtmp

MAX_ID_CHARACTERS: Final = 2048
MILLISECONDS_FROM: Final = 1e11


@dataclass(frozen=True, slots=True)
class Acquired:
    resource_id: str


@dataclass(frozen=True, slots=True)
class Started:
    """`sid` None: an earlier send of the same start succeeded (201/7), but its answer was lost."""

    sid: str | None


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file as Agora names it, without its prefix. `starts_at` is in Unix seconds."""

    name: str
    starts_at: float | None


@dataclass(frozen=True, slots=True)
class Push:
    """One CDN push; `target` is scheme and host alone."""

    target: str
    status: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """The answer to a query. `status` as in §4 (4, 5: recording); a running recorder may name no files at all (§4).
    `cname` and `uid` are those of the task's creation, if the answer contains them."""

    status: int | None
    onhold: bool | None = None
    recorder_state: str | None = None
    files: tuple[NamedFile, ...] = ()
    pushes: tuple[Push, ...] = ()
    cname: str | None = None
    uid: str | None = None


@dataclass(frozen=True, slots=True)
class Updated:
    pass


@dataclass(frozen=True, slots=True)
class Stopped:
    """`already`: it was stopping before (400/49). `uploading_status`: uploaded, backuped, unknown, or None if not
    stated."""

    uploading_status: str | None = None
    nothing_recorded: bool = False
    already: bool = False


def parse_acquired(body: dict[str, Any]) -> Acquired | None:
    """Return the resource id, or None if the answer has no usable one."""
    found = _identifier(body.get("resourceId"))
    return None if found is None else Acquired(found)


def parse_sid(body: dict[str, Any]) -> str | None:
    """Return the sid in the answer to a start; an empty one counts as None (§1.5)."""
    return _identifier(body.get("sid"))


def parse_task_state(body: dict[str, Any]) -> TaskState:
    said = _table(body.get("serverResponse"))
    recorder: dict[str, Any] = {}
    pushes: tuple[Push, ...] = ()
    for name, payload in _services(said):
        if name == "web_recorder_service":
            recorder = payload
        elif name == "rtmp_publish_service":
            pushes = tuple(_pushes(payload))
    onhold = recorder.get("onhold")
    return TaskState(
        status=_whole(said.get("status")),
        onhold=onhold if isinstance(onhold, bool) else None,
        recorder_state=_word(recorder.get("state")),
        files=tuple(_files(recorder.get("fileList"))),
        pushes=pushes,
        cname=_identifier(body.get("cname")),
        uid=_identifier(str(body["uid"])) if isinstance(body.get("uid"), str | int) else None,
    )


def parse_stopped(body: dict[str, Any]) -> Stopped:
    said = _table(body.get("serverResponse"))
    status = _word(said.get("uploadingStatus"))
    for name, payload in _services(said):
        if name == "upload_service":
            status = _word(payload.get("uploadingStatus")) or status
    return Stopped("unknown" if status == "unknow" else status)


def parse_ncs_ips(body: dict[str, Any]) -> frozenset[str]:
    hosts = _table(_table(body.get("data")).get("service")).get("hosts")
    found = set()
    for host in hosts if isinstance(hosts, list) else ():
        try:
            found.add(str(ipaddress.ip_address(str(_table(host).get("primaryIP")))))
        except ValueError:
            continue
    return frozenset(found)


def parse_instant(value: object) -> float | None:
    """Return Unix seconds from seconds or milliseconds, distinguished by magnitude (§14 no. 1)."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        return None
    return value / 1000 if value >= MILLISECONDS_FROM else float(value)


def _services(said: dict[str, Any]) -> Iterator[tuple[object, dict[str, Any]]]:
    states = said.get("extensionServiceState")
    for state in states if isinstance(states, list) else ():
        entry = _table(state)
        yield entry.get("serviceName"), _table(entry.get("payload"))


def _files(listed: object) -> Iterator[NamedFile]:
    for entry in listed if isinstance(listed, list) else ():
        table = _table(entry)
        name = table.get("filename") or table.get("fileName")
        if isinstance(name, str):
            yield NamedFile(name.rsplit("/", 1)[-1], parse_instant(table.get("sliceStartTime")))


def _pushes(payload: dict[str, Any]) -> Iterator[Push]:
    outputs = payload.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        table = _table(output)
        status = _word(table.get("status")) or _word(payload.get("state")) or "unknown"
        yield Push(redact_rtmp(str(table.get("rtmpUrl") or "")), status)


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value.isalnum() and len(value) <= 40 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _identifier(value: object) -> str | None:
    usable = isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isascii() and value.isprintable()
    return value if usable and isinstance(value, str) else None
