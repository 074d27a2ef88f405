"""What Agora answered, or that it did not. Pure; what is believed about Agora names its section of the reference."""

from dataclasses import replace

from service.lifecycle.draft import Draft
from service.lifecycle.observations import (
    Acquire,
    Acquired,
    Call,
    CallFailed,
    Failure,
    Query,
    Start,
    Started,
    Stop,
    Stopped,
    TaskMissing,
    TaskSeen,
    Updated,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
)
from service.lifecycle.schedule import hours_end_at, jitter
from service.recording import Attempt, AttemptState, EndReason, Interval, State

# A task that still says "in progress" this long after it accepted a stop is stopped again.
STOP_IGNORED_SECONDS = 30


def acquired(draft: Draft, answer: Acquired) -> None:
    attempt = draft.attempt
    if draft.recording.state.terminal or attempt is None or attempt.state is AttemptState.ENDED:
        return
    draft.set_attempt(
        state=AttemptState.UNKNOWN if attempt.undecided else AttemptState.ACQUIRED,
        resource_id=answer.resource_id,
        resource_ids=(*attempt.resource_ids, answer.resource_id),
        acquired_at=draft.now,
        sends=0,
    )
    draft.set(retry_at=None)


def start_answered(draft: Draft, answer: Started) -> None:
    attempt = draft.attempt
    assert attempt is not None
    started_at = attempt.start_sent_at or draft.now
    first = draft.recording.policy.start_check_seconds[0]
    draft.set_attempt(
        state=AttemptState.RUNNING,
        sid=answer.sid or attempt.sid,
        started_at=started_at,
        next_query_at=draft.now + first,
        storage_refresh_at=draft.now + draft.recording.policy.sts_refresh_seconds if answer.sts else None,
    )
    draft.succeeded()
    draft.attended("agora_unavailable")
    draft.note("started", attempt=attempt.number, sid=answer.sid)
    if answer.sid is None and attempt.sid is None:
        draft.attend("sid_unknown", "Agora runs the task but did not say its sid; looking for it")


def task_seen(draft: Draft, seen: TaskSeen) -> None:
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive:
        return
    if seen.status in (8, 20) or seen.exited:
        draft.end_attempt(natural_reason(draft), "query", draft.now)
        return
    names = tuple(dict.fromkeys((*attempt.announced, *seen.files)))
    draft.set_attempt(missing_since_at=None, checks=attempt.checks + 1, announced=names)
    draft.attended("ending_unconfirmed", "agora_unavailable")
    draft.set(failures=0)
    if seen.status in (4, 5):
        started(draft, draft.now)
        if seen.onhold is not None:
            onhold_seen(draft, seen.onhold, draft.now)
        accepted = attempt.stop_accepted_at
        if accepted is not None and draft.now - accepted > STOP_IGNORED_SECONDS:
            draft.set_attempt(state=AttemptState.RUNNING, stop_accepted_at=None)
            draft.note("stop_ignored")
    draft.set_attempt(next_query_at=_next_query_at(draft, ending=seen.status in (6, 7)))


def started(draft: Draft, at: float) -> None:
    """There is proof that the task records: status 4 or 5, or event 70 (agora-reference §10.1)."""
    attempt = draft.attempt
    assert attempt is not None
    if attempt.recording_at is not None:
        return
    draft.set_attempt(recording_at=at, started_at=attempt.started_at or at)
    if draft.recording.state is State.STARTING:
        draft.enter(State.RECORDING)
        draft.set(watch=replace(draft.recording.watch, next_list_at=draft.now + draft.recording.policy.watch_seconds))


def onhold_seen(draft: Draft, onhold: bool, at: float) -> None:
    """Agora shows, or has accepted, that slices are (not) written: that confirms a pause or its end."""
    attempt = draft.attempt
    assert attempt is not None
    if attempt.onhold is onhold:
        return
    draft.set_attempt(onhold=onhold)
    pauses = draft.recording.pauses
    if onhold:
        draft.set(pauses=(*pauses, Interval(at, None)))
    elif pauses and pauses[-1].to_at is None:
        draft.set(pauses=(*pauses[:-1], Interval(pauses[-1].from_at, draft.now)))
    draft.note("paused" if onhold else "resumed")


