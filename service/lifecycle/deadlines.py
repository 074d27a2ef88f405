"""Instants and lengths that are computed from the row whenever they are needed, and never stored. Pure."""

import math
from zlib import crc32

from service.recording import Attempt, Recording, State
from service.report import Level, Verdict

HOUR = 3600
DAY = 86400
FIRST_SLICES = 2
# A stop_at this close to the start would end the recording before its first slice.
SHORTEST_SECONDS = 1
# A stop that Agora did not carry out is sent again after so long, the last for ever. It costs nothing, a recorder does.
STOP_AGAIN_SECONDS = (0.5, 0.5, 1, 2, 4, 6)
# Where a stop is wanted and its task cannot be addressed, the bucket is looked at this often, for a failover window.
FIND_SOON_SECONDS = 2
# Ends that were not reported: a query or a playlist showed them, or the hour limit passed.
ENDS_FOUND = ("404", "query", "hour_limit", "playlist_ended")
# An end that was found so soon after the last sign of life is taken as it was found.
FOUND_SOON_SECONDS = 60
# So much of a planned window the start allowance takes at most.
PLANNED_ALLOWANCE_SHARE = 0.1
# A resource id is not used for a start in the last seconds of its life.
RESOURCE_MARGIN_SECONDS = 15


def watch_period(recording: Recording, slices: int) -> float:
    """How long until the bucket is looked at again while it is written. Until the first two slices are there, and can
    show whether there is a picture at all, that is sooner where pictures are looked at; and where a stop is wanted, for
    a task that Agora does not find."""
    policy = recording.policy
    if recording.state is State.STOPPING:
        return min(policy.watch_seconds, policy.stop_check_seconds)
    soon = slices < FIRST_SLICES and policy.level.reaches(Level.CONTENT)
    return min(policy.watch_seconds, policy.first_watch_seconds) if soon else policy.watch_seconds


def stop_wait(attempt: Attempt) -> float:
    """How long until a stop that was not carried out is sent again."""
    return STOP_AGAIN_SECONDS[min(max(attempt.stops, 1), len(STOP_AGAIN_SECONDS)) - 1]


def find_wait(recording: Recording, now: float) -> float:
    """How long until the bucket is looked at again for the sid of a task."""
    policy = recording.policy
    wanted = recording.state is State.STOPPING and now < recording.state_since_at + policy.failover_window_seconds
    return min(FIND_SOON_SECONDS, policy.find_sid_seconds) if wanted else policy.find_sid_seconds


def jitter(recording: Recording, number: int) -> float:
    """A factor of 0.8 to 1.2 that is the same whenever it is asked for."""
    return 0.8 + 0.4 * (crc32(f"{recording.id}:{number}".encode()) / 0xFFFFFFFF)


def reaudit_at(recording: Recording) -> float | None:
    """When a verified recording is looked at again, where it is one of the sample. Read off the last look, so it cannot
    be forgotten; a bucket that could not be looked at is tried again the next day, for a week at most."""
    policy, latest = recording.policy, recording.latest_report
    if recording.state is not State.VERIFIED or latest is None:
        return None
    if crc32(f"{recording.id}:reaudit".encode()) / 0xFFFFFFFF >= policy.reaudit_share:
        return None
    due = [recording.state_since_at + age for age in policy.reaudit_seconds]
    if latest.verdict is Verdict.UNREACHABLE and latest.judged_at < max(due, default=0) + 7 * DAY:
        return latest.judged_at + DAY
    return next((at for at in due if at > latest.judged_at), None)


def hours_wanted(recording: Recording, now: float) -> int:
    """The hour limit for a task started now (agora-reference §3.3: 1 to 720): what is left of the caller's limit, and
    with a `stop_at` the smallest that covers it plus one, so that the bill is bounded while we are down. Where the
    start is only repeated to find out what became of it, the smallest there is."""
    if recording.state is State.STOPPING:
        return 1
    left = hours_end_at(recording, now) - now
    ends_at = recording.stop_at
    if ends_at is None and recording.record_for_seconds is not None and not recording.parameters.onhold:
        ends_at = max(now, recording.start_deadline_at) + recording.record_for_seconds
    if ends_at is not None:
        left = min(left, (math.ceil((ends_at - now) / HOUR) + 1) * HOUR)
    return max(1, min(recording.parameters.max_recording_hour, math.ceil(left / HOUR)))


def hours_end_at(recording: Recording, now: float) -> float:
    """When the caller's hour limit is used up; it runs from the first start, over all attempts."""
    started = [attempt.started_at for attempt in recording.attempts if attempt.started_at is not None]
    return (min(started) if started else now) + recording.parameters.max_recording_hour * HOUR


def planned_start_at(recording: Recording) -> float:
    """When it is to start: at the instant that was asked for, or with the request."""
    return recording.start_at if recording.start_at is not None else recording.requested_at


def hour_limit_at(recording: Recording) -> float:
    """When the hour limit ends it: as `hours_end_at`, counted from the planned start until there is a first one."""
    return hours_end_at(recording, planned_start_at(recording))


