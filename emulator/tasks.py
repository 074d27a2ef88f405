"""What is known about one recording task, and how it looks from outside. No I/O, no waiting.

For: the state that API answers, notices and the control API are rendered from. It must not change anything by itself;
`emulator.life` lives the task, `emulator.agora` takes wishes for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from emulator.faults import Subject
from emulator.names import format_instant
from emulator.requests import Start, Storage
from emulator.settings import App, Quirks

UploadStatus = Literal["uploaded", "unknown"]
RtmpStatus = Literal["connecting", "publishing", "onhold", "disconnected"]
ABNORMAL_CODES = {2, 3, 4, 5, 6}


@dataclass(frozen=True, slots=True)
class File:
    """A file that Agora lists: a playlist or an MP4, never a slice. `began` is Unix seconds."""

    name: str
    began: float


@dataclass(slots=True)
class Task:
    """One recording task. Instants are Unix seconds; those that did not come yet are None."""

    app: App
    start: Start
    resource_id: str
    sid: str
    started_at: float
    storage: Storage
    rtmp_url: str | None
    onhold: bool
    uid: str
    starts_at: float
    control_ends_at: float
    rtmp_status: RtmpStatus | None = None
    stop_asked_at: float | None = None
    recording_at: float | None = None
    ended_at: float | None = None
    uploaded_at: float | None = None
    gone_at: float | None = None
    first_file_at: float | None = None
    absent_until: float = 0.0
    end_code: int | None = None
    failovers: int = 0
    sequence: int = 0
    slices_made: int = 0
    slices_uploaded: int = 0
    files: list[File] = field(default_factory=list)
    upload_status: UploadStatus = "unknown"
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    uploaded: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def cname(self) -> str:
        """The label given at acquire."""
        return self.start.who.cname

    @property
    def running(self) -> bool:
        """True until the recording is over: while it is, a task with the same identity conflicts and time is billed."""
        return self.ended_at is None

    @property
    def alive(self) -> bool:
        """True until query answers 404 for good."""
        return self.gone_at is None

    @property
    def subject(self) -> Subject:
        """What faults may apply to. The uid is the one of start, also after a failover."""
        return Subject(self.cname, self.start.who.uid, self.started_at, self.sid)


def status_of(task: Task, now: float) -> int:
    """query's status (reference 4)."""
    if task.end_code in ABNORMAL_CODES:
        return 20
    if task.uploaded_at is not None:
        return 8
    if task.ended_at is not None:
        return 7
    if task.stop_asked_at is not None:
        return 6
    if task.recording_at is not None:
        return 4 if task.first_file_at is None else 5
    share = (now - task.started_at) / max(task.starts_at - task.started_at, 1e-6)
    return 1 if share < 1 / 3 else 2 if share < 2 / 3 else 3


def render_files(task: Task, quirks: Quirks) -> list[dict[str, Any]]:
    """fileList as in query, stop and event 71."""
    unit = 1000 if quirks.slice_start_unit == "ms" else 1
    return [{quirks.file_key: file.name, "sliceStartTime": round(file.began * unit)} for file in task.files]


def render_query(task: Task, quirks: Quirks, now: float) -> dict[str, Any]:
    """query's serverResponse (reference 4)."""
    files = render_files(task, quirks) if quirks.query_file_list and task.first_file_at is not None else []
    services = [_service("web_recorder_service", fileList=files, onhold=task.onhold, state=_state(task))]
    if task.rtmp_url is not None:
        services.append(_service("rtmp_publish_service", outputs=_outputs(task)))
    return {"status": status_of(task, now), "extensionServiceState": services}


def render_stop(task: Task, quirks: Quirks) -> dict[str, Any]:
    """The serverResponse of a synchronous stop (reference 6)."""
    upload = _service("upload_service", uploadingStatus=task.upload_status)
    recorder = _service("web_recorder_service", fileList=render_files(task, quirks), onhold=task.onhold, state="exit")
    if quirks.stop_entries == "upload":
        return {"extensionServiceState": [upload]}
    services = [recorder, upload] if quirks.recorder_first else [upload, recorder]
    if task.rtmp_url is not None:
        services.append(_service("rtmp_publish_service", outputs=_outputs(task)))
    return {"extensionServiceState": services}


def render_listing(task: Task, now: float) -> dict[str, Any]:
    """A task as the control API shows it: no secret in it, URLs cut short."""
    return {
        "app_id": task.app.app_id,
        "cname": task.cname,
        "uid": task.start.who.uid,
        "current_uid": task.uid,
        "sid": task.sid,
        "state": _listed_state(task),
        "status": status_of(task, now) if task.alive else None,
        "running": task.running,
        "onhold": task.onhold,
        "started_at": format_instant(task.started_at),
        "recording_started_at": format_instant(task.recording_at),
        "stop_asked_at": format_instant(task.stop_asked_at),
        "ended_at": format_instant(task.ended_at),
        "gone_at": format_instant(task.gone_at),
        "end_code": task.end_code,
        "billed_seconds": round(billed_seconds(task, now), 3),
        "slices_made": task.slices_made,
        "slices_uploaded": task.slices_uploaded,
        "failovers": task.failovers,
        "notices": task.sequence,
        "bucket": task.storage.bucket,
        "folder": "/".join(task.storage.folders),
        "page": redact_page(task.start.page.url),
        "rtmp": None if task.rtmp_url is None else redact_rtmp(task.rtmp_url),
    }


def billed_seconds(task: Task, now: float) -> float:
    """Real seconds from begin to end of the recording, pauses included (reference 10.8)."""
    return 0.0 if task.recording_at is None else (task.ended_at or now) - task.recording_at


def redact_page(url: str) -> str:
    """Scheme, host and path; a query or fragment becomes `?…`."""
    parts = urlsplit(url)
    rest = "?…" if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{_host(parts.netloc)}{parts.path}{rest}"


def redact_rtmp(url: str) -> str:
    """Scheme and host."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host(parts.netloc)}"


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def _service(name: str, **payload: Any) -> dict[str, Any]:
    return {"serviceName": name, "payload": payload}


def _outputs(task: Task) -> list[dict[str, Any]]:
    return [{"rtmpUrl": task.rtmp_url, "status": task.rtmp_status or "connecting"}]


def _state(task: Task) -> str:
    if task.recording_at is None:
        return "init"
    return "inProgress" if task.stop_asked_at is None and task.running else "exit"


def _listed_state(task: Task) -> str:
    if not task.running:
        return "exiting" if task.alive else "ended"
    if task.stop_asked_at is not None:
        return "stopping"
    if task.recording_at is None:
        return "starting"
    return "onhold" if task.onhold else "recording"
