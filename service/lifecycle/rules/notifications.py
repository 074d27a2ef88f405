"""Rules for Agora's notifications. Pure.

Notifications speed up detection and add detail, but nothing depends on them (docs/architecture.md). They may arrive
twice, late, out of order, or never. Every rule here is idempotent, and no rule starts a task. An unrequested end
triggers a query, and is accepted if the answer does not contradict it. (In a failover, the replaced recorder may report
its end.)
"""

from collections.abc import Callable

from service.lifecycle.change import CLOCK_SLACK_SECONDS, LOOKED_AT, Draft
from service.lifecycle.observations import NoticeReceived
from service.lifecycle.reasons import STOP_REASONS
from service.lifecycle.rules.calls import believe_end, lived, outlived, started
from service.lifecycle.rules.start import sid_found
from service.recording import Attempt, AttemptState, EndReason, Notice

UPLOADER_MODULE = 1
FATAL_LEVEL = 5
# The history's name for each event of agora-reference §8.1 that web mode may send.
EVENTS = {
    1: "error",
    2: "warning",
    3: "status_update",
    4: "file_infos",
    11: "session_exit",
    12: "session_failover",
    30: "uploader_started",
    31: "uploaded",
    32: "backuped",
    33: "uploading_progress",
    70: "web_recorder_started",
    71: "web_recorder_stopped",
    72: "web_recorder_capability_limit",
    73: "web_recorder_reload",
    100: "rtmp_publish_status",
}


def event_name(number: int) -> str:
    """Return an event type of Agora in readable form, for example `33 uploading progress`."""
    return f"{number} {EVENTS.get(number, 'unknown')}".replace("_", " ")


# A task that sends one of these events is running.
UPLOADING_PROGRESS = 33
SIGNS_OF_LIFE = (UPLOADING_PROGRESS, 70)
# Events that matter after the end of the recording: the upload is complete, or a recorder is running.
AFTER_THE_END = (11, 31, 32, 70, 71)
# The fields of `details` that the history keeps. None of them is a URL.
KEPT = (
    "code", "message", "status", "progress", "exitStatus", "leaveStatus", "newUid", "module", "errorLevel", "errorCode",
    "warnCode", "limitType", "reason", "recorderStartTime",
)  # fmt: skip


def notice_received(draft: Draft, received: NoticeReceived) -> None:
    """Record the notice in the history, then apply it to its attempt."""
    notice = received.notice
    kind = f"notice_{EVENTS.get(notice.event_type, 'other')}"
    draft.note(kind, event_type=notice.event_type, **kept_details(notice))
    if _attempt_of(draft, notice) is None:
        _began_late(draft, notice)
    attempt = _attempt_of(draft, notice)
    if attempt is None:
        return
    draft.about = attempt.number
    if notice.sid:
        sid_found(draft, attempt.number, notice.sid, "notice")
    _hasten(draft, attempt, notice)
    found = _attempt_of(draft, notice)
    counts = not draft.recording.state.terminal or notice.event_type in AFTER_THE_END
    if found is not None and counts and notice.event_type in _RULES:
        _RULES[notice.event_type](draft, found, notice)
    if notice.event_type in SIGNS_OF_LIFE and notice.sent_at is not None:
        _lives(draft, notice)
        if found is not None:
            shown = max(found.shown_until or 0, _sent_at(draft, notice))
            draft.set_attempt(found.number, shown_until=shown)
            _ask_after(draft, found, notice)


def kept_details(notice: Notice) -> dict[str, str | int | float]:
    """Return the details of a notice that may be kept and shown: known fields that contain no URL."""
    found = {name: notice.details.get(name) for name in KEPT}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) or (isinstance(value, str) and "://" not in value)
    }


def _attempt_of(draft: Draft, notice: Notice) -> Attempt | None:
    """Return the attempt with the notice's sid. If there is none, return the attempt with the notice's uid. A failover
    changes the uid and keeps the sid (agora-reference §7.2)."""
    attempts = draft.recording.attempts
    for attempt in attempts:
        if notice.sid and attempt.sid == notice.sid:
            return attempt
    for attempt in attempts:
        unclear = (attempt.sid is None and notice.sid not in attempt.past_sids) or not notice.sid
        if str(attempt.uid) == notice.uid and unclear:
            return attempt
    return None