def latest_end_at(recording: Recording) -> float:
    """When it ends at the latest: its hour limit is used up, or that of the task that runs, which was asked for fewer
    hours where a `stop_at` was known."""
    attempt, limit = recording.attempt, hour_limit_at(recording)
    if attempt is None or not attempt.may_be_alive:
        return limit
    return min(limit, task_limit_at(recording, attempt))


def planned_stop_at(recording: Recording) -> float:
    """When it is to end, as far as is known now: by a caller's stop, its `stop_at` or its hour limit. Until it records,
    `record_for_seconds` counts from the planned start."""
    length, ends_at = recording.record_for_seconds, recording.stop_at
    if ends_at is None and length is not None:
        ends_at = planned_start_at(recording) + length
    ends = (recording.stop_wished_at, ends_at, hour_limit_at(recording))
    return min(at for at in ends if at is not None)


def planned_seconds(recording: Recording) -> float:
    """How long it is to record: its `record_for_seconds`, or from the planned start to the planned stop if less. Where
    a later `stop_at` took the place of the length, from where the length counted."""
    length, begin = recording.length_seconds, planned_start_at(recording)
    if length is None and recording.record_for_seconds is not None and recording.recorded_from_at is not None:
        begin = recording.recorded_from_at
    between = max(0.0, planned_stop_at(recording) - begin)
    return between if length is None else min(between, length)


def start_allowance(recording: Recording) -> float:
    """Return how much of the beginning is not missed: what the policy allows, and of a window that was planned a tenth
    at most. What was not planned cannot be ready when it is requested."""
    begin, end, allowed = recording.window_from_at, recording.stop_at, recording.policy.start_allowance_seconds
    if recording.start_at is None or begin is None or end is None or recording.recorded_from_at is not None:
        return allowed
    return min(allowed, PLANNED_ALLOWANCE_SHARE * max(0.0, end - begin))


def elapsed_seconds(recording: Recording, now: float) -> float | None:
    """How long it has recorded, or did record until it ended or its stop was accepted, pauses included; None where
    nothing was recorded."""
    began = [attempt.recording_at for attempt in recording.attempts if attempt.recording_at is not None]
    if not began:
        return None
    until = over_at(recording)
    if until is None and recording.state is State.STOPPING:
        until = recording.attempts[-1].stop_accepted_at
    if until is None:
        until = recording.state_since_at if recording.state.terminal else now
    return max(0.0, until - min(began))


def ran_until(recording: Recording, attempt: Attempt) -> float | None:
    """Until when a task ran as far as anything shows, and was billed; None while it may run.

    Where its end was not reported, it was found over, perhaps long after. Once the bucket was read, its last sign
    counts: an answer of Agora, a notice, or the end of its last slice. While it was paused there are no slices, so they
    say nothing of its end. In any case it ended with its hour limit."""
    ended_at = attempt.ended_at
    if ended_at is None or attempt.ended_proof not in ENDS_FOUND:
        return ended_at
    signs = (attempt.started_at, attempt.recording_at, attempt.seen_at, attempt.shown_until)
    last = max((at for at in signs if at is not None), default=ended_at)
    until = min(ended_at, max(last, task_limit_at(recording, attempt) + FOUND_SOON_SECONDS))
    began_at = attempt.recording_at or attempt.started_at or ended_at
    shown = attempt.shown_until is not None and attempt.shown_until >= began_at
    read = recording.warned_level is not None  # a look has read the bucket
    if not shown or not read or attempt.onhold or ended_at - last <= FOUND_SOON_SECONDS:
        return until
    return min(last, until)


def end_inferred(recording: Recording) -> bool:
    """Whether a task ended before it was found over, so that its length is about right and not exact."""
    return any(ran_until(recording, attempt) != attempt.ended_at for attempt in recording.attempts)


def over_at(recording: Recording) -> float | None:
    """When no recorder ran any more, as `ran_until` of the newest task; None while one may run."""
    attempt, ended_at = recording.attempt, recording.ended_at
    until = None if attempt is None or ended_at is None else ran_until(recording, attempt)
    return ended_at if until is None or ended_at is None else min(ended_at, until)


def task_limit_at(recording: Recording, attempt: Attempt) -> float:
    """When Agora ends the task by itself, at the latest: its hour limit, from the last start that may have made it."""
    sent = (attempt.start_resent_at, attempt.start_sent_at, attempt.started_at, attempt.planned_at)
    since = next(at for at in sent if at is not None)
    return since + (attempt.hours or recording.parameters.max_recording_hour) * HOUR


def task_end_at(recording: Recording, attempt: Attempt) -> float:
    """When a task is over for certain although Agora does not say so: its hour limit has passed, and for a whole
    failover window nobody has seen it alive."""
    alive_at = max(task_limit_at(recording, attempt), attempt.seen_at or 0)
    return alive_at + recording.policy.failover_window_seconds


def resource_end_at(recording: Recording, attempt: Attempt) -> float:
    """Until when the newest resource id may be used for a start (agora-reference §2)."""
    return (attempt.acquired_at or 0) + recording.policy.resource_life_seconds - RESOURCE_MARGIN_SECONDS
