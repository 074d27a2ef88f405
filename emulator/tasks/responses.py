"""The bodies of Agora's successful answers about a task, and fileList (agora-reference §3 to §6). Pure.

It does not decide whether an answer is successful.
"""

from __future__ import annotations

from typing import Any

from emulator.requests.quirks import Quirks
from emulator.tasks.task import Task, status_of


def render_ids(task: Task, quirks: Quirks) -> dict[str, Any]:
    """Return the ids that begin every successful answer. Older samples have no names (agora-reference §2 to §6)."""
    names = {"cname": task.cname, "uid": task.start.who.uid} if quirks.echo_names else {}
    return {**names, "resourceId": task.resource_id, "sid": task.sid}


def render_files(task: Task, quirks: Quirks) -> list[dict[str, Any]]:
    """Return fileList as in query, stop and event 71."""
    unit = 1000 if quirks.slice_start_unit == "ms" else 1
    folder = "".join(f"{part}/" for part in task.storage.folders) if quirks.file_prefix else ""
    return [{quirks.file_key: folder + file.name, "sliceStartTime": round(file.began * unit)} for file in task.files]


def render_query(task: Task, quirks: Quirks, now: float) -> dict[str, Any]:
    """Return query's serverResponse (agora-reference §4)."""
    files = render_files(task, quirks) if quirks.query_file_list and task.first_file_at is not None else []
    services = [_service("web_recorder_service", fileList=files, onhold=task.onhold, state=_state(task))]
    if task.rtmp_url is not None:
        state = {"state": _state(task)} if quirks.push_state else {}
        services.append(_service("rtmp_publish_service", outputs=_outputs(task), **state))
    if quirks.query_push_first:
        services.reverse()
    return {"status": status_of(task, now), "extensionServiceState": services}


def render_stop(task: Task, quirks: Quirks) -> dict[str, Any]:
    """Return the serverResponse of a synchronous stop, or an empty dict (agora-reference §6)."""
    if quirks.stop_entries == "none":
        return {}
    upload = _service("upload_service", uploadingStatus=_upload_status(task, quirks))
    recorder = _service("web_recorder_service", fileList=render_files(task, quirks), onhold=task.onhold, state="exit")
    if quirks.stop_entries == "upload":
        return {"serverResponse": {"extensionServiceState": [upload]}}
    services = [recorder, upload] if quirks.recorder_first else [upload, recorder]
    if task.rtmp_url is not None:
        services.append(_service("rtmp_publish_service", outputs=_outputs(task)))
    return {"serverResponse": {"extensionServiceState": services}}


def _upload_status(task: Task, quirks: Quirks) -> str:
    """Return the status. After a normal upload, a stop may report backuped (agora-reference §6, a captured answer)."""
    if task.upload_status == "unknown":
        return quirks.unknown_word
    return "backuped" if quirks.stop_says_backuped else task.upload_status


def _service(name: str, **payload: Any) -> dict[str, Any]:
    return {"serviceName": name, "payload": payload}


def _outputs(task: Task) -> list[dict[str, Any]]:
    return [{"rtmpUrl": task.rtmp_url, "status": task.rtmp_status or "connecting"}]


def _state(task: Task) -> str:
    if task.recording_at is None:
        return "init"
    return "inProgress" if task.stop_asked_at is None and task.running else "exit"
