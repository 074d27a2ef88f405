"""The draft of a changed recording, and the operations that the rules of the lifecycle share. Pure."""

from dataclasses import replace
from typing import Any

from service.lifecycle.deadlines import hours_end_at, jitter, start_allowance
from service.lifecycle.observations import Change, Entry
from service.lifecycle.reasons import NEVER_FOUND, OUR_FAILURES, UNANSWERED, UNAUTHORIZED, never_found, waited_for
from service.recording import AWAITED, BLAME, Attempt, AttemptState, Attention, EndReason, Recording, State
from service.report import Interval

# After these ends a new attempt may succeed (agora-reference §8.5), if the policy allows one.
RESTARTABLE = frozenset(
    {
        EndReason.ENGINE_FAILED,
        EndReason.PAGE_LOAD_TIMEOUT,
        EndReason.PAGE_UNREACHABLE,
        EndReason.RECORDER_ERROR,
        EndReason.ENDED_BY_ITSELF,
    }
)
# In these states a task may be running or has yet to be started.
OPEN = frozenset({State.REQUESTED, State.STARTING, State.RECORDING, State.STOPPING})
# These conditions cost nothing while they last. A task whose stop Agora refuses is billed.
_BEHIND_A_STOP = frozenset(
    {
        *("storage_unreachable", "storage_refused", "verification_incomplete", "credentials_not_refreshed"),
        *("stalled", "picture_blank", "picture_error_page", "sound_silent", "sid_unknown"),
    }
)
LOOKED_AT = AWAITED
# A notice or a slice contradicts an end if it is younger by at least this much, which allows for two clocks.
CLOCK_SLACK_SECONDS = 30
DAY = 86400
# Event 71 with one of these codes reports that no page was recorded (agora-reference §8.5). Only the bucket proves it.
NEVER_RECORDED_CODES = (3, 4, 5)


