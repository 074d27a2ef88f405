"""What must happen next is read off the row: `next_step(recording, now)`. Pure and level-triggered.

Whoever is woken, by whatever, asks this; a lost wake-up delays a step and cannot lose it.
"""

import math
from zlib import crc32

from service.lifecycle.observations import (
    Acquire,
    GiveUp,
    Look,
    Query,
    Start,
    Step,
    Stop,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    Verify,
    Wait,
    Warn,
)
from service.recording import Attempt, AttemptState, EndReason, Recording, State

HOUR = 3600
# After the hour limit Agora ends the task by itself; our own stop comes this much later, should it not.
HOUR_LIMIT_GUARD_SECONDS = 60
# A resource id is not used for a start in the last seconds of its life.
RESOURCE_MARGIN_SECONDS = 15

_Due = tuple[float | None, Step]


def next_step(recording: Recording, now: float) -> Step | Wait:
    """The step that is due at `now`, or how long there is nothing to do.

    Of several due steps the most urgent is given: stop, then update, start, query, and looks at the bucket last."""
    if recording.state.terminal:
        return _first(now, *_after_the_end(recording, now))
    if recording.state in (State.UPLOADING, State.VERIFYING, State.INCOMPLETE):
        return _first(now, *_looks(recording, now))
    attempt = recording.attempt
    if attempt is None or attempt.state is AttemptState.ENDED:
        return _first(now, *_before_attempt(recording, now))
    if attempt.state in (AttemptState.PLANNED, AttemptState.ACQUIRED):
        return _first(now, *_starting(recording, attempt, now))
    if attempt.state in (AttemptState.START_SENT, AttemptState.UNKNOWN):
        return _first(now, *_undecided(recording, attempt, now))
    if attempt.sid is None:
        return _first(now, *_without_sid(recording, attempt, now))
    if recording.state is State.STOPPING:
        return _first(now, *_stopping(recording, attempt))
    return _first(now, *_running(recording, attempt, now))


def hours_wanted(recording: Recording, now: float) -> int:
    """The hour limit for a task started now (agora-reference §3.3: 1 to 720): what is left of the caller's limit, and
    with a `stop_at` the smallest that covers it plus one, so that the bill is bounded while we are down."""
    left = hours_end_at(recording, now) - now
    if recording.stop_at is not None:
        left = min(left, (math.ceil((recording.stop_at - now) / HOUR) + 1) * HOUR)
    return max(1, min(recording.parameters.max_recording_hour, math.ceil(left / HOUR)))


def hours_end_at(recording: Recording, now: float) -> float:
    """When the caller's hour limit is used up; it runs from the first start, over all attempts."""
    started = [attempt.started_at for attempt in recording.attempts if attempt.started_at is not None]
    return (min(started) if started else now) + recording.parameters.max_recording_hour * HOUR


def jitter(recording: Recording, number: int) -> float:
    """A factor of 0.8 to 1.2 that is the same whenever it is asked for."""
    return 0.8 + 0.4 * (crc32(f"{recording.id}:{number}".encode()) / 0xFFFFFFFF)


def _first(now: float, *due: _Due) -> Step | Wait:
    times = [(at, step) for at, step in due if at is not None]
    for at, step in times:
        if at <= now:
            return step
    return Wait(min((at for at, _ in times), default=None))


def _after_the_end(recording: Recording, now: float) -> list[_Due]:
    attempt = recording.attempt
    alive = attempt is not None and attempt.may_be_alive and attempt.sid is not None
    again = recording.retry_at if recording.retry_at is not None else now
    return [
        (again if alive else None, Stop(recording.end_reason or EndReason.STOPPED)),
        (now if recording.look_wished else None, Verify()),
    ]


def _looks(recording: Recording, now: float) -> list[_Due]:
    due = now if recording.look_wished else recording.next_look_at
    return [(due if due is not None else now, Verify())]


def _give_up_at(recording: Recording) -> float:
    return min(recording.start_deadline_at, recording.stop_at or math.inf)


def _give_up_reason(recording: Recording) -> EndReason:
    if recording.last_failure == "capacity":
        return EndReason.CAPACITY
    return EndReason.MISSED if recording.last_failure is None else EndReason.AGORA_UNAVAILABLE


