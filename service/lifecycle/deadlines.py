"""Timestamps and durations that are computed from the row on demand and never stored. Pure."""

import math
from zlib import crc32

from service.recording import Attempt, Recording, State
from service.report import Level, Verdict

HOUR = 3600
DAY = 86400
FIRST_SLICES = 2
# A stop_at this close to the start would end the recording before its first slice.
SHORTEST_SECONDS = 1
# The delays before retrying a stop that Agora did not carry out; the last delay is repeated. A stop costs nothing, but
# a running recorder is billed.
STOP_AGAIN_SECONDS = (0.5, 0.5, 1, 2, 4, 6)
# During a failover window, the bucket is listed this often for a task that is to be stopped but whose sid is unknown.
FIND_SOON_SECONDS = 2
# Ends that Agora did not report. A query or a playlist showed them, or the hour limit passed.
ENDS_FOUND = ("404", "query", "hour_limit", "playlist_ended")
# An end found within this time of the last sign of life is taken as exact.
FOUND_SOON_SECONDS = 60
# The start allowance takes at most this share of a planned window.
PLANNED_ALLOWANCE_SHARE = 0.1
# A resource id is not used for a start in the last seconds before it expires.
RESOURCE_MARGIN_SECONDS = 15


def watch_period(recording: Recording, slices: int) -> float:
    """Return the seconds until the bucket is listed again while slices are being written.

    If the policy's level checks pictures, the period is shorter until the first two slices exist, because only then can
    they show whether the page renders. It is also shorter while a stop is pending.
    """
    policy = recording.policy
    if recording.state is State.STOPPING:
        return min(policy.watch_seconds, policy.stop_check_seconds)
    soon = slices < FIRST_SLICES and policy.level.reaches(Level.CONTENT)
    return min(policy.watch_seconds, policy.first_watch_seconds) if soon else policy.watch_seconds


def stop_wait(attempt: Attempt) -> float:
    """Return the seconds until a stop that was not carried out is sent again."""
    return STOP_AGAIN_SECONDS[min(max(attempt.stops, 1), len(STOP_AGAIN_SECONDS)) - 1]


def find_wait(recording: Recording, now: float) -> float:
    """Return the seconds until the bucket is listed again to find the sid of a task."""
    policy = recording.policy
    wanted = recording.state is State.STOPPING and now < recording.state_since_at + policy.failover_window_seconds
    return min(FIND_SOON_SECONDS, policy.find_sid_seconds) if wanted else policy.find_sid_seconds


def jitter(recording: Recording, number: int) -> float:
    """Return a factor from 0.8 to 1.2 that is always the same for this recording and number."""
    return 0.8 + 0.4 * (crc32(f"{recording.id}:{number}".encode()) / 0xFFFFFFFF)


def reaudit_at(recording: Recording) -> float | None:
    """Return when a verified recording is verified again if it belongs to the sample, otherwise None.

    The timestamp follows from the latest report, so a restart cannot lose it. For an unreachable bucket, verification
    is retried after a day, for a week at most.
    """
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
    """Return the hour limit for a task started now (agora-reference §3.3: 1 to 720).

    The limit is the rest of the caller's limit. If the end is known, the limit is at most the smallest number of hours
    that covers it, plus one, which limits the bill while Pagereel is down. While the recording is stopping, a start is
    only repeated to learn the outcome of an earlier one, so the limit is 1.
    """
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
    """Return when the caller's hour limit is used up. It counts from the first start, across all attempts."""
    started = [attempt.started_at for attempt in recording.attempts if attempt.started_at is not None]
    return (min(started) if started else now) + recording.parameters.max_recording_hour * HOUR


def planned_start_at(recording: Recording) -> float:
    """Return when the recording is to start: at its `start_at` if set, otherwise at the request."""
    return recording.start_at if recording.start_at is not None else recording.requested_at


def hour_limit_at(recording: Recording) -> float:
    """Return when the hour limit ends the recording. It counts from the planned start until a first start exists."""
    return hours_end_at(recording, planned_start_at(recording))


def latest_end_at(recording: Recording) -> float:
    """Return the latest possible end. This is the recording's hour limit, or that of the running task, which is shorter
    if a `stop_at` was known at its start."""
    attempt, limit = recording.attempt, hour_limit_at(recording)
    if attempt is None or not attempt.may_be_alive:
        return limit
    return min(limit, task_limit_at(recording, attempt))