class Draft:
    """Collects the changes that one observation makes; `done()` returns them. `about` is the number of the attempt that
    the observation concerns. If it is None, the observation concerns the newest attempt."""

    def __init__(self, recording: Recording, now: float, about: int | None = None) -> None:
        self.recording = recording
        self.now = now
        self.about = about
        self.history: list[Entry] = []

    def done(self) -> Change:
        return Change(self.recording, tuple(self.history))

    def set(self, **changes: Any) -> None:
        self.recording = replace(self.recording, **changes)

    def note(self, kind: str, **detail: str | int | float | bool | None) -> None:
        self.history.append(Entry(kind, detail))

    def enter(self, state: State) -> None:
        if state is self.recording.state:
            return
        self.set(state=state, state_since_at=self.now)
        if state in (State.FAILED, State.CANCELLED):
            self.set(warned=(), warned_level=None)  # without media, a warning has nothing to concern
        if state is State.STOPPING:
            self._find_soon()
        detail: dict[str, str] = {"state": state}
        if state.terminal and self.recording.end_reason is not None:
            detail["end_reason"] = self.recording.end_reason
        attention = self.recording.attention
        if state.terminal and attention is not None and attention.code != "refused":
            self.attended()  # a `refused` attention gives the reason for the failure
        self.note("state", **detail)

    def _find_soon(self) -> None:
        """Bring forward the search for the sid of a task that is to be stopped, if the search has already begun."""
        newest = self.recording.attempt
        if newest is not None and newest.may_be_alive and newest.sid is None and newest.next_query_at is not None:
            self.set_attempt(newest.number, next_query_at=min(newest.next_query_at, self.now))

    @property
    def attempt(self) -> Attempt | None:
        """Return the attempt that the observation concerns."""
        if self.about is None:
            return self.recording.attempt
        return next((one for one in self.recording.attempts if one.number == self.about), None)

    @property
    def leftover(self) -> bool:
        """Return whether the observation concerns an older attempt. The outcome of an older attempt changes nothing for
        the newest one."""
        return self.about is not None and self.about != len(self.recording.attempts)

    def set_attempt(self, number: int | None = None, **changes: Any) -> None:
        """Change the attempt with this number, by default the one that the observation concerns."""
        attempts = self.recording.attempts
        number = number or self.about or attempts[-1].number
        self.set(attempts=tuple(replace(one, **changes) if one.number == number else one for one in attempts))

    def back_off(self, failure: str, after_seconds: float | None = None) -> float:
        """Record a failure and return when to retry: after the policy's delay, or after `after_seconds` if that is
        later."""
        recording = self.recording
        steps = recording.policy.retry_seconds
        wait = steps[min(recording.failures, len(steps) - 1)] * jitter(recording, recording.failures)
        self.set(failures=recording.failures + 1, last_failure=failure)
        return self.now + max(wait, after_seconds or 0)

    def succeeded(self) -> None:
        self.set(failures=0, retry_at=None, last_failure=None)

    def delayed(self) -> None:
        """Record the last failure as the reason for the newest attempt's delay."""
        attempt, failure = self.recording.attempt, self.recording.last_failure
        if attempt is not None and failure is not None:
            self.set_attempt(attempt.number, delayed_by=failure)

    def attend(self, code: str, detail: str, next_try_at: float | None = None) -> None:
        """Set the attention. Its start time stays the same as long as its code does.

        A refused stop is billed until it succeeds, so its attention takes precedence over conditions that cost nothing.
        """
        current = self.recording.attention
        if current is not None and current.code == "stop_refused" and code in _BEHIND_A_STOP:
            return
        same = current is not None and current.code == code
        since = current.since_at if current is not None and same else self.now
        quiet = current is not None and code == "storage_unreachable" and current.next_try_at is None
        self.set(attention=Attention(code, detail, since, next_try_at))
        if not same or quiet:  # a listing that was delayed has now failed
            self.note("attention", code=code, detail=detail)

    def attend_failed(self, call: str, code: str, next_try_at: float | None) -> None:
        """Set the attention for a call to Agora that will be retried, because Agora did not answer, refused the
        credentials, or the call could not be made."""
        theirs = "agora_credentials_refused" if code == UNAUTHORIZED else "agora_unavailable"
        self.attend("call_not_made" if code in OUR_FAILURES else theirs, f"{call}: {code}", next_try_at)

    def agora_answered(self) -> None:
        """Clear the attentions that end when Agora answers a call about a task."""
        self.attended(*UNANSWERED, "page_not_readable")

    def attended(self, *codes: str) -> None:
        """Clear the attention if it has one of these codes, or any attention if no code is given. If a bucket still
        cannot be listed, that becomes the attention again."""
        current, watch = self.recording.attention, self.recording.watch
        if current is None or (codes and current.code not in codes):
            return
        still = None
        if codes and watch.unreachable_since_at is not None and not self.recording.state.terminal:
            still = Attention("storage_unreachable", watch.unreachable, watch.unreachable_since_at, watch.next_list_at)
        self.set(attention=still)

    def doubt_adoption(self) -> None:
        """Set an attention if Agora has never shown the task of an adopted recording, even after that task is assumed
        to have ended."""
        recording = self.recording
        if recording.attention is None and not recording.state.terminal and never_found(recording):
            self.attend("ending_unconfirmed", NEVER_FOUND)

    def warn(self, code: str, **detail: str | int | float | bool | None) -> None:
        """Record a warning, once per recording and code."""
        if code not in self.recording.warnings:
            self.set(warnings=(*self.recording.warnings, code))
            self.note("warning", code=code, **detail)

    def end_with(self, reason: EndReason) -> None:
        """Set the end reason. The first reason is kept, except that a reason reported by Agora replaces an inferred
        one.

        If a recorder failed after its uploads were refused, the reason is the storage (agora-reference §9.6).
        """
        if (
            reason in (EndReason.RECORDER_ERROR, EndReason.ENDED_BY_ITSELF)
            and "upload_error" in self.recording.warnings
        ):
            reason = EndReason.STORAGE_REFUSED
        if self.recording.end_reason in (None, EndReason.ENDED_BY_ITSELF):
            self.set(end_reason=reason, blame=BLAME[reason])

    def set_end(self, at: float) -> None:
        """Set `stop_at` from the requested length. The length counts from `at`, or from the start of the requested
        window if that is later."""
        recording = self.recording
        wanted = recording.state is State.RECORDING and recording.window_from_at is not None
        if recording.record_for_seconds is None or recording.stop_at is not None or not wanted:
            return
        began_at = max(at, recording.window_from_at or 0)
        self.set(recorded_from_at=began_at, stop_at=began_at + recording.record_for_seconds)
        self.note("stop_at_set", stop_at=self.recording.stop_at)

    def bring_end_forward(self, at: float) -> None:
        """If a requested length counted from a later time, count it from `at`, unless a caller has changed the end.
        Warn if that end has passed."""
        recording = self.recording
        length, begin = recording.length_seconds, max(at, recording.window_from_at or 0)
        if recording.state is not State.RECORDING or length is None:
            return
        if recording.recorded_from_at is None or recording.recorded_from_at <= begin:
            return
        self.set(recorded_from_at=begin, stop_at=begin + length)
        self.note("stop_at_set", stop_at=self.recording.stop_at)
        if self.now > begin + length:
            self.warn("length_late", late_seconds=round(self.now - begin - length, 1), because="seen_late")

    # --- pauses --------------------------------------------------------------------------------------------------

    def open_pause(self, at: float) -> None:
        """Open a pause, because no slices are written after `at`. Before the requested window begins, this is not a
        pause."""
        pauses = self.recording.pauses
        if self.recording.window_from_at is not None and (not pauses or pauses[-1].to_at is not None):
            self.set(pauses=(*pauses, Interval(at, None)))

    def close_pause(self, at: float) -> None:
        pauses = self.recording.pauses
        if pauses and pauses[-1].to_at is None:
            self.set(pauses=(*pauses[:-1], Interval(pauses[-1].from_at, max(at, pauses[-1].from_at))))

    # --- ends ----------------------------------------------------------------------------------------------------

    def end_attempt(self, reason: EndReason, proof: str, at: float, *, nothing: bool = False) -> None:
        """End the attempt that the observation concerns. `nothing` is true if it certainly wrote no file."""
        attempt = self.attempt
        assert attempt is not None
        at = max(at, attempt.recording_at or at)  # a first 404 may be older than the proof that the task records
        self.set_attempt(
            state=AttemptState.ENDED, ended_at=at, ended_proof=proof, missing_since_at=None, told_ended=None
        )
        self.recheck()
        self.note("attempt_ended", attempt=attempt.number, proof=proof, reason=reason)
        self.attended(
            "ending_unconfirmed",
            "sid_unknown",
            "stalled",
            "picture_blank",
            "picture_error_page",
            *UNANSWERED,
            "stop_refused",
            "recorder_alive",
        )
        self.succeeded()
        if self.leftover:
            self._leftover_over()
            return
        restart = self._may_restart(reason)
        if not (restart and self.recording.pause_wished):  # a requested pause continues in the next attempt
            self.close_pause(at)
        if restart:
            self.note("restart", reason=reason)
            self.enter(State.STARTING)
            steps = self.recording.policy.retry_seconds
            self.set(
                start_deadline_at=self.now + self.recording.policy.start_within_seconds,
                retry_at=self.now + steps[min(len(self.recording.attempts), len(steps)) - 1],
            )
        elif self.recording.state in OPEN:
            self._finish(reason, at, nothing)
        else:
            self.ended_later(at)

    def ended_later(self, at: float) -> None:
        """Move the end of the recording to `at` if its newest task ran longer than assumed. An end that also ended the
        requested window is kept."""
        ended_at = self.recording.ended_at
        if ended_at is not None and self.recording.end_reason is not EndReason.PAUSED_TOO_LONG:
            self.set(ended_at=max(ended_at, at))

    def recheck(self) -> None:
        """Schedule the next query for a task whose end is inferred from a 404 alone, because a task that is still
        running is billed.

        For a failover window after a sign of life that is more recent than the end, queries are frequent.
        """
        attempt = self.attempt
        assert attempt is not None
        waits, ended_at = self.recording.policy.recheck_seconds, attempt.ended_at or self.now
        due = [ended_at + wait for wait in waits if ended_at + wait > self.now]
        if waits and not due and not attempt.rechecks:  # no worker ran in the meantime
            due = [self.now + waits[0]]
        said_at, policy = attempt.seen_at or 0.0, self.recording.policy
        if ended_at < said_at and self.now < said_at + policy.failover_window_seconds:
            due = [min(self.now + policy.stop_check_seconds, *due)]
        self.set_attempt(next_query_at=due[0] if due and attempt.ended_proof == "404" else None)

    def _leftover_over(self) -> None:
        """Continue the work that was waiting for an older attempt to end."""
        newest = self.recording.attempts[-1]
        if newest.may_be_alive or self.recording.leftovers:
            return
        if self.recording.state is State.STARTING:
            deadline = self.now + self.recording.policy.start_within_seconds
            self.set(start_deadline_at=max(self.recording.start_deadline_at, deadline))
        elif self.recording.state is State.STOPPING:
            self.enter(State.UPLOADING)
            self.look_from(self.now + self.recording.policy.upload_wait_seconds)

    def _finish(self, reason: EndReason, at: float, nothing: bool) -> None:
        self.end_with(reason)
        self.set(ended_at=at)
        if self.recording.leftovers:
            self.enter(State.STOPPING)
            return
        *earlier, newest = self.recording.attempts
        wrote = newest.recording_at is not None or newest.several
        if nothing and not wrote and all(attempt.started_at is None for attempt in earlier):
            self.enter(self.nothing_recorded())
            return
        self.enter(State.UPLOADING)
        self.look_from(at + self._upload_wait(newest))

    def _upload_wait(self, attempt: Attempt) -> float:
        """Return how many seconds to wait for uploads. The wait is shorter if hardly anything was written."""
        policy = self.recording.policy
        if attempt.uploaded:
            return 0
        blank = attempt.stop_code in NEVER_RECORDED_CODES and attempt.recording_at is None and not attempt.announced
        return min(policy.stop_check_seconds, policy.upload_wait_seconds) if blank else policy.upload_wait_seconds

    def _may_restart(self, reason: EndReason) -> bool:
        recording = self.recording
        wanted = recording.state in (State.STARTING, State.RECORDING)  # a requested stop sets `stopping`
        in_time = self.now < min(recording.stop_at or float("inf"), hours_end_at(recording, self.now))
        allowed = recording.policy.restart and len(recording.attempts) <= recording.policy.max_restarts
        return wanted and in_time and allowed and reason in RESTARTABLE

    def revive(self, attempt: Attempt, sid: str) -> None:
        """Mark an attempt that was assumed ended as running, because its recorder or another task of the attempt is
        running. The task is billed, so it is stopped. If the recording is only waiting for its next attempt, the task
        becomes that attempt instead."""
        if attempt.sid and sid and sid != attempt.sid:
            past = (*attempt.past_sids, attempt.sid)
            self.set_attempt(attempt.number, past_sids=past, undecided=attempt.several, last_sequence=None)
        self.warn("recorder_alive_after_end", attempt=attempt.number)
        self.note("recorder_alive", attempt=attempt.number)
        self.attend(
            "recorder_alive",
            f"attempt {attempt.number} seemed to have ended but is still running; Pagereel is stopping it",
        )
        self.set_attempt(
            attempt.number,
            state=AttemptState.RUNNING,
            sid=sid or attempt.sid,
            started_at=attempt.started_at or attempt.start_sent_at or self.now,
            ended_at=None,
            ended_proof=None,
            counted_until=attempt.ended_at,
            stops=0,
            stop_again_at=None,
            stop_accepted_at=None,
            next_query_at=self.now,
            seen_at=self.now,
        )
        newest = attempt.number == len(self.recording.attempts)
        state = self.recording.state
        if state in LOOKED_AT:
            self.enter(State.STOPPING)
        elif state is State.STARTING and newest and attempt.recording_at is not None:
            self.attended("recorder_alive")
            self.enter(State.RECORDING)

    def nothing_recorded(self) -> State:
        """Return the final state of a recording without media. It is `cancelled` if a caller ended the recording before
        it recorded or never resumed it. Otherwise it is `failed`. If `stop_at` came first, the end reason becomes the
        cause of the wait."""
        stopped = self.recording.end_reason is EndReason.STOPPED
        on_time = self.recording.end_reason is EndReason.STOP_AT
        if stopped or (on_time and self.recording.window_from_at is None):
            return State.CANCELLED
        if on_time:
            reason = waited_for(self.recording)
            self.set(end_reason=reason, blame=BLAME[reason])
        return State.FAILED

    # --- verifications -------------------------------------------------------------------------------------------

    def look_from(self, at: float) -> None:
        """Restart the schedule of verifications, with the first one due at `at` (docs/states.md). Because the window is
        known by then, set the start allowance too."""
        policy = replace(self.recording.policy, start_allowance_seconds=start_allowance(self.recording))
        uploaded = any(attempt.uploaded == "uploaded" for attempt in self.recording.attempts)
        patience = policy.give_up_announced_seconds if uploaded else policy.give_up_seconds
        self.set(policy=policy, looks=0, looks_from_at=at, next_look_at=at, give_up_at=at + patience)

    def look_again(self) -> None:
        """Schedule the next verification, at `give_up_at` at the latest."""
        recording = self.recording
        policy, since = recording.policy, recording.looks_from_at or self.now
        uploaded = any(attempt.uploaded == "uploaded" for attempt in recording.attempts)
        offsets = (*policy.announced_look_seconds, *policy.look_seconds) if uploaded else policy.look_seconds
        instants = [since + offset * jitter(recording, number) for number, offset in enumerate(offsets)]
        next_at = min((at for at in instants if at > self.now), default=None)
        if next_at is None:
            next_at = self.now + DAY * jitter(recording, recording.looks)
        give_up_at = recording.give_up_at if recording.give_up_at is not None else next_at
        self.set(looks=recording.looks + 1, next_look_at=min(next_at, max(give_up_at, self.now)))
