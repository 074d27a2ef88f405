"""`next_step(recording, now)`: the next step, derived from the row. Pure and level-triggered.

Every wake-up calls it, so a lost wake-up delays a step but cannot lose it. Until a recording has ended, either a step
is due or there is a time to wait for. For a task that may be running, the last such time is its hour limit.
"""

import math

from service.lifecycle.deadlines import hours_end_at, hours_wanted, reaudit_at, resource_end_at, task_end_at
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
from service.lifecycle.reasons import give_up_reason
from service.recording import Attempt, AttemptState, EndReason, Recording, State

# After the hour limit Agora ends the task by itself. In case it does not, our own stop follows this much later.
HOUR_LIMIT_GUARD_SECONDS = 60

# The first file of a task exists at the earliest this long after its start (agora-reference §9.1: slices of 15 s).
FIRST_FILE_SECONDS = 15

# Within this time, which covers the wait for the budget and the call, a start is answered or has failed.
START_ANSWER_SECONDS = 26

_Due = tuple[float | None, Step]


def next_step(recording: Recording, now: float) -> Step | Wait:
    """Return the step that is due at `now`, or how long nothing is due.

    If several steps are due, return the most urgent: stop, then update, start, query, and last the bucket.
    """
    return _first(now, *_due(recording, now))


def due_since(recording: Recording, step: Step, now: float) -> float | None:
    """Return the time since which a step of this kind is due by the row, or None if it is not due."""
    kind = type(step)
    return min((at for at, due in _due(recording, now) if at is not None and isinstance(due, kind)), default=None)


def overtaken_at(recording: Recording, under_way: Step, now: float) -> float | None:
    """Return the time from which the current step would delay a stop, or a step that leads to one. Return None if it
    would not.

    The outcome of the current step is still applied. The overtaking step is never another start. Only a Look, which may
    find the sid, and the decision to abandon a start run in parallel with a start that hangs.
    """
    return min(
        (at for at, step in _due(recording, now) if at is not None and _urgent(recording, step, under_way)),
        default=None,
    )


def _urgent(recording: Recording, step: Step, under_way: Step) -> bool:
    match step:
        case Stop():
            return not isinstance(under_way, Stop)
        case Look():
            return isinstance(under_way, Start) and recording.state is State.STOPPING
        case GiveUp():
            return isinstance(under_way, Start) and recording.state is State.STARTING
    return False


def _due(recording: Recording, now: float) -> list[_Due]:
    return [*_leftovers(recording, now), *_newest(recording, now), *_rechecks(recording)]


def _newest(recording: Recording, now: float) -> list[_Due]:
    attempt = recording.attempt
    if recording.state.terminal:
        return _after_the_end(recording, now)
    if recording.state in (State.UPLOADING, State.VERIFYING, State.INCOMPLETE):
        return _looks(recording, now)
    if recording.leftovers and (attempt is None or not attempt.may_be_alive):
        return []  # two tasks never run at the same time, so nothing starts before the older one has ended
    if attempt is None or attempt.state is AttemptState.ENDED:
        return _before_attempt(recording)
    if not attempt.may_be_alive:
        return _starting(recording, attempt, now)
    if recording.state is State.STOPPING or not _addressable(attempt):
        return _alive(recording, attempt, now)
    return _running(recording, attempt, now)


def _first(now: float, *due: _Due) -> Step | Wait:
    times = [(at, step) for at, step in due if at is not None]
    for at, step in times:
        if at <= now:
            return step
    return Wait(min((at for at, _ in times), default=None))


# --- older attempts -----------------------------------------------------------------------------------------------


def _leftovers(recording: Recording, now: float) -> list[_Due]:
    """Return the steps that end older attempts that turned out to be running, in any state of the recording."""
    return [due for attempt in recording.leftovers for due in _ending(recording, attempt, attempt.number)]


def _rechecks(recording: Recording) -> list[_Due]:
    ended = (attempt for attempt in recording.attempts if attempt.state is AttemptState.ENDED)
    return [(attempt.next_query_at, Query(attempt.number)) for attempt in ended if attempt.sid is not None]


# --- no task is running ------------------------------------------------------------------------------------------


def _after_the_end(recording: Recording, now: float) -> list[_Due]:
    """Return the steps after the end: stop a recorder that turned out to be running, and verify a sample of recordings
    again."""
    attempt = recording.attempt
    stopping = _alive(recording, attempt, now) if attempt is not None and attempt.may_be_alive else []
    return [*stopping, (now if recording.look_wished else reaudit_at(recording), Verify())]


def _looks(recording: Recording, now: float) -> list[_Due]:
    due = now if recording.look_wished else recording.next_look_at
    return [(due if due is not None else now, Verify())]


def _before_attempt(recording: Recording) -> list[_Due]:
    wanted = recording.start_at if recording.start_at is not None else recording.requested_at
    lead = recording.policy.lead_seconds if recording.start_at is not None else 0
    return [
        (_give_up_at(recording), GiveUp(give_up_reason(recording))),
        (recording.retry_at if recording.retry_at is not None else wanted - lead, Acquire(new=True)),
    ]


