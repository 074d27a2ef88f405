"""The ground truth of `GET /emulator/tasks`: what a task actually did, regardless of what Agora reported. Pure.

Tests compare a client's view with it. It shows no secrets.
"""

from __future__ import annotations

from typing import Any

from emulator.media.file_names import format_instant, redact_page, redact_rtmp
from emulator.notifications.sender import Said
from emulator.requests.quirks import Quirks
from emulator.tasks.task import Span, Task, billed_seconds, status_of


def render_truth(task: Task, now: float, quirks: Quirks) -> dict[str, Any]:
    """Render a task's actual state, without secrets and with redacted URLs."""
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
        "billed_seconds": round(billed_seconds(task, now, holds=quirks.hold_billed), 3),
        "slices_made": task.slices_made,
        "slices_uploaded": task.slices_uploaded,
        "failovers": task.failovers,
        "notices": [_render_said(said) for said in task.said],
        "media": [_render_span(span) for span in task.media],
        "holds": [_render_span(span) for span in task.holds],
        "files": dict(task.fates),
        "upload_status": task.upload_status,
        "bucket": task.storage.bucket,
        "folder": "/".join(task.storage.folders),
        "page": redact_page(task.start.page.url),
        "rtmp": None if task.rtmp_url is None else redact_rtmp(task.rtmp_url),
        "rtmp_status": task.rtmp_status,
        "recorder": task.describe(),
    }


def _render_span(span: Span) -> dict[str, Any]:
    return {"from_at": format_instant(span.began), "to_at": format_instant(span.ended), "file_set": span.file_set}


def _render_said(said: Said) -> dict[str, Any]:
    notice = said.notice
    return {
        "event": notice.event,
        "sequence": notice.sequence,
        "uid": notice.uid,
        "at": format_instant(notice.sent_at),
        "deliveries": [
            {
                "receiver": one.host,
                "notice_id": one.notice_id,
                "way": one.way,
                "fate": one.fate,
                "tries": [{"at": format_instant(at), "status": status} for at, status in one.tries],
            }
            for one in said.deliveries
        ],
    }


def _listed_state(task: Task) -> str:
    if not task.running:
        return "exiting" if task.alive else "ended"
    if task.stop_asked_at is not None:
        return "stopping"
    if task.recording_at is None:
        return "starting"
    return "onhold" if task.onhold else "recording"