def _next_query_at(draft: Draft, *, ending: bool = False) -> float:
    attempt, policy = draft.attempt, draft.recording.policy
    assert attempt is not None
    if ending or attempt.stop_accepted_at is not None:
        return draft.now + policy.stop_check_seconds
    if attempt.recording_at is None and attempt.checks < len(policy.start_check_seconds):
        return max((attempt.started_at or draft.now) + policy.start_check_seconds[attempt.checks], draft.now + 1)
    return draft.now + policy.watch_seconds * jitter(draft.recording, attempt.checks)


def task_missing(draft: Draft, missing: TaskMissing) -> None:
    """404 is believed only when it lasted a whole failover window (agora-reference §10.3, design.md §2)."""
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive:
        return
    policy = draft.recording.policy
    since = attempt.missing_since_at if attempt.missing_since_at is not None else draft.now
    believed_at = since + policy.failover_window_seconds
    if draft.now >= believed_at:
        draft.end_attempt(natural_reason(draft, since), "404", since)
        return
    next_query_at = min(draft.now + policy.stop_check_seconds, believed_at)
    draft.set_attempt(missing_since_at=since, next_query_at=next_query_at)
    if missing.call is Call.STOP:
        draft.set_attempt(state=AttemptState.STOPPING, stop_accepted_at=draft.now)
    if missing.call is Call.UPDATE:
        draft.set(retry_at=next_query_at)
    draft.attend("ending_unconfirmed", "Agora does not find the task; waiting out a failover", believed_at)


def natural_reason(draft: Draft, at: float | None = None) -> EndReason:
    """Why a task ended that Agora says nothing about."""
    recording = draft.recording
    if recording.end_reason is not None:
        return recording.end_reason
    if (at if at is not None else draft.now) >= hours_end_at(recording, draft.now) - recording.policy.stalled_seconds:
        return EndReason.HOUR_LIMIT
    return EndReason.ENDED_BY_ITSELF


def updated(draft: Draft, answer: Updated) -> None:
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive:
        return
    draft.succeeded()
    match answer.step:
        case UpdateOnhold(onhold=onhold):
            onhold_seen(draft, onhold, attempt.update_sent_at or draft.now)
        case UpdateRtmp(version=version):
            draft.set_attempt(rtmp_version=version)
            draft.note("rtmp_changed")
        case UpdateStorage():
            draft.set_attempt(storage_refresh_at=draft.now + draft.recording.policy.sts_refresh_seconds)
            draft.note("credentials_refreshed")


def stopped(draft: Draft, answer: Stopped) -> None:
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive:
        return
    draft.succeeded()
    draft.attended("stop_refused", "agora_unavailable")
    draft.note("stop_accepted", attempt=attempt.number)
    if answer.nothing_recorded:
        draft.end_attempt(natural_reason(draft), "no_recorded_data", draft.now, nothing=True)
        return
    draft.set_attempt(
        state=AttemptState.STOPPING,
        stop_accepted_at=draft.now,
        next_query_at=draft.now + draft.recording.policy.stop_check_seconds,
    )


def sid_found(draft: Draft, number: int, sid: str, source: str) -> None:
    """An attempt whose start was not answered turns out to run, or to have run, under this sid."""
    attempt = next((one for one in draft.recording.attempts if one.number == number), None)
    if attempt is None or attempt.sid is not None or attempt.state is AttemptState.ENDED:
        return
    draft.set_attempt(
        number,
        sid=sid,
        state=AttemptState.RUNNING,
        started_at=attempt.started_at or attempt.start_sent_at or draft.now,
        next_query_at=draft.now,
        resource_id=attempt.resource_id or (attempt.resource_ids[0] if attempt.resource_ids else None),
    )
    draft.succeeded()
    draft.attended("sid_unknown", "agora_unavailable")
    draft.note("sid_found", attempt=number, sid=sid, witness=source)


