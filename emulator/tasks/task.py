"""The state of one recording task. It does no I/O and does not wait.

API answers, notices and the ground truth are rendered from it. It does not change by itself, because
`emulator.recorders.task_lifecycle` runs the task, and `emulator.api.agora` stores requested changes in it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from emulator.engines.interface import EndCode, PushStatus
from emulator.faults.registry import Subject
from emulator.notifications.sender import Said
from emulator.notifications.wire import SERVICE_TYPES
from emulator.requests.parse import Start
from emulator.requests.quirks import Quirks
from emulator.requests.storage_config import Storage
from emulator.requests.stream_limits import Area
from emulator.settings import App

UploadStatus = Literal["uploaded", "backuped", "unknown"]
Fate = Literal["stored", "backed_up", "forwarded", "lost"]
_KEPT_NOTICES = 500
ABNORMAL_CODES = set(EndCode) - {EndCode.STOPPED, EndCode.HOUR_LIMIT}


@dataclass(frozen=True, slots=True)
class File:
    """A file that Agora lists, which is a playlist or an MP4 but never a slice. `began` is in Unix seconds."""

    name: str
    began: float


@dataclass(slots=True)
class Span:
    """A period between two timestamps (Unix seconds). Without an end it is still open. `file_set` counts failovers."""

    began: float
    ended: float | None
    file_set: int = 0


@dataclass(slots=True)
class Task:
    """One recording task. Timestamps are in Unix seconds, and None until they are reached."""

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
    area: Area
    rtmp_status: PushStatus | None = None
    stop_asked_at: float | None = None
    recording_at: float | None = None
    ended_at: float | None = None
    uploaded_at: float | None = None
    gone_at: float | None = None
    first_file_at: float | None = None
    absent_until: float = 0.0
    end_code: int | None = None
    failovers: int = 0
    sequences: Counter[int] = field(default_factory=Counter)
    progress: int = 0
    slices_made: int = 0
    slices_uploaded: int = 0
    files: list[File] = field(default_factory=list)
    media: list[Span] = field(default_factory=list)
    holds: list[Span] = field(default_factory=list)
    fates: dict[str, Fate] = field(default_factory=dict)
    said: deque[Said] = field(default_factory=lambda: deque(maxlen=_KEPT_NOTICES))
    upload_status: UploadStatus = "unknown"
    describe: Callable[[], dict[str, Any]] = dict
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    uploaded: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def cname(self) -> str:
        """Return the channel name given at acquire."""
        return self.start.who.cname

    @property
    def running(self) -> bool:
        """Return True until the recording ends. Until then it is billed, and another task with its names conflicts."""
        return self.ended_at is None

    @property
    def alive(self) -> bool:
        """Return True until query permanently answers 404."""
        return self.gone_at is None

    @property
    def subject(self) -> Subject:
        """Return the subject for faults. Its uid is that of start, also after a failover."""
        return Subject(self.cname, self.start.who.uid, self.started_at, self.sid)

    def next_sequence(self, event: int, quirks: Quirks) -> int:
        """Return the next notice's sequence number. Whether modules are counted separately is not documented."""
        module = SERVICE_TYPES.get(event, 0) if quirks.sequence_scope == "module" else -1
        self.sequences[module] += 1
        return self.sequences[module] - 1

    def add_media(self, began: float, ended: float, file_set: int) -> None:
        """Record a period of media in a slice. Adjacent periods of one file set are merged."""
        last = next((span for span in reversed(self.media) if span.file_set == file_set), None)
        if last is not None and abs((last.ended or 0.0) - began) < 1e-3:
            last.ended = ended
        else:
            self.media.append(Span(began, ended, file_set))

    def hold(self, held: bool, now: float) -> None:
        """Record the start or end of a pause."""
        if held:
            self.holds.append(Span(now, None))
        elif self.holds and self.holds[-1].ended is None:
            self.holds[-1].ended = now


def status_of(task: Task, now: float) -> int:
    """Return query's status (agora-reference §4)."""
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
    return min(int(share * 4), 3)


def billed_seconds(task: Task, now: float, *, holds: bool = True) -> float:
    """Return the real seconds from start to end of the recording, with or without pauses (agora-reference §10.8)."""
    if task.recording_at is None:
        return 0.0
    ended = task.ended_at or now
    paused = 0.0 if holds else sum((span.ended or ended) - span.began for span in task.holds)
    return ended - task.recording_at - paused