def planned_stop_at(recording: Recording) -> float:
    """Return the planned end as currently known: a caller's stop, `stop_at` or the hour limit. Until the recording
    records, `record_for_seconds` counts from the planned start."""
    length, ends_at = recording.record_for_seconds, recording.stop_at
    if ends_at is None and length is not None:
        ends_at = planned_start_at(recording) + length
    ends = (recording.stop_wished_at, ends_at, hour_limit_at(recording))
    return min(at for at in ends if at is not None)


def planned_seconds(recording: Recording) -> float:
    """Return the planned length in seconds: `record_for_seconds`, or the time from the planned start to the planned
    stop if that is less. If a later `stop_at` replaced the length, count from the start of the replaced length."""
    length, begin = recording.length_seconds, planned_start_at(recording)
    if length is None and recording.record_for_seconds is not None and recording.recorded_from_at is not None:
        begin = recording.recorded_from_at
    between = max(0.0, planned_stop_at(recording) - begin)
    return between if length is None else min(between, length)


def start_allowance(recording: Recording) -> float:
    """Return how many seconds at the beginning do not count as missing. This is the policy's allowance, limited to a
    tenth of a planned window, because an unplanned recording cannot be ready at the moment of its request."""
    begin, end, allowed = recording.window_from_at, recording.stop_at, recording.policy.start_allowance_seconds
    if recording.start_at is None or begin is None or end is None or recording.recorded_from_at is not None:
        return allowed
    return min(allowed, PLANNED_ALLOWANCE_SHARE * max(0.0, end - begin))


def elapsed_seconds(recording: Recording, now: float) -> float | None:
    """Return how many seconds the recording has recorded until its end or its accepted stop, including pauses. Return
    None if nothing was recorded."""
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
    """Return the time until which a task ran and was billed, as far as the evidence shows. Return None while the task
    may run.

    An end that was not reported may have been found long after it happened. Once the bucket has been read, the last
    sign of life counts: an answer of Agora, a notice, or the end of the last slice. A paused task writes no slices, so
    its slices do not show its end. The hour limit is an upper bound.
    """
    ended_at = attempt.ended_at
    if ended_at is None or attempt.ended_proof not in ENDS_FOUND:
        return ended_at
    signs = (attempt.started_at, attempt.recording_at, attempt.seen_at, attempt.shown_until)
    last = max((at for at in signs if at is not None), default=ended_at)
    until = min(ended_at, max(last, task_limit_at(recording, attempt) + FOUND_SOON_SECONDS))
    began_at = attempt.recording_at or attempt.started_at or ended_at
    shown = attempt.shown_until is not None and attempt.shown_until >= began_at
    read = recording.warned_level is not None  # a verification has read the bucket
    if not shown or not read or attempt.onhold or ended_at - last <= FOUND_SOON_SECONDS:
        return until
    return min(last, until)


def end_inferred(recording: Recording) -> bool:
    """Return whether a task ended before its end was found. If so, the length is approximate."""
    return any(ran_until(recording, attempt) != attempt.ended_at for attempt in recording.attempts)


def over_at(recording: Recording) -> float | None:
    """Return the time since which no recorder runs, as `ran_until` of the newest task. Return None while a recorder may
    run."""
    attempt, ended_at = recording.attempt, recording.ended_at
    until = None if attempt is None or ended_at is None else ran_until(recording, attempt)
    return ended_at if until is None or ended_at is None else min(ended_at, until)


def task_limit_at(recording: Recording, attempt: Attempt) -> float:
    """Return the latest time at which Agora ends the task. This is its hour limit, counted from the last start that may
    have created it."""
    sent = (attempt.start_resent_at, attempt.start_sent_at, attempt.started_at, attempt.planned_at)
    since = next(at for at in sent if at is not None)
    return since + (attempt.hours or recording.parameters.max_recording_hour) * HOUR


def task_end_at(recording: Recording, attempt: Attempt) -> float:
    """Return when a task has certainly ended even if Agora does not report it: its hour limit has passed, and no sign
    of life arrived for a whole failover window."""
    alive_at = max(task_limit_at(recording, attempt), attempt.seen_at or 0)
    return alive_at + recording.policy.failover_window_seconds


def resource_end_at(recording: Recording, attempt: Attempt) -> float:
    """Return the time until which the newest resource id may be used for a start (agora-reference §2)."""
    return (attempt.acquired_at or 0) + recording.policy.resource_life_seconds - RESOURCE_MARGIN_SECONDS
