"""Rules for callers' requests: stop, pause, resume, new push target, labels, verification. Pure."""

import math

from service.errors import Code, ServiceError, invalid
from service.lifecycle.change import LOOKED_AT, Draft
from service.lifecycle.deadlines import (
    SHORTEST_SECONDS,
    hour_limit_at,
    hours_end_at,
    planned_start_at,
    task_end_at,
    task_limit_at,
)
from service.lifecycle.observations import LabelsChanged, RtmpRequested, StopAtChanged, StopRequested, VerifyRequested
from service.lifecycle.rules.worker import never_started
from service.messages import rfc3339
from service.recording import BLAME, Attempt, AttemptState, Blame, EndReason, Recording, State

BEFORE_STOP = (State.REQUESTED, State.STARTING, State.RECORDING)


def _conflict(draft: Draft, what: str, reason: str | None = None, because: str | None = None) -> ServiceError:
    """Return the error for a request that the recording does not allow. `reason` is a more specific code. `because` is
    the cause, if it is not the state."""
    state = draft.recording.state
    because = because or f"the recording is {state}"
    return ServiceError(Code.CONFLICT, f"{what}: {because}", detail=reason, state=state)


def stop_requested(draft: Draft, _: StopRequested) -> None:
    recording, attempt = draft.recording, draft.attempt
    if recording.state.terminal or recording.state in LOOKED_AT:
        _stop_of_ended(draft)
        return
    if recording.stop_wished_at is not None:
        return
    draft.set(stop_wished_at=draft.now)
    draft.note("stop_requested")
    draft.end_with(EndReason.STOPPED)
    draft.succeeded()
    if attempt is None or not attempt.may_be_alive:
        never_started(draft)
    else:
        draft.enter(State.STOPPING)


def _stop_of_ended(draft: Draft) -> None:
    """Handle a stop of a recording that has no known running task.

    If the end is inferred from Agora's 404 alone, query Agora at once; a task that turns out to be running is stopped.
    If the recording ended by itself before its planned end, the stop shortens the requested window. In all other cases,
    raise conflict.
    """
    recording = draft.recording
    doubted = _doubted(recording, draft.now)
    shortens = recording.state in LOOKED_AT and _window_is_open(recording, draft.now)
    if recording.state in LOOKED_AT and recording.stop_wished_at is not None:
        shortens = False
    elif not shortens and not doubted:
        because = None if recording.state.terminal else "no recorder runs any more"
        raise _conflict(draft, "cannot stop", "nothing_runs", because)
    if shortens or doubted:
        draft.note("stop_requested")
    if shortens:
        draft.set(stop_wished_at=draft.now, look_wished=True)
    for attempt in doubted:
        draft.set_attempt(attempt.number, next_query_at=draft.now)
    if doubted:
        what = "Nothing runs as far as is known; Agora, which did not find the task, is asked again"
        draft.attend("ending_unconfirmed", what, draft.now)


def _doubted(recording: Recording, now: float) -> tuple[Attempt, ...]:
    """Return the attempts whose end is inferred from Agora's 404 alone and which would otherwise run until their hour
    limit."""
    ended = (attempt for attempt in recording.attempts if attempt.state is AttemptState.ENDED and attempt.sid)
    return tuple(attempt for attempt in ended if attempt.ended_proof == "404" and now < task_end_at(recording, attempt))


def _window_is_open(recording: Recording, now: float) -> bool:
    """Return whether the recording ended by itself before its planned end. In that case a stop ends the requested
    window."""
    reason = recording.end_reason
    if reason is None or BLAME[reason] is Blame.CALLER:
        return False
    return now < min(recording.stop_at or math.inf, hours_end_at(recording, now))


def onhold_requested(draft: Draft, wished: bool) -> None:
    recording, attempt = draft.recording, draft.attempt
    what = "cannot pause" if wished else "cannot resume"
    if recording.state not in BEFORE_STOP:
        raise _conflict(draft, what)
    if "update_refused" in recording.warnings:
        raise _conflict(draft, what, "unsupported_by_agora", "Agora refused to update this task")
    if recording.pause_wished is wished:
        return
    draft.set(pause_wished=wished, pause_wished_at=draft.now if wished else None)
    if not wished and recording.window_from_at is None:
        draft.set(window_from_at=max(draft.now, recording.start_at or 0))
    if not wished:
        draft.set_end(draft.now)
        _end_pause(draft)
    elif attempt is not None and attempt.may_be_alive and attempt.onhold:
        draft.open_pause(draft.now)  # the previous resume has not reached the recorder
    if attempt is not None and attempt.may_be_alive and attempt.update_sent_at is not None:
        draft.set_attempt(next_query_at=draft.now)  # an update with an unknown outcome may have taken effect
    draft.note("pause_requested" if wished else "resume_requested")


def _end_pause(draft: Draft) -> None:
    """End the pause at the caller's request. If the recorder resumes later, the time lost counts as missing. An
    unconfirmed pause counts from its first request to Agora."""
    attempt = draft.attempt
    if attempt is not None and attempt.may_be_alive and not attempt.onhold and attempt.update_sent_at is not None:
        draft.open_pause(attempt.update_sent_at)
    draft.close_pause(draft.now)


def rtmp_requested(draft: Draft, request: RtmpRequested) -> None:
    if draft.recording.state not in BEFORE_STOP:
        raise _conflict(draft, "cannot change the push target")
    if draft.recording.rtmp is None:
        raise _conflict(draft, "cannot change the push target", "no_push", "the recording was started without one")
    draft.set(rtmp=request.shown, rtmp_version=draft.recording.rtmp_version + 1)
    draft.note("rtmp_requested", target=request.shown)


def stop_at_changed(draft: Draft, request: StopAtChanged) -> None:
    recording, attempt = draft.recording, draft.attempt
    if recording.state not in BEFORE_STOP:
        raise _conflict(draft, "cannot change stop_at")
    if request.stop_at < planned_start_at(recording) + SHORTEST_SECONDS:
        raise invalid("/stop_at", "is not after the start")
    if (because := _ended_before(recording, attempt, request.stop_at)) is not None:
        raise _conflict(draft, "cannot change stop_at", "hour_limit", because)
    draft.set(stop_at=request.stop_at)
    draft.note("stop_at_changed", stop_at=request.stop_at)


def _ended_before(recording: Recording, attempt: Attempt | None, stop_at: float) -> str | None:
    """Return the reason why the recording ends before this `stop_at`, or None if it does not."""
    asked, last_at = recording.parameters.max_recording_hour, hour_limit_at(recording)
    what = f"max_recording_hour, which is {asked} and cannot be changed, ends the recording"
    if attempt is not None and attempt.may_be_alive:
        task_last_at = task_limit_at(recording, attempt)
        if task_last_at < last_at:
            last_at, hours = task_last_at, attempt.hours or asked
            what = f"Agora was asked for {hours} hours, which cannot be changed while it runs, and ends the recording"
    return f"{what} by {rfc3339(last_at)}" if stop_at > last_at else None


def labels_changed(draft: Draft, request: LabelsChanged) -> None:
    draft.set(labels=request.labels)
    draft.note("labels_changed")


def verify_requested(draft: Draft, wish: VerifyRequested) -> None:
    seen = LOOKED_AT | {State.VERIFIED, State.DEFECTIVE, State.UNPROVEN}
    if draft.recording.state not in seen:
        raise _conflict(draft, "cannot verify yet" if not draft.recording.state.terminal else "nothing to verify")
    draft.set(look_wished=True, look_level=wish.level)
    draft.note("verify_requested")
