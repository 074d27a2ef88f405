"""Rules for Agora's answers about a task and for failed calls. Each assumption about Agora names its section of the
reference (docs/agora-reference.md). The rules for starts are in `start`. Pure."""

from dataclasses import replace

from service.lifecycle.change import DAY, Draft
from service.lifecycle.deadlines import hours_end_at, jitter, stop_wait, watch_period
from service.lifecycle.observations import (
    Acquire,
    Call,
    CallFailed,
    Failure,
    Query,
    Start,
    Stop,
    Stopped,
    TaskMissing,
    TaskSeen,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    name_of,
)
from service.lifecycle.reasons import NEVER_FOUND, STOP_REASONS, UNANSWERED, never_found
from service.lifecycle.rules.start import acquire_failed, another_may_live, probe_again, start_failed
from service.lifecycle.rules.updates import onhold_seen, update_refused
from service.recording import Attempt, AttemptState, EndReason, State

# An accepted stop is sent again after this time if its task has not ended. If Agora is still carrying out the first
# stop, it refuses the second; if it ignored the first stop, it accepts the second.
STOP_IGNORED_SECONDS = 0.8
# A stop is late if it was sent before but is accepted this much later than it was requested.
STOPPED_LATE_SECONDS = 10
# If the budget has no room for a query, the query is postponed by this share of the watch period.
STRETCH = 0.25
# A query answered this much later than it was due was not only slow, but was sent too late.
ASKED_LATE_SECONDS = 30
RECORDS = (4, 5)
STOPS = (6, 7)
EXITED = (8, 20)
ALIVE = range(1, 6)
# The allowed difference between our clock and that of a recorder or of Agora.
CLOCKS_SECONDS = 5
UNFOUND = "Agora does not find the task; Pagereel asks again, in case of a failover"
LIVED_UNFOUND = "Agora does not find the task, which still ran after the stop; Pagereel sends the stop again"


# --- query -------------------------------------------------------------------------------------------------------


def task_seen(draft: Draft, seen: TaskSeen) -> None:
    attempt = draft.attempt
    if attempt is None or attempt.sid is None:
        return
    if attempt.state is AttemptState.ENDED:
        _rechecked(draft, attempt, alive=seen.status in ALIVE and not seen.exited)
    if not attempt.may_be_alive:
        return
    told = attempt.told_ended is not None
    if seen.exited or seen.status in EXITED or (told and seen.status in STOPS):
        believe_end(draft, "query")
        return
    names = tuple(dict.fromkeys((*attempt.announced, *seen.files)))
    draft.set_attempt(checks=attempt.checks + 1, announced=names, seen_at=draft.now, undecided=False)
    _contradict_end(draft, attempt)
    draft.agora_answered()
    draft.set(failures=0)
    if seen.status in RECORDS and not draft.leftover:
        _records(draft, attempt, seen)
    if seen.status in ALIVE:
        outlived(draft, draft.now)
    draft.set_attempt(next_query_at=_next_query_at(draft, seen))


def _records(draft: Draft, attempt: Attempt, seen: TaskSeen) -> None:
    ends = draft.recording.stop_at is not None
    started(draft, draft.now)
    late = draft.now - (attempt.next_query_at or draft.now)
    if not ends and draft.recording.recorded_from_at == draft.now and late >= ASKED_LATE_SECONDS:
        draft.warn("length_late", late_seconds=round(late, 1))
    if seen.onhold is not None:
        onhold_seen(draft, seen.onhold, attempt.update_sent_at if seen.onhold else None)


def _rechecked(draft: Draft, attempt: Attempt, *, alive: bool) -> None:
    """Handle the answer to a query made after the task was assumed to have ended."""
    if alive:
        draft.revive(attempt, attempt.sid or "")
    else:
        draft.set_attempt(rechecks=attempt.rechecks + 1)
        draft.recheck()
        draft.attended("ending_unconfirmed")


def _contradict_end(draft: Draft, attempt: Attempt) -> None:
    """Discard the assumed end, because the task is running. A reported end is kept for one failover window, because the
    report may have arrived before the change of state."""
    since = attempt.missing_since_at
    window = draft.recording.policy.failover_window_seconds
    if attempt.told_ended is None or since is None or draft.now - since > window:
        draft.set_attempt(missing_since_at=None, told_ended=None)
        draft.attended("ending_unconfirmed")