def _before_attempt(recording: Recording, now: float) -> list[_Due]:
    wanted = recording.start_at if recording.start_at is not None else recording.requested_at
    lead = recording.policy.lead_seconds if recording.start_at is not None else 0
    return [
        (_give_up_at(recording), GiveUp(_give_up_reason(recording))),
        (recording.retry_at if recording.retry_at is not None else wanted - lead, Acquire(new=True)),
    ]


def _starting(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    again = recording.retry_at if recording.retry_at is not None else now
    usable = attempt.state is AttemptState.ACQUIRED and now < _resource_end_at(recording, attempt)
    return [
        (_give_up_at(recording), GiveUp(_give_up_reason(recording))),
        (again, Start(hours_wanted(recording, now)) if usable else Acquire(new=False)),
    ]


def _resource_end_at(recording: Recording, attempt: Attempt) -> float:
    return (attempt.acquired_at or 0) + recording.policy.resource_life_seconds - RESOURCE_MARGIN_SECONDS


def _undecided(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    """Nobody knows whether the start took effect. It is repeated under the same resource id, which cannot make a second
    task; when that decides nothing, a fresh resource id for the same (cname, uid) does (agora-reference §1.6, 53)."""
    repeats = len(recording.policy.start_repeat_seconds)
    repeatable = attempt.sends <= repeats and now < _resource_end_at(recording, attempt)
    again = recording.retry_at if recording.retry_at is not None else now
    return [
        (_task_end_at(recording, attempt), GiveUp(EndReason.AGORA_UNAVAILABLE)),
        (_unless_stopping(recording, recording.start_deadline_at), GiveUp(_give_up_reason(recording))),
        (again, Start(hours_wanted(recording, now)) if repeatable else Acquire(new=False)),
    ]


def _without_sid(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    return [
        (_task_end_at(recording, attempt), GiveUp(EndReason.AGORA_UNAVAILABLE)),
        (_unless_stopping(recording, recording.start_deadline_at), GiveUp(_give_up_reason(recording))),
        (attempt.next_query_at if attempt.next_query_at is not None else now, Look()),
    ]


def _unless_stopping(recording: Recording, at: float) -> float | None:
    return None if recording.state is State.STOPPING else at


def _task_end_at(recording: Recording, attempt: Attempt) -> float:
    """When a task that nobody can address any more is over for certain: its hour limit ended it."""
    since = attempt.started_at or attempt.start_sent_at or attempt.planned_at
    hours = recording.parameters.max_recording_hour
    return since + hours * HOUR + recording.policy.failover_window_seconds


def _stopping(recording: Recording, attempt: Attempt) -> list[_Due]:
    if attempt.state is AttemptState.STOPPING:
        return [(attempt.next_query_at, Query())]
    again = recording.retry_at if recording.retry_at is not None else (recording.stop_wished_at or 0)
    return [(again, Stop(recording.end_reason or EndReason.STOPPED)), (attempt.next_query_at, Query())]


def _running(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    again = recording.retry_at if recording.retry_at is not None else now
    recorded = attempt.recording_at is not None
    pause_end, pause_warning = _pause_limits(recording, attempt)
    limit = hours_end_at(recording, now) + HOUR_LIMIT_GUARD_SECONDS
    return [
        (recording.stop_at, Stop(EndReason.STOP_AT)),
        (limit, Stop(EndReason.HOUR_LIMIT)),
        (pause_end, Stop(EndReason.PAUSED_TOO_LONG)),
        (None if recorded else recording.start_deadline_at, GiveUp(_give_up_reason(recording))),
        (
            again if recorded and recording.pause_wished != attempt.onhold else None,
            UpdateOnhold(recording.pause_wished),
        ),
        (
            again if recorded and recording.rtmp_version > attempt.rtmp_version else None,
            UpdateRtmp(recording.rtmp_version),
        ),
        (attempt.storage_refresh_at, UpdateStorage()),
        (pause_warning, Warn("pause_too_long")),
        (attempt.next_query_at, Query()),
        (recording.watch.next_list_at, Look()),
    ]


def _pause_limits(recording: Recording, attempt: Attempt) -> tuple[float | None, float | None]:
    """Paused time is billed: when a pause is ended, and one watch period earlier when it is warned of."""
    if not attempt.onhold or recording.pause_wished_at is None:
        return None, None
    warning = recording.pause_wished_at + recording.policy.max_pause_seconds
    warned = "pause_too_long" in recording.warnings
    return warning + recording.policy.watch_seconds, None if warned else warning