def call_failed(draft: Draft, failed: CallFailed) -> None:
    attempt = draft.attempt
    if attempt is None or attempt.state is AttemptState.ENDED:
        return
    draft.note("call_failed", call=type(failed.step).__name__.lower(), failure=failed.failure, code=failed.code)
    match failed.step:
        case Acquire():
            _acquire_failed(draft, failed)
        case Start():
            _start_failed(draft, attempt, failed)
        case Query():
            draft.retry(after_seconds=failed.retry_after_seconds, failure=failed.code)
            draft.set_attempt(next_query_at=draft.recording.retry_at)
            draft.set(retry_at=None)
            draft.attend("agora_unavailable", f"query: {failed.code}", draft.recording.retry_at)
        case UpdateOnhold() | UpdateRtmp() if failed.failure is Failure.REFUSED:
            _update_refused(draft, attempt)
        case UpdateStorage():
            draft.attend("credentials_not_refreshed", failed.code, attempt.storage_refresh_at)
        case Stop():
            draft.retry(after_seconds=failed.retry_after_seconds, failure=failed.code)
            code = "stop_refused" if failed.failure is Failure.REFUSED else "agora_unavailable"
            draft.attend(code, f"stop: {failed.code}", draft.recording.retry_at)
        case _:
            draft.retry(after_seconds=failed.retry_after_seconds, failure=failed.code)


def _acquire_failed(draft: Draft, failed: CallFailed) -> None:
    if failed.failure is Failure.REFUSED:
        _start_refused(draft, failed)
        return
    draft.retry(after_seconds=failed.retry_after_seconds, failure=failed.code)
    draft.attend("agora_unavailable", f"acquire: {failed.code}", draft.recording.retry_at)


def _start_failed(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    """reliability.md B.2.2. Unknown is never treated as refused; a refusal decides only about a first send."""
    undecided = attempt.undecided
    if failed.code == "task_conflict":
        # A task with our own cname and uid runs: an earlier send of ours won, under the first resource id.
        draft.set_attempt(resource_id=attempt.resource_ids[0])
        start_answered(draft, Started(None))
    elif failed.failure is Failure.UNKNOWN:
        repeats = draft.recording.policy.start_repeat_seconds
        wait = repeats[min(attempt.sends, len(repeats)) - 1] * jitter(draft.recording, attempt.sends)
        draft.set_attempt(state=AttemptState.UNKNOWN, undecided=True)
        draft.set(retry_at=draft.now + wait, last_failure=failed.code)
        draft.attend("agora_unavailable", f"start: {failed.code}", draft.recording.retry_at)
    elif failed.code in ("resource_expired", "capacity"):
        # Only a fresh resource id helps.
        draft.set_attempt(state=AttemptState.UNKNOWN if undecided else AttemptState.PLANNED, acquired_at=None)
        draft.retry(after_seconds=failed.retry_after_seconds, failure=failed.code)
    elif failed.failure is Failure.UNAVAILABLE or undecided:
        draft.set_attempt(state=AttemptState.UNKNOWN if undecided else AttemptState.ACQUIRED)
        draft.retry(after_seconds=failed.retry_after_seconds, failure=failed.code)
        draft.attend("agora_unavailable", f"start: {failed.code}", draft.recording.retry_at)
    else:
        _start_refused(draft, failed)


def _start_refused(draft: Draft, failed: CallFailed) -> None:
    reason = EndReason.CREDENTIALS_EXPIRING if failed.code == "credentials_expiring" else EndReason.REFUSED
    draft.attend("refused", f"{failed.code}: {failed.detail}" if failed.detail else failed.code)
    draft.end_attempt(reason, "refused", draft.now, nothing=True)


def _update_refused(draft: Draft, attempt: Attempt) -> None:
    draft.warn("update_refused")
    draft.set(pause_wished=attempt.onhold, rtmp_version=attempt.rtmp_version, failures=0, retry_at=None)