def started(draft: Draft, at: float) -> None:
    """Record that the task records, proven by status 4 or 5 or event 70 (agora-reference §10.1)."""
    attempt = draft.attempt
    assert attempt is not None
    if attempt.recording_at is not None:
        return
    draft.set_attempt(recording_at=at, started_at=attempt.started_at or at)
    if draft.recording.state is State.STARTING:
        draft.enter(State.RECORDING)
        draft.set(watch=replace(draft.recording.watch, next_list_at=draft.now + watch_period(draft.recording, 0)))
        draft.set_end(_recorder_began_at(draft, attempt, at))


def _recorder_began_at(draft: Draft, attempt: Attempt, at: float) -> float:
    """Return when recording began. This is the recorder's own time if it is plausible, otherwise `at`."""
    said, sent_at = attempt.recorder_start_at, attempt.start_sent_at
    return said if said is not None and sent_at is not None and sent_at <= said <= at else at


def _next_query_at(draft: Draft, seen: TaskSeen) -> float:
    attempt, policy = draft.attempt, draft.recording.policy
    assert attempt is not None
    ending = seen.status in STOPS or attempt.stop_accepted_at is not None or attempt.told_ended is not None
    if ending or draft.recording.state not in (State.STARTING, State.RECORDING):
        return draft.now + policy.stop_check_seconds
    if attempt.recording_at is None and attempt.checks < len(policy.start_check_seconds):
        return max((attempt.started_at or draft.now) + policy.start_check_seconds[attempt.checks], draft.now + 1)
    return draft.now + policy.watch_seconds * jitter(draft.recording, attempt.checks)


def outlived(draft: Draft, at: float) -> None:
    """Schedule another stop if the task was running at `at`, after the stop was sent."""
    attempt = draft.attempt
    assert attempt is not None
    if not attempt.may_be_alive or attempt.stop_sent_at is None or at <= attempt.stop_sent_at:
        return
    if attempt.stop_accepted_at is not None:
        if at < attempt.stop_sent_at + STOP_IGNORED_SECONDS:
            return
        draft.set_attempt(state=AttemptState.RUNNING, stop_accepted_at=None)
        draft.note("stop_ignored")
    draft.set_attempt(stop_again_at=draft.now)


def lived(draft: Draft, at: float, witness: str, *, recorded: bool) -> None:
    """Doubt an end because a sign of life of the task is more recent than Agora's 404, and send the stop again at once.
    If `recorded` is true, the recorder was writing at that time. Otherwise the sign may come from uploads, which
    continue after an end."""
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive or attempt.stop_accepted_at is not None:
        return
    since = attempt.missing_since_at
    if since is None or attempt.told_ended is not None or at <= since + CLOCKS_SECONDS:
        return
    if at <= (attempt.seen_at or 0):
        return
    draft.set_attempt(seen_at=at, missing_since_at=None if recorded else since)
    draft.note("lived_unfound", attempt=attempt.number, witness=witness, lived_at=at)
    if attempt.stop_sent_at is not None:
        draft.set_attempt(stop_again_at=draft.now)
    _attend_unfound(draft)


def _attend_unfound(draft: Draft) -> None:
    """Set the attention for a task that Agora does not find. It contains the time of the next call and whether the task
    has shown signs of life since the stop."""
    attempt = draft.attempt
    assert attempt is not None
    again_at = min((at for at in (attempt.next_query_at, attempt.stop_again_at) if at is not None), default=None)
    stopping = draft.recording.state is State.STOPPING and not draft.leftover
    alive = stopping and attempt.seen_at is not None and attempt.seen_at > draft.recording.state_since_at
    told = LIVED_UNFOUND if alive else UNFOUND
    draft.attend("ending_unconfirmed", NEVER_FOUND if never_found(draft.recording) else told, again_at)


# --- the end -----------------------------------------------------------------------------------------------------