def _began_late(draft: Draft, notice: Notice) -> None:
    """Stop a task with our channel name and uid but an unknown sid that is running after its attempt ended. Such a task
    exists if a start took effect much later than expected."""
    for attempt in draft.recording.attempts:
        ended_at = attempt.ended_at
        if ended_at is None or str(attempt.uid) != notice.uid or notice.sid in attempt.past_sids:
            continue
        if notice.event_type in SIGNS_OF_LIFE and _sent_at(draft, notice) >= ended_at + CLOCK_SLACK_SECONDS:
            draft.revive(attempt, notice.sid)


def _hasten(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    """Query Agora at once if a gap in `sequence` shows that a notice was lost."""
    last, number = attempt.last_sequence, notice.sequence
    if number is None or (last is not None and number <= last):
        return
    hole = last is not None and number > last + 1
    draft.set_attempt(attempt.number, last_sequence=number)
    if hole and attempt.may_be_alive:
        draft.set_attempt(attempt.number, next_query_at=draft.now)


def _sent_at(draft: Draft, notice: Notice) -> float:
    return min(notice.sent_at if notice.sent_at is not None else draft.now, draft.now)


def _lives(draft: Draft, notice: Notice) -> None:
    """Handle a sign of life of a task that Agora did not find or that was to be stopped. It may come from uploads,
    which continue after an accepted stop."""
    attempt, sent_at = draft.attempt, _sent_at(draft, notice)
    uploads = notice.event_type == UPLOADING_PROGRESS
    if attempt is None or (uploads and attempt.stop_accepted_at is not None):
        return
    outlived(draft, sent_at)
    if attempt.stop_sent_at is not None:
        began_at = None if uploads else _recorder_start_at(notice)
        lived(draft, sent_at if began_at is None else min(began_at, sent_at), "notice", recorded=not uploads)


def _ask_after(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    """Query Agora at once if a task whose end is inferred from a 404 alone sends a notice. Query again soon if the
    notice was sent well after the end. The task may still have ended, because uploads continue after an end."""
    ended_at = attempt.ended_at
    unfound = attempt.state is AttemptState.ENDED and attempt.ended_proof == "404" and attempt.sid is not None
    if unfound and ended_at is not None and _sent_at(draft, notice) > ended_at:
        draft.set_attempt(attempt.number, next_query_at=draft.now)
        if _sent_at(draft, notice) >= ended_at + CLOCK_SLACK_SECONDS:
            draft.set_attempt(attempt.number, seen_at=_sent_at(draft, notice))


def _recorder_start_at(notice: Notice) -> float | None:
    at = notice.details.get("recorderStartTime")
    return at / 1000 if isinstance(at, int | float) else None


def _recorder_started(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    at = _recorder_start_at(notice)
    if at is not None and attempt.recorder_start_at is None:
        draft.set_attempt(attempt.number, recorder_start_at=at)
    if attempt.state is AttemptState.ENDED:
        # Only a recorder that started after the end proves that the task is running. Other notices may simply be late.
        began_at = at if at is not None else notice.sent_at
        ended_at = attempt.ended_at
        if began_at is None or ended_at is None or not ended_at + CLOCK_SLACK_SECONDS <= began_at <= draft.now:
            return
        draft.revive(attempt, notice.sid)
    now = draft.attempt
    if not draft.leftover and now is not None and now.sid is not None:
        started(draft, draft.now)


def _recorder_stopped(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    code = notice.details.get("code")
    code = code if isinstance(code, int) else None
    _announce(draft, attempt, notice)
    draft.set_attempt(attempt.number, stop_code=code)
    newest = attempt.number == len(draft.recording.attempts)
    if attempt.state is not AttemptState.ENDED:
        _end_told(draft, notice, "web_recorder_stopped")
        return
    _ran_until(draft, attempt, notice)
    if newest and code in STOP_REASONS:
        _say_why(draft, STOP_REASONS[code])


def _ran_until(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    """Correct the end of a task that Agora did not find to the time when its recorder stopped, because the task was
    billed until then.

    Only event 71 shows that time, because uploads continue after it. A recorder that a failover replaced may have sent
    an earlier event, so an end never becomes earlier. Another recorder may have taken over, so Agora is queried at
    once.
    """
    at, ended_at = _sent_at(draft, notice), attempt.ended_at
    if attempt.ended_proof != "404" or ended_at is None or at <= ended_at:
        return
    draft.set_attempt(attempt.number, ended_at=at, counted_until=ended_at, next_query_at=draft.now)
    draft.note("end_corrected", attempt=attempt.number, seconds=round(at - ended_at, 3))
    if draft.leftover:
        return
    draft.ended_later(at)
    if draft.recording.state in LOOKED_AT:
        draft.look_from(at + draft.recording.policy.upload_wait_seconds)


def _say_why(draft: Draft, reason: EndReason) -> None:
    """Set the end reason that arrived after the end was accepted. Notify callers who received an inferred reason."""
    state, guess = draft.recording.state, draft.recording.end_reason
    if state not in LOOKED_AT and not state.terminal:
        return
    draft.end_with(reason)
    if state.terminal and draft.recording.end_reason is not guess:
        draft.note("changed", end_reason=draft.recording.end_reason)


def _session_exit(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    if attempt.state is not AttemptState.ENDED:
        _end_told(draft, notice, "session_exit")


def _end_told(draft: Draft, notice: Notice, proof: str) -> None:
    """Accept a reported end if Agora has accepted a stop or cannot be queried. Otherwise query Agora at once."""
    attempt = draft.attempt
    assert attempt is not None
    first = attempt.missing_since_at
    since = _sent_at(draft, notice) if first is None else min(first, _sent_at(draft, notice))
    told = attempt.told_ended or proof
    draft.set_attempt(told_ended=told, missing_since_at=since, next_query_at=draft.now)
    if attempt.stop_accepted_at is not None or attempt.sid is None or attempt.lost:
        believe_end(draft, told)


def _announce(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    known = tuple(dict.fromkeys((*attempt.announced, *files_named(notice))))
    draft.set_attempt(attempt.number, announced=known[:1000])


def files_named(notice: Notice) -> list[str]:
    """Return the file names in a notice's `fileList`, which is a list of objects or (event 4) one name.

    Both forms exist (agora-reference §8.2, §14 no. 2).
    """
    listed = notice.details.get("fileList")
    items = listed if isinstance(listed, list) else [listed]
    names = [item if isinstance(item, str) else _name(item) for item in items]
    return [name.rsplit("/", 1)[-1] for name in names if name]


def _name(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    name = item.get("filename", item.get("fileName"))
    return name if isinstance(name, str) else ""


def _uploaded(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    """Handle event 31 or 32: the upload is complete, so the task has ended (agora-reference §8.3)."""
    uploaded = "uploaded" if notice.event_type == 31 else "backuped"
    if attempt.uploaded in ("uploaded", uploaded):
        return
    draft.set_attempt(attempt.number, uploaded=uploaded, uploaded_at=draft.now)
    if attempt.state is not AttemptState.ENDED:
        _end_told(draft, notice, uploaded)
    if draft.recording.state in LOOKED_AT:
        draft.look_from(draft.now)


def _failover(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    draft.warn("failover")
    if attempt.may_be_alive:
        draft.set_attempt(attempt.number, next_query_at=draft.now + draft.recording.policy.stop_check_seconds)


def _error(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    module, level = notice.details.get("module"), notice.details.get("errorLevel")
    if module == UPLOADER_MODULE:
        draft.warn("upload_error")
        draft.attend("storage_refused", "Agora cannot upload; check the storage profile's write keys and bucket")
    if isinstance(level, int) and level >= FATAL_LEVEL and attempt.may_be_alive:
        draft.set_attempt(attempt.number, next_query_at=draft.now)


def _reloaded(draft: Draft, attempt: Attempt, notice: Notice) -> None:
    draft.warn("page_reloaded")


_RULES: dict[int, Callable[[Draft, Attempt, Notice], None]] = {
    1: _error,
    4: _announce,
    11: _session_exit,
    12: _failover,
    31: _uploaded,
    32: _uploaded,
    70: _recorder_started,
    71: _recorder_stopped,
    73: _reloaded,
}
