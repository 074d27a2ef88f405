"""Rules for the outcome of a start, following the safe protocol of docs/architecture.md. Pure.

Only Agora's own answer decides whether a start took effect: a sid, "already started", "task conflict", or a refusal of
a first send. In any other case the outcome is unknown, and is never treated as refused.
"""

from dataclasses import replace

from service.lifecycle.change import OPEN, Draft
from service.lifecycle.deadlines import find_wait, jitter
from service.lifecycle.observations import Acquired, CallFailed, Failure, Started
from service.recording import Attempt, AttemptState, EndReason, State

UNDECIDED = (AttemptState.START_SENT, AttemptState.UNKNOWN)
# A start without an answer takes effect within this time or not at all.
LATE_START_SECONDS = 30
# Failures that only a fresh resource id resolves (agora-reference §1.6).
NEEDS_RESOURCE = ("resource_expired", "capacity")
# An expired resource id is replaced immediately at most this many times in a row.
MOST_EXPIRED = 2
# Agora refuses an identical request again for the same reason (agora-reference §1.6).
REFUSED_FOR_WHAT_IT_SAYS = ("bad_parameter", "bad_request", "invalid_app", "invalid_cname", "refused")


def acquired(draft: Draft, answer: Acquired) -> None:
    attempt = draft.attempt
    if attempt is None or attempt.state in (AttemptState.RUNNING, AttemptState.STOPPING, AttemptState.ENDED):
        return
    undecided = attempt.may_be_alive
    draft.set_attempt(
        state=AttemptState.UNKNOWN if undecided else AttemptState.ACQUIRED,
        undecided=undecided,
        resource_id=answer.resource_id,
        resource_ids=(*attempt.resource_ids, answer.resource_id),
        acquired_at=draft.now,
        sends=0,
    )
    draft.set(retry_at=None)


def start_answered(draft: Draft, answer: Started) -> None:
    """Handle 200 with a sid, or 201. The task runs under the resource id that was used."""
    attempt = draft.attempt
    if attempt is None:
        return
    if answer.sid is not None:
        if attempt.may_be_alive and attempt.sid not in (None, answer.sid):
            # A notice reported the other task. Two tasks never run at the same time, so the other task has ended.
            _forget_task(draft, attempt, sid=answer.sid)
            draft.set_attempt(state=AttemptState.RUNNING, next_query_at=draft.now)
        draft.set_attempt(probed=False)
    if attempt.state is AttemptState.ENDED and answer.sid not in (None, attempt.sid):
        draft.revive(attempt, answer.sid or "")
    elif attempt.state in UNDECIDED:
        # If the answer contains a sid, this send created the task; otherwise an earlier send did.
        _runs(draft, attempt, answer.sid, attempt.start_resent_at if answer.sid is not None else attempt.start_sent_at)
        draft.set_attempt(undecided=False)
        _refresh_storage(draft, answer.sts)
    elif attempt.state is AttemptState.RUNNING:  # a notice or an object arrived first
        draft.set_attempt(sid=answer.sid or attempt.sid, undecided=False)
        _refresh_storage(draft, answer.sts)


def sid_found(draft: Draft, number: int, sid: str, witness: str) -> None:
    """Record the sid of an attempt whose start was not answered. Its task runs, or ran, under this sid."""
    attempt = next((one for one in draft.recording.attempts if one.number == number), None)
    if attempt is None or attempt.sid is not None or attempt.state is AttemptState.ENDED or sid in attempt.past_sids:
        return
    if attempt.state is AttemptState.RUNNING:
        draft.set_attempt(number, sid=sid, next_query_at=draft.now)
    else:
        _runs(draft, attempt, sid, attempt.start_sent_at)
        draft.set_attempt(next_query_at=draft.now, undecided=attempt.several)
        _refresh_storage(draft, sts=True)  # the lost answer would show whether the keys expire; assume they do
    draft.attended("sid_unknown")
    draft.note("sid_found", attempt=number, sid=sid, witness=witness)


def _runs(draft: Draft, attempt: Attempt, sid: str | None, sent_at: float | None) -> None:
    first_check = draft.recording.policy.start_check_seconds[0]
    draft.set_attempt(
        attempt.number,
        state=AttemptState.RUNNING,
        sid=sid,
        started_at=next(at for at in (attempt.started_at, sent_at, draft.now) if at is not None),
        next_query_at=draft.now
        + (min(first_check, find_wait(draft.recording, draft.now)) if sid is None else first_check),
    )
    if attempt.number == len(draft.recording.attempts):
        draft.delayed()
    draft.succeeded()
    draft.agora_answered()
    draft.note("started", attempt=attempt.number, sid=sid)
    if sid is None:
        draft.attend("sid_unknown", "Agora runs the task but did not return its sid; Pagereel is looking for it")


def _refresh_storage(draft: Draft, sts: bool) -> None:
    draft.set_attempt(storage_refresh_at=draft.now + draft.recording.policy.sts_refresh_seconds if sts else None)