def task_missing(draft: Draft, missing: TaskMissing) -> None:
    """Handle a 404. By itself it is accepted as an end only after a whole failover window (agora-reference §10.3)."""
    attempt = draft.attempt
    if attempt is None or attempt.sid is None:
        return
    if attempt.state is AttemptState.ENDED:
        _rechecked(draft, attempt, alive=False)
    if not attempt.may_be_alive:
        return
    policy = draft.recording.policy
    since = attempt.missing_since_at if attempt.missing_since_at is not None else draft.now
    believed_at = max(since, attempt.seen_at or 0) + policy.failover_window_seconds
    if attempt.told_ended is not None or draft.now >= believed_at:
        draft.set_attempt(missing_since_at=since)
        believe_end(draft, "404")
        return
    next_query_at = min(draft.now + policy.stop_check_seconds, believed_at)
    draft.set_attempt(missing_since_at=since, next_query_at=next_query_at)
    try_next_resource(draft)
    if missing.call is Call.STOP:  # "not found" does not mean accepted
        accepted = attempt.stop_accepted_at is not None
        draft.set_attempt(stop_again_at=None if accepted else draft.now + stop_wait(attempt))
    if missing.call is Call.UPDATE:
        draft.set(retry_at=next_query_at)
    _look_for_slices(draft)
    _attend_unfound(draft)


def _look_for_slices(draft: Draft) -> None:
    """If a stop is pending, bring forward the next listing, because a slice that begins after the 404 shows that the
    task is running."""
    watch = draft.recording.watch
    if draft.recording.state is State.STOPPING and not draft.leftover:
        soon_at = draft.now + draft.recording.policy.stop_check_seconds
        draft.set(watch=replace(watch, next_list_at=min(watch.next_list_at or soon_at, soon_at)))


def try_next_resource(draft: Draft) -> None:
    """Switch to the attempt's next resource id if it is unknown which one created the task. Agora finds the task only
    under that resource id."""
    attempt = draft.attempt
    assert attempt is not None
    if attempt.undecided and attempt.resource_id in attempt.resource_ids:
        index = attempt.resource_ids.index(attempt.resource_id) + 1
        draft.set_attempt(resource_id=attempt.resource_ids[index % len(attempt.resource_ids)])


def believe_end(draft: Draft, proof: str) -> None:
    """End the attempt at the first sign of its end. If another task of the attempt may be running, search for that task
    instead."""
    attempt = draft.attempt
    assert attempt is not None
    if another_may_live(draft, attempt):
        probe_again(draft, attempt)
        return
    at = attempt.missing_since_at if attempt.missing_since_at is not None else draft.now
    draft.end_attempt(_end_reason(draft, attempt, at), attempt.told_ended or proof, at)


def _end_reason(draft: Draft, attempt: Attempt, at: float) -> EndReason:
    """Return Agora's end reason. If there is none, return the requested reason, or one that follows from the time."""
    recording = draft.recording
    told = STOP_REASONS.get(attempt.stop_code or 0)
    if told is not None or recording.end_reason is not None:
        return told or recording.end_reason or EndReason.ENDED_BY_ITSELF
    if recording.stop_at is not None and at >= recording.stop_at:
        return EndReason.STOP_AT
    if at >= hours_end_at(recording, draft.now) - recording.policy.stalled_seconds:
        return EndReason.HOUR_LIMIT
    return EndReason.RESTORED if attempt.lost else EndReason.ENDED_BY_ITSELF


# --- stop --------------------------------------------------------------------------------------------------------


def stopped(draft: Draft, answer: Stopped) -> None:
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive or attempt.stop_sent_at is None:
        return
    draft.succeeded()
    draft.attended("stop_refused", *UNANSWERED)
    if attempt.stop_accepted_at is None:
        draft.note("stop_accepted", attempt=attempt.number)
        if not answer.already:  # otherwise an earlier stop was accepted and its answer was lost
            _accepted_late(draft, attempt)
    draft.set_attempt(seen_at=draft.now)
    _contradict_end(draft, attempt)  # Agora found the task, so an earlier 404 did not mean that it had ended
    attempt = replace(attempt, seen_at=draft.now)
    if answer.nothing_recorded and not another_may_live(draft, attempt):
        draft.end_attempt(_end_reason(draft, attempt, draft.now), "no_recorded_data", draft.now, nothing=True)
    elif answer.nothing_recorded or attempt.told_ended is not None:
        believe_end(draft, "stopped")
    else:
        draft.set_attempt(
            state=AttemptState.STOPPING,
            stop_accepted_at=draft.now if attempt.stop_accepted_at is None else attempt.stop_accepted_at,
            stop_again_at=None if answer.already else draft.now + max(STOP_IGNORED_SECONDS, stop_wait(attempt)),
            next_query_at=draft.now + draft.recording.policy.stop_check_seconds,
        )