def _starting(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    again = recording.retry_at if recording.retry_at is not None else now
    usable = attempt.state is AttemptState.ACQUIRED and now < resource_end_at(recording, attempt)
    return [
        (_give_up_at(recording), GiveUp(give_up_reason(recording))),
        (again, Start(hours_wanted(recording, now)) if usable else Acquire(new=False)),
    ]


def _give_up_at(recording: Recording) -> float:
    return min(recording.start_deadline_at, recording.stop_at or math.inf)


# --- a task may be running ---------------------------------------------------------------------------------------


def _alive(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    """Return the steps that lead to the end of a task, or that first find its address. Its hour limit bounds every such
    wait."""
    over = (task_end_at(recording, attempt), GiveUp(recording.end_reason or EndReason.HOUR_LIMIT))
    if attempt.state in (AttemptState.START_SENT, AttemptState.UNKNOWN) and attempt.refused_at is None:
        return [over, *_undecided(recording, attempt, now)]
    if not _addressable(attempt):
        return [*_unaddressed(recording, attempt, now), over]
    return _ending(recording, attempt)


def _ending(recording: Recording, attempt: Attempt, leftover: int | None = None) -> list[_Due]:
    again = attempt.stop_again_at
    if again is None and attempt.state is not AttemptState.STOPPING:
        again = recording.stop_wished_at or 0
    unfound = leftover is None and recording.state is State.STOPPING and attempt.missing_since_at is not None
    return [
        (again if _addressable(attempt) else None, Stop(recording.end_reason or EndReason.STOPPED, leftover)),
        (attempt.next_query_at if _addressable(attempt) else None, Query(leftover)),
        (task_end_at(recording, attempt), GiveUp(recording.end_reason or EndReason.HOUR_LIMIT, leftover)),
        (recording.watch.next_list_at if unfound and attempt.stop_accepted_at is None else None, Look()),
    ]


def _undecided(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    """Return the steps that determine whether a start took effect.

    The start is repeated under the same resource id, which cannot create a second task. If that is inconclusive, a
    fresh resource id for the same (cname, uid) decides (agora-reference §1.6, 53). Between the repetitions the bucket
    is listed, because it may show the task. It is not listed during a probe, because the probe could still create a
    second task, and once the first task is known the second would not be searched for. While stopping, the bucket is
    listed first, and a start that may still be answered is not repeated, because it could create the task that is to be
    stopped.
    """
    repeats = len(recording.policy.start_repeat_seconds)
    repeatable = attempt.sends <= repeats and now < resource_end_at(recording, attempt)
    again = recording.retry_at if recording.retry_at is not None else now
    give_up = GiveUp(give_up_reason(recording))
    look = (None if attempt.sid is not None or attempt.several else _first_look_at(attempt), Look())
    stopping = recording.state is State.STOPPING
    if stopping and attempt.state is AttemptState.START_SENT:
        again = max(again, (attempt.start_resent_at or now) + START_ANSWER_SECONDS)
    return [
        *([look] if stopping else []),
        (_while_starting(recording, recording.stop_at), GiveUp(EndReason.STOP_AT)),
        (again, Start(hours_wanted(recording, now)) if repeatable else Acquire(new=False)),
        (_while_starting(recording, recording.start_deadline_at), give_up),
        look,
    ]


def _first_look_at(attempt: Attempt) -> float | None:
    """Return when to list the bucket next. The first file exists after one slice at the earliest."""
    sent_at = attempt.start_sent_at
    first = None if sent_at is None else sent_at + FIRST_FILE_SECONDS
    return attempt.next_query_at if attempt.next_query_at is not None else first


def _unaddressed(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    """Return the steps for a running task whose sid or resource id is unknown. Object names or a notice supply the sid.
    Only the bucket shows the end of a lost task, and the files in it show that the task started in time."""
    look_at = attempt.next_query_at if attempt.next_query_at is not None else now
    deadline = _while_starting(recording, recording.start_deadline_at)
    return [
        (look_at if attempt.sid is None or attempt.lost else None, Look()),
        (_while_starting(recording, recording.stop_at), GiveUp(EndReason.STOP_AT)),
        (None if attempt.lost else deadline, GiveUp(give_up_reason(recording))),
    ]


def _addressable(attempt: Attempt) -> bool:
    decided = attempt.state in (AttemptState.RUNNING, AttemptState.STOPPING)
    return decided and attempt.sid is not None and attempt.resource_id is not None


def _while_starting(recording: Recording, at: float | None) -> float | None:
    return at if recording.state is State.STARTING else None


def _running(recording: Recording, attempt: Attempt, now: float) -> list[_Due]:
    again = recording.retry_at if recording.retry_at is not None else now
    recorded = attempt.recording_at is not None
    pause_end, pause_warning = _pause_limits(recording, attempt)
    limit = hours_end_at(recording, now) + HOUR_LIMIT_GUARD_SECONDS
    hold = recorded and recording.pause_wished != attempt.onhold
    push = recorded and recording.rtmp_version > attempt.rtmp_version
    # Query once more before abandoning the start, because the task may have begun while Pagereel was down. A task that
    # Agora does not find ends in this way.
    late = not recorded and attempt.missing_since_at is None
    return [
        (recording.stop_at, Stop(EndReason.STOP_AT)),
        (limit, Stop(EndReason.HOUR_LIMIT)),
        (pause_end, Stop(EndReason.PAUSED_TOO_LONG)),
        (again if hold else None, UpdateOnhold(recording.pause_wished)),
        (again if push else None, UpdateRtmp(recording.rtmp_version, recording.rtmp)),
        (attempt.storage_refresh_at, UpdateStorage()),
        (pause_warning, Warn("pause_too_long")),
        (attempt.next_query_at, Query()),
        (recording.start_deadline_at if late else None, GiveUp(give_up_reason(recording))),
        (recording.watch.next_list_at, Look()),
    ]


def _pause_limits(recording: Recording, attempt: Attempt) -> tuple[float | None, float | None]:
    """Return when to end a pause, and when to warn of that. The warning comes one watch period earlier, because paused
    time is billed."""
    if not attempt.onhold or recording.pause_wished_at is None:
        return None, None
    warning = recording.pause_wished_at + recording.policy.max_pause_seconds
    warned = "pause_too_long" in recording.warnings
    return warning + recording.policy.watch_seconds, None if warned else warning
