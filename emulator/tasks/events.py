"""The notices of a task to its app's receivers, with one method for each event and the fields of agora-reference §8.

Defines the details of every notice. It does not deliver notices or decide when they are due.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emulator.engines.interface import PushStatus
from emulator.notifications.wire import Notice, Receiver
from emulator.tasks.context import World
from emulator.tasks.responses import render_files
from emulator.tasks.task import Task, status_of

RECORDER, UPLOADER, SERVICE = 0, 1, 2
UPLOAD_TIMEOUT, START_TIMEOUT = 50, 52
SENT_AGAIN, SENT_TO_BACKUP = 31, 32
_MESSAGES = (
    *("ok", "max_recording_hour", "capability_limit", "start_engine_failed"),
    *("page_load_timeout", "access_url_failed", "recorder_error"),
)
_PUSH_NUMBERS: dict[PushStatus, int] = {"connecting": 0, "publishing": 1, "onhold": 2, "disconnected": 3}


class Teller:
    """Sends the notices of one task."""

    def __init__(self, world: World, task: Task) -> None:
        self._world, self._task, self._quirks = world, task, world.settings.quirks

    def registered(self) -> None:
        """Send event 13, which only a best-practice page names. Its payload is not documented."""
        if self._quirks.register_notice:
            self._say(13)

    def started(self, recording_at: float) -> None:
        """Send events 30 and 70, and 40 if the quirk `recorder_started_40` is on."""
        self._say(30, status=0)
        if self._quirks.recorder_started_40:
            self._say(40, status=0)
        self._say(70, recorderStartTime=round(recording_at * 1000))

    def first_file(self, playlist: str) -> None:
        """Send event 4 when the playlist has arrived."""
        self._say(4, fileList=playlist)

    def progress(self) -> None:
        """Send event 33 with the ratio of uploaded to recorded slices."""
        made, task = self._task.slices_made, self._task
        ratio = 10000 if made == 0 else round(task.slices_uploaded / made * 10000)
        task.progress = max(ratio, task.progress) if self._quirks.progress == "grows" else ratio
        self._say(33, progress=task.progress)

    def complete(self) -> None:
        """Send event 33 for a complete upload."""
        self._say(33, progress=10000)

    def reloaded(self, reason: str) -> None:
        """Send event 73."""
        self._say(73, reason=reason)

    def limited(self, limit: str) -> None:
        """Send event 72."""
        self._say(72, limitType=limit)

    def pushed(self, status: PushStatus) -> None:
        """Send event 100 when the push has changed its state."""
        shown: str | int = status if self._quirks.rtmp_status_type == "string" else _PUSH_NUMBERS[status]
        self._say(100, rtmpUrl=self._task.rtmp_url, status=shown)

    def failed_over(self, new_uid: int) -> None:
        """Send event 12, still under the old uid."""
        self._say(12, newUid=new_uid)

    def stopped(self, code: int) -> None:
        """Send event 71."""
        message = _MESSAGES[code] + (" " if code == 6 and self._quirks.recorder_error_blank else "")
        files = render_files(self._task, self._quirks)
        self._say(71, code=code, message=message, details=self._end_details(code), fileList=files)

    def upload_refused(self, code: int, *, configuration: bool) -> None:
        """Send event 1 of the uploader, because a file is lost."""
        text = "storage configuration rejected" if configuration else "upload failed"
        self._error(UPLOADER, 5 if configuration else 4, code, text)

    def upload_timed_out(self) -> None:
        """Send event 1 of the service, because a synchronous stop waited too long."""
        self._error(SERVICE, 3, UPLOAD_TIMEOUT, "upload timeout")

    def start_timed_out(self) -> None:
        """Send event 1 of the service, because the engine did not start."""
        self._error(SERVICE, 5, START_TIMEOUT, "start timeout")

    def warned(self, code: int) -> None:
        """Send event 2 of the uploader."""
        self._say(2, module=UPLOADER, warnCode=code)

    def misfit(self, now: float) -> None:
        """Send event 3, because a call did not match the task's state."""
        files = self._task.files
        self._say(
            3,
            status=status_of(self._task, now),
            recordingMode=self._quirks.recording_mode,
            fileList=files[0].name if files else "",
        )

    def token_expired(self) -> None:
        """Send event 34, which only third-party text names."""
        self._say(34)

    def uploaded(self, *, backed_up: bool) -> None:
        """Send event 31 or 32."""
        self._say_at_end(32 if backed_up else 31, status=0)

    def left(self, *, abnormal: bool) -> None:
        """Send event 11."""
        self._say_at_end(11, **{self._quirks.exit_field: int(abnormal)})

    def _error(self, module: int, level: int, code: int, text: str) -> None:
        self._say(1, module=module, errorLevel=level, errorCode=code, stat=1, errorMsg=text)

    def _end_details(self, code: int) -> str:
        if code == 1:
            return f"max recording hour is {self._task.start.page.max_hours:g}"
        return "" if code == 0 else _MESSAGES[code].replace("_", " ")

    def _say_at_end(self, event: int, **details: Any) -> None:
        if self._task.failovers and self._quirks.failover_twice:
            self._say(event, self._task.start.who.uid, **details)
        self._say(event, **details)

    def _say(self, event: int, uid: str | None = None, **details: Any) -> None:
        task, world = self._task, self._world
        if event in self._quirks.unsaid_events:
            return
        if uid is None:
            uid = task.uid if self._quirks.failover_uid == "new" else task.start.who.uid
        now = world.clock.now()
        notice = Notice(event, task.cname, uid, task.sid, task.next_sequence(event, self._quirks), now, details)
        receivers = [
            Receiver(
                callback.url,
                None if callback.secret is None else callback.secret.get_secret_value(),
                callback.redundant,
            )
            for callback in task.app.callbacks
            if callback.events is None or event in callback.events
        ]
        subject = replace(task.subject, use=f"{task.sid}/{sum(task.sequences.values())}")
        task.said.append(world.sender.send(notice, receivers, world.faults.copies(subject, event)))
