"""Rules for the steps of the worker, which are recorded before they are taken. Pure.

The process may be killed at any moment after a step is recorded, so the row alone must determine how to continue. A
step that does not match the row changes nothing.
"""

from service.lifecycle.change import OPEN, Draft
from service.lifecycle.deadlines import planned_start_at
from service.lifecycle.observations import (
    Acquire,
    GiveUp,
    Limited,
    PageTried,
    Start,
    StepTaken,
    Stop,
    TaskFound,
    UpdateOnhold,
    UpdateStorage,
    Verify,
    Warn,
)
from service.lifecycle.rules.start import sid_found
from service.lifecycle.schedule import due_since
from service.recording import Attempt, AttemptState, EndReason, State

# A stop or a start taken this much later than it was due is late. A smaller delay may be a restart or a short load
# peak.
LATE_SECONDS = 10


def never_started(draft: Draft) -> None:
    """End a newest attempt that was never started. Any files belong to an earlier attempt."""
    draft.set(ended_at=draft.now)
    draft.close_pause(draft.now)
    if draft.attempt is not None and draft.attempt.state is not AttemptState.ENDED:
        draft.set_attempt(state=AttemptState.ENDED, ended_at=draft.now, ended_proof="never_started")
    if draft.recording.leftovers:
        draft.enter(State.STOPPING)
    elif any(attempt.started_at is not None for attempt in draft.recording.attempts):
        draft.enter(State.UPLOADING)
        draft.look_from(draft.now)
    else:
        draft.enter(draft.nothing_recorded())


def step_taken(draft: Draft, taken: StepTaken) -> None:
    attempt, step = draft.attempt, taken.step
    alive = attempt is not None and attempt.may_be_alive
    late = _lateness(draft, taken) if alive and not draft.leftover else None
    if isinstance(step, Acquire) and step.new:
        _plan_attempt(draft, taken)
    elif isinstance(step, Start) and attempt is not None:
        _start_sent(draft, attempt, step.hours)
    elif isinstance(step, Stop) and alive:
        _stop_sent(draft, attempt, step.reason)
    elif isinstance(step, UpdateOnhold) and attempt is not None and alive:
        draft.set_attempt(update_sent_at=draft.now if attempt.update_sent_at is None else attempt.update_sent_at)
    elif isinstance(step, UpdateStorage) and alive:
        draft.set_attempt(storage_refresh_at=draft.now + draft.recording.policy.watch_seconds)
    elif isinstance(step, GiveUp) and step.leftover is not None:
        if alive:
            draft.end_attempt(step.reason, "hour_limit", draft.now)
    elif isinstance(step, GiveUp):
        _give_up(draft, step.reason)
    elif isinstance(step, Warn):
        draft.warn(step.code)
    elif isinstance(step, Verify) and draft.recording.state is State.UPLOADING:
        draft.enter(State.VERIFYING)
    if late is not None:
        draft.warn("stop_late", **late)


def _lateness(draft: Draft, taken: StepTaken) -> dict[str, str | float] | None:
    """Return how late the first stop of a task that may be running, or the decision that leads to it, is taken, and
    why.

    Before a start is abandoned, Agora is queried once more, which makes the row due again. In that case, only a period
    without a running worker counts as late.
    """
    attempt, step = draft.attempt, taken.step
    if attempt is None or attempt.stop_sent_at is not None or not isinstance(step, Stop | GiveUp):
        return None
    if isinstance(step, GiveUp) and draft.recording.state is not State.STARTING:
        return None
    return _late_by(draft, taken, held=isinstance(step, GiveUp))


def _late_by(draft: Draft, taken: StepTaken, *, held: bool) -> dict[str, str | float] | None:
    """Return how late a step is taken, and why. If `held` is true, the step may have waited for something else since
    the worker started."""
    wanted_at, working_from_at = due_since(draft.recording, taken.step, draft.now), taken.working_from_at or 0
    if wanted_at is None or taken.due_at is None:
        return None
    since_at = wanted_at if held and wanted_at < working_from_at else max(wanted_at, taken.due_at)
    if draft.now - since_at < LATE_SECONDS:
        return None
    because = "not_running" if since_at < working_from_at else "not_taken"
    return {"late_seconds": round(draft.now - since_at, 1), "because": because}


def limited(draft: Draft, reached: Limited) -> None:
    """Postpone a new task that a limit prevents, at the latest until its start deadline."""
    over = draft.attempt is None or draft.attempt.state is AttemptState.ENDED
    if draft.recording.state in (State.REQUESTED, State.STARTING) and over:
        draft.set(retry_at=draft.back_off("limited"))
        draft.attend("limited", f"the limit {reached.limit} is reached", draft.recording.retry_at)


