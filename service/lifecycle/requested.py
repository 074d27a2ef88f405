"""The original state of a recording, derived from its current row: the starting point of a replay. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from service.recording import ADOPTED, Attempt, AttemptState, Recording, State


def as_requested(recording: Recording) -> Recording:
    """Return the recording as it was when it was requested or adopted, but with its current labels. `stop_at` may also
    have a later value."""
    began_at = recording.start_at if recording.start_at is not None else recording.requested_at
    onhold = recording.parameters.onhold
    kept = {
        name: getattr(recording, name)
        for name in (
            *("id", "owner", "app", "storage", "location", "parameters", "policy", "page", "rtmp", "requested_at"),
            *("cname", "labels", "notify", "start_at", "record_for_seconds", "sound", "emulated"),
        )
    }
    made = Recording(
        **kept,
        stop_at=recording.stop_at if recording.recorded_from_at is None else None,
        start_deadline_at=began_at + recording.policy.start_within_seconds,
        state_since_at=recording.requested_at,
        window_from_at=None if onhold else began_at,
        pause_wished=onhold,
        pause_wished_at=began_at if onhold else None,
        history=1,
    )
    adopted = recording.page == ADOPTED and bool(recording.attempts)
    return _as_adopted(made, recording) if adopted else made


def _as_adopted(made: Recording, recording: Recording) -> Recording:
    """Return an adopted recording, whose history begins with its task."""
    one = recording.attempts[0]
    task = Attempt(one.number, one.cname, one.uid, one.prefix, one.planned_at, AttemptState.RUNNING, hours=one.hours)
    task = with_address(replace(task, start_sent_at=one.start_sent_at, started_at=one.started_at), one)
    return replace(made, state=State.STARTING, attempts=(task,), start_deadline_at=recording.start_deadline_at)


def with_address(attempt: Attempt, known: Attempt) -> Attempt:
    """Return the attempt with the identifiers that a query for its task needs."""
    return replace(
        attempt,
        uid=known.uid,
        resource_id=known.resource_id,
        resource_ids=known.resource_ids,
        acquired_at=known.acquired_at,
        sid=attempt.sid or known.sid,
    )


def without_later_sid(recording: Recording, found: Iterable[int]) -> Recording:
    """Return the recording without the sids of attempts whose history contains a later sid."""
    numbers = set(found)
    attempts = (replace(one, sid=None) if one.number in numbers else one for one in recording.attempts)
    return replace(recording, attempts=tuple(attempts))