def _accepted_late(draft: Draft, attempt: Attempt) -> None:
    """Warn if Agora accepted a stop late, after earlier ones had failed."""
    late = draft.now - draft.recording.state_since_at
    wanted = draft.recording.state is State.STOPPING and not draft.leftover
    if wanted and attempt.stops > 1 and late >= STOPPED_LATE_SECONDS:
        draft.warn("stop_late", late_seconds=round(late, 1), because="not_accepted")


# --- failures ----------------------------------------------------------------------------------------------------


def call_failed(draft: Draft, failed: CallFailed) -> None:
    attempt = draft.attempt
    if attempt is None:
        return
    if attempt.state is AttemptState.ENDED:
        _recheck_failed(draft, attempt, failed)
        return
    if failed.code == "budget" and isinstance(failed.step, Query) and _runs_calmly(draft, attempt):
        draft.set_attempt(next_query_at=draft.now + draft.recording.policy.watch_seconds * STRETCH)
        return
    call = name_of(failed.step)
    draft.note("call_failed", call=call, failure=failed.failure, code=failed.code)
    match failed.step:
        case Acquire():
            acquire_failed(draft, attempt, failed)
        case Start():
            start_failed(draft, attempt, failed)
        case Query():
            _query_failed(draft, attempt, failed)
        case UpdateOnhold() | UpdateRtmp() if failed.failure is Failure.REFUSED:
            update_refused(draft, attempt, failed)
        case UpdateStorage():
            draft.attend("credentials_not_refreshed", failed.code, attempt.storage_refresh_at)
        case Stop():
            _stop_failed(draft, attempt, failed)
        case _:
            draft.set(retry_at=draft.back_off(failed.code, failed.retry_after_seconds))
            draft.attend_failed(call, failed.code, draft.recording.retry_at)


def _stop_failed(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    """Schedule another stop soon, because repeating a stop does no harm. Wait longer only after a refusal."""
    refused = failed.failure is Failure.REFUSED
    if refused:
        try_next_resource(draft)
        again_at = draft.back_off(failed.code, failed.retry_after_seconds)
    else:
        again_at = draft.now + max(stop_wait(attempt), failed.retry_after_seconds or 0)
    draft.set_attempt(stop_again_at=again_at)
    if refused:
        draft.attend("stop_refused", f"stop: {failed.code}", again_at)
    else:
        draft.attend_failed("stop", failed.code, again_at)


def _runs_calmly(draft: Draft, attempt: Attempt) -> bool:
    """Return whether nothing depends on the next query. If the budget is short, such a query is postponed. This is not
    a failure of the recording, and a metric counts it. A query overdue by more than a period takes precedence over
    starts."""
    ending = attempt.missing_since_at is not None or attempt.stop_sent_at is not None
    return draft.recording.state is State.RECORDING and not draft.leftover and not ending


def _recheck_failed(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    """Schedule another query for up to a day after the end, unless Agora no longer accepts the id."""
    if isinstance(failed.step, Query):
        worth = failed.failure is not Failure.REFUSED and draft.now < (attempt.ended_at or 0) + DAY
        draft.set_attempt(next_query_at=draft.now + draft.recording.policy.watch_seconds if worth else None)
        if not worth:
            draft.attended("ending_unconfirmed")


def _query_failed(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    """Handle a failed query, which shows nothing about the task. If no answer contradicts a reported end within a
    failover window, the end is accepted."""
    since, window = attempt.missing_since_at, draft.recording.policy.failover_window_seconds
    if attempt.told_ended is not None and since is not None and draft.now - since >= window:
        believe_end(draft, attempt.told_ended)
        return
    if failed.failure is Failure.REFUSED:
        try_next_resource(draft)
    next_query_at = draft.back_off(failed.code, failed.retry_after_seconds)
    draft.set_attempt(next_query_at=next_query_at)
    waits = draft.recording.attention
    if waits is None or waits.code != "stop_refused":  # a refused stop is billed and takes precedence
        draft.attend_failed("query", failed.code, next_query_at)