def page_tried(draft: Draft, tried: PageTried) -> None:
    """Set the attention while there is still time to restore the key. A start that failed for this reason has its own
    attention."""
    recording, attempt = draft.recording, draft.attempt
    if tried.readable:
        draft.attended("page_not_readable")
        return
    needed = recording.state in (State.REQUESTED, State.STARTING) and (attempt is None or not attempt.may_be_alive)
    if needed and (recording.attention is None or recording.attention.code != "call_not_made"):
        what = "no sealing key of the settings opens the URL of its page, so it cannot start"
        draft.attend("page_not_readable", what, recording.planned_at)


def task_found(draft: Draft, found: TaskFound) -> None:
    """Record in a restored row that its task was started after the backup. The task is never started again. If its
    resource id is lost too, it cannot be stopped before its hour limit."""
    recording, attempt = draft.recording, draft.attempt
    if recording.state not in (State.REQUESTED, State.STARTING) or recording.leftovers:
        return
    over = attempt is None or attempt.state is AttemptState.ENDED
    if over and found.number == len(recording.attempts) + 1:
        began_at = planned_start_at(recording) - (
            recording.policy.lead_seconds if recording.start_at is not None else 0
        )
        lost = Attempt(
            number=found.number,
            cname=recording.cname,
            uid=found.uid,
            prefix=f"{recording.key_prefix}a{found.number}/",
            planned_at=began_at,
            state=AttemptState.START_SENT,
            start_sent_at=began_at,
            hours=recording.parameters.max_recording_hour,
        )
        draft.set(attempts=(*recording.attempts, lost))
        draft.enter(State.STARTING)
    elif attempt is None or over or attempt.number != found.number:
        return
    elif not attempt.may_be_alive:
        draft.set_attempt(start_sent_at=attempt.planned_at, hours=recording.parameters.max_recording_hour)
    sid_found(draft, found.number, found.sid, "bucket")
    if draft.attempt is not None and draft.attempt.lost:
        draft.attend(
            "task_lost", "it was started before this database was restored; nobody can stop it without its resource id"
        )


def _plan_attempt(draft: Draft, taken: StepTaken) -> None:
    recording, uid = draft.recording, taken.uid
    over = draft.attempt is None or draft.attempt.state is AttemptState.ENDED
    if recording.state not in (State.REQUESTED, State.STARTING) or not over or recording.leftovers:
        return
    number = len(recording.attempts) + 1
    late = _late_by(draft, taken, held=True) if number == 1 else None
    attempt = Attempt(
        number=number,
        cname=recording.cname,
        uid=uid,
        prefix=f"{recording.key_prefix}a{number}/",
        planned_at=draft.now,
    )
    draft.set(attempts=(*recording.attempts, attempt))
    draft.attended("limited")
    draft.enter(State.STARTING)
    draft.note("attempt_planned", attempt=number, cname=attempt.cname, uid=uid)
    if late is not None:
        draft.warn("start_late", **late)


def _start_sent(draft: Draft, attempt: Attempt, hours: int) -> None:
    """Record a start. A first send adopts the requested pause and push target. A repeated send only determines the
    outcome of the first."""
    if attempt.state not in (AttemptState.ACQUIRED, AttemptState.START_SENT, AttemptState.UNKNOWN):
        return
    recording, again = draft.recording, attempt.may_be_alive
    if not again and recording.leftovers:
        return
    if not again:
        draft.set_attempt(
            start_sent_at=draft.now,
            hours=hours,
            onhold=recording.pause_wished,
            rtmp_version=recording.rtmp_version,
            rtmp=recording.rtmp,
        )
        if recording.pause_wished:
            draft.open_pause(draft.now)
    draft.set_attempt(
        state=AttemptState.START_SENT,
        start_resent_at=draft.now,
        hours=max(hours, attempt.hours or 0) if again else hours,
        sends=attempt.sends + 1,
        undecided=again,
        probed=attempt.probed or (again and attempt.several),
    )


def _stop_sent(draft: Draft, attempt: Attempt | None, reason: EndReason) -> None:
    assert attempt is not None
    if draft.recording.state in OPEN and not draft.leftover:
        if draft.recording.state is not State.STOPPING and draft.recording.failures:
            draft.delayed()
        draft.end_with(reason)
        draft.enter(State.STOPPING)
    draft.set_attempt(stop_sent_at=draft.now, stops=attempt.stops + 1)


def _give_up(draft: Draft, reason: EndReason) -> None:
    """Abandon a recording that did not start in time. A task that may be running is stopped first. A task that cannot
    be stopped ends with its hour limit."""
    attempt, state = draft.attempt, draft.recording.state
    alive = attempt is not None and attempt.may_be_alive
    if alive and state not in (State.REQUESTED, State.STARTING):
        draft.end_attempt(reason, "hour_limit", draft.now)
    elif state in OPEN:
        draft.end_with(reason)
        draft.note("gave_up", reason=reason)
        if alive:
            draft.delayed()
            draft.succeeded()
            draft.enter(State.STOPPING)
        else:
            never_started(draft)