def acquire_failed(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    if attempt.state in (AttemptState.RUNNING, AttemptState.STOPPING):
        return
    if failed.failure is Failure.REFUSED and not attempt.may_be_alive:
        _refused(draft, failed)
    else:
        _try_again(draft, "acquire", failed)


def start_failed(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    """Handle a failed start. A refusal is conclusive only for a first send, because an earlier send may have taken
    effect."""
    if attempt.state not in UNDECIDED:
        return  # a notice or an object has shown that the task runs
    if failed.code == "task_conflict":
        # A task with our cname and uid is running, so an earlier send succeeded under an earlier resource id.
        earlier = [one for one in attempt.resource_ids if one != attempt.resource_id]
        _runs(draft, attempt, None, attempt.start_sent_at)
        probed = attempt.probed and (len(earlier) > 1 or attempt.sends > 1)
        draft.set_attempt(resource_id=next(iter(earlier), attempt.resource_id), undecided=True, probed=probed)
        _refresh_storage(draft, sts=True)
    elif failed.failure is Failure.UNKNOWN:
        draft.set_attempt(state=AttemptState.UNKNOWN, undecided=True)
        _repeat(draft, failed, first=not attempt.undecided)
    elif attempt.undecided and failed.code in REFUSED_FOR_WHAT_IT_SAYS and not attempt.onhold:
        _refused_again(draft, failed)
    elif attempt.undecided:
        draft.set_attempt(state=AttemptState.UNKNOWN)
        if failed.code in NEEDS_RESOURCE:
            draft.set_attempt(acquired_at=None)
        _try_again(draft, "start", failed)
    elif draft.recording.state is State.STOPPING:
        reason = draft.recording.end_reason or EndReason.STOPPED
        draft.end_attempt(reason, "not_started", draft.now, nothing=True)
    elif failed.code in NEEDS_RESOURCE:
        expired = attempt.expired + 1 if failed.code == "resource_expired" else 0
        draft.set_attempt(state=AttemptState.PLANNED, acquired_at=None, expired=expired)
        if 0 < expired <= MOST_EXPIRED:  # this is not a failure, so the previous cause of the wait stays
            draft.set(retry_at=None)
        else:
            _try_again(draft, "start", failed)
    elif failed.failure is Failure.UNAVAILABLE:
        draft.set_attempt(state=AttemptState.ACQUIRED, expired=0)
        _try_again(draft, "start", failed)
    else:
        _refused(draft, failed)


def another_may_live(draft: Draft, attempt: Attempt) -> bool:
    """Return whether an unanswered start may have created another task under another resource id after this task ended.
    It did not if this task was still running at a time when no start could take effect any more."""
    sent_at = attempt.start_resent_at or draft.now
    alive_at = attempt.seen_at if attempt.seen_at is not None else sent_at
    newest = not draft.leftover and draft.recording.state in OPEN
    return newest and attempt.probed and alive_at < sent_at + LATE_START_SECONDS


def probe_again(draft: Draft, attempt: Attempt) -> None:
    """Schedule a start under a fresh resource id, when no earlier start can take effect any more. Only this start shows
    whether another task is running."""
    _forget_task(draft, attempt, sid=None)
    draft.set_attempt(state=AttemptState.UNKNOWN, undecided=True, acquired_at=None, next_query_at=None)
    draft.attended("ending_unconfirmed")
    draft.succeeded()
    draft.set(retry_at=max((attempt.start_resent_at or draft.now) + LATE_START_SECONDS, draft.now))


def _forget_task(draft: Draft, attempt: Attempt, *, sid: str | None) -> None:
    """Clear the data of an ended task. The attempt continues with the next task."""
    draft.note("task_over", attempt=attempt.number, sid=attempt.sid)
    draft.set_attempt(
        sid=sid,
        past_sids=attempt.past_sids if attempt.sid is None else (*attempt.past_sids, attempt.sid),
        missing_since_at=None,
        told_ended=None,
        seen_at=None,
        stop_code=None,
        stop_sent_at=None,
        stops=0,
        stop_again_at=None,
        stop_accepted_at=None,
        uploaded=None,
        uploaded_at=None,
        announced=(),
        last_sequence=None,
    )
    draft.set(watch=replace(draft.recording.watch, after_key=""))


def _repeat(draft: Draft, failed: CallFailed, *, first: bool) -> None:
    """Repeat the start after 3, 6 and 9 s. Then probe at once with a fresh resource id, and then retry slowly."""
    policy, failures = draft.recording.policy, 0 if first else draft.recording.failures
    repeats = policy.start_repeat_seconds
    waits = (*repeats, 0, *repeats[-1:], policy.retry_seconds[-1])
    wait = waits[min(failures, len(waits) - 1)] * jitter(draft.recording, failures)
    draft.set(failures=failures + 1, last_failure=failed.code, retry_at=draft.now + wait)
    draft.attend_failed("start", failed.code, draft.recording.retry_at)


def _try_again(draft: Draft, call: str, failed: CallFailed) -> None:
    draft.set(retry_at=draft.back_off(failed.code, failed.retry_after_seconds))
    draft.attend_failed(call, failed.code, draft.recording.retry_at)


def _refused_again(draft: Draft, failed: CallFailed) -> None:
    """Handle the refusal of a repeated start whose first send received no answer. Agora probably refused the first send
    too, so nothing more is sent and the bucket shows the outcome (`bucket`). A start on hold is repeated instead,
    because its recorder writes nothing to the bucket."""
    draft.set_attempt(state=AttemptState.UNKNOWN, refused_at=draft.now, next_query_at=draft.now)
    draft.succeeded()
    draft.end_with(EndReason.REFUSED)
    draft.attend("refused", _words(failed))
    draft.enter(State.STOPPING)


def _refused(draft: Draft, failed: CallFailed) -> None:
    reason = EndReason.CREDENTIALS_EXPIRING if failed.code == "credentials_expiring" else EndReason.REFUSED
    draft.attend("refused", _words(failed))
    draft.end_attempt(reason, "refused", draft.now, nothing=True)


def _words(failed: CallFailed) -> str:
    return f"{failed.code}: {failed.detail}" if failed.detail else failed.code
