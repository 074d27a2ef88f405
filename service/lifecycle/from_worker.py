"""What the worker is about to do, written down before it is done. Pure."""

from service.lifecycle.draft import Draft
from service.lifecycle.observations import Acquire, GiveUp, Start, StepTaken, Stop, UpdateOnhold, UpdateStorage, Warn
from service.recording import Attempt, AttemptState, EndReason, Interval, State


def never_started(draft: Draft) -> None:
    """No task is alive; files there may be only from an earlier attempt."""
    draft.set(ended_at=draft.now)
    if draft.attempt is not None and draft.attempt.state is not AttemptState.ENDED:
        draft.set_attempt(state=AttemptState.ENDED, ended_at=draft.now, ended_proof="never_started")
    if any(attempt.started_at is not None for attempt in draft.recording.attempts):
        draft.enter(State.UPLOADING)
        draft.look_from(draft.now)
    else:
        draft.enter(draft.nothing_recorded())


def step_taken(draft: Draft, taken: StepTaken) -> None:
    match taken.step:
        case Acquire(new=True):
            _plan_attempt(draft, taken.uid)
        case Start():
            attempt = draft.attempt
            assert attempt is not None
            first = attempt.start_sent_at if attempt.start_sent_at is not None else draft.now
            again = attempt.may_be_alive
            draft.set_attempt(
                state=AttemptState.START_SENT,
                start_sent_at=first,
                sends=attempt.sends + 1,
                undecided=attempt.undecided or again,
            )
        case Stop(reason=reason):
            _stop_taken(draft, reason)
        case UpdateOnhold():
            draft.set_attempt(update_sent_at=draft.now)
        case UpdateStorage():
            draft.set_attempt(storage_refresh_at=draft.now + draft.recording.policy.watch_seconds)
        case GiveUp(reason=reason):
            _give_up(draft, reason)
        case Warn(code=code):
            draft.warn(code)
        case _:
            pass


def _plan_attempt(draft: Draft, uid: int) -> None:
    recording = draft.recording
    number = len(recording.attempts) + 1
    attempt = Attempt(
        number=number,
        cname=recording.cname,
        uid=uid,
        prefix=f"{recording.key_prefix}a{number}/",
        planned_at=draft.now,
        onhold=recording.pause_wished,
        rtmp_version=recording.rtmp_version,
    )
    draft.set(attempts=(*recording.attempts, attempt))
    if recording.pause_wished and recording.window_from_at is not None:
        draft.set(pauses=(*recording.pauses, Interval(draft.now, None)))
    draft.enter(State.STARTING)
    draft.note("attempt_planned", attempt=number, cname=attempt.cname, uid=uid)


def _stop_taken(draft: Draft, reason: EndReason) -> None:
    if not draft.recording.state.terminal:
        draft.end_with(reason)
        draft.enter(State.STOPPING)
    draft.set_attempt(stop_sent_at=draft.now)


def _give_up(draft: Draft, reason: EndReason) -> None:
    """Not recording in time. A task that may be alive is stopped first; one that nobody can address is over when its
    hour limit has passed."""
    attempt = draft.attempt
    if draft.recording.state is State.STOPPING:
        draft.end_attempt(reason, "hour_limit", draft.now)
        return
    draft.end_with(reason)
    draft.note("gave_up", reason=reason)
    if attempt is not None and attempt.may_be_alive:
        draft.succeeded()
        draft.enter(State.STOPPING)
    else:
        never_started(draft)
