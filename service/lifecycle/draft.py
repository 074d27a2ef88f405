"""A recording being changed: the small vocabulary in which the rules of `apply` and `notices` are written. Pure."""

from dataclasses import replace
from typing import Any

from service.lifecycle.instants import hours_end_at, jitter
from service.lifecycle.observations import Change, Entry
from service.recording import (
    BLAME,
    Attempt,
    AttemptState,
    Attention,
    EndReason,
    Recording,
    State,
)
from service.report import Interval

# After these ends a new attempt may do better (agora-reference §8.5), if the policy allows one.
RESTARTABLE = frozenset(
    {
        EndReason.ENGINE_FAILED,
        EndReason.PAGE_LOAD_TIMEOUT,
        EndReason.PAGE_UNREACHABLE,
        EndReason.RECORDER_ERROR,
        EndReason.ENDED_BY_ITSELF,
    }
)
# Before these states have passed, a task may be alive or is still to be made.
OPEN = frozenset({State.REQUESTED, State.STARTING, State.RECORDING, State.STOPPING})
LOOKED_AT = frozenset({State.UPLOADING, State.VERIFYING, State.INCOMPLETE})
DAY = 86400


class Draft:
    """Collects what one observation changes; `done()` gives the result."""

    def __init__(self, recording: Recording, now: float) -> None:
        self.recording = recording
        self.now = now
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
        detail: dict[str, str] = {"state": state}
        if state.terminal and self.recording.end_reason is not None:
            detail["end_reason"] = self.recording.end_reason
        attention = self.recording.attention
        if state.terminal and attention is not None and attention.code != "refused":
            self.attended()  # what `refused` says is why it failed
        self.note("state", **detail)

    @property
    def attempt(self) -> Attempt | None:
        return self.recording.attempt

    def set_attempt(self, number: int | None = None, **changes: Any) -> None:
        """Change the attempt with this number, or the newest."""
        attempts = self.recording.attempts
        number = attempts[-1].number if number is None else number
        self.set(attempts=tuple(replace(one, **changes) if one.number == number else one for one in attempts))

    def back_off(self, failure: str, after_seconds: float | None = None) -> float:
        """Nothing came of it; when to try again by the policy's schedule, or when the other side said."""
        recording = self.recording
        steps = recording.policy.retry_seconds
        wait = steps[min(recording.failures, len(steps) - 1)] * jitter(recording, recording.failures)
        self.set(failures=recording.failures + 1, last_failure=failure)
        return self.now + max(wait, after_seconds or 0)

    def succeeded(self) -> None:
        self.set(failures=0, retry_at=None, last_failure=None)

    def attend(self, code: str, detail: str, next_try_at: float | None = None) -> None:
        """Something waits; the instant since when stays while the code stays."""
        current = self.recording.attention
        same = current is not None and current.code == code
        since = current.since_at if current is not None and same else self.now
        self.set(attention=Attention(code, detail, since, next_try_at))
        if not same:
            self.note("attention", code=code, detail=detail)

    def attended(self, *codes: str) -> None:
        """The wait with one of these codes (or any) is over."""
        current = self.recording.attention
        if current is not None and (not codes or current.code in codes):
            self.set(attention=None)

    def warn(self, code: str, **detail: str | int | float | bool | None) -> None:
        """Said once a recording."""
        if code not in self.recording.warnings:
            self.set(warnings=(*self.recording.warnings, code))
            self.note("warning", code=code, **detail)

    def end_with(self, reason: EndReason) -> None:
        """Write down why it ended. The first reason stays, but a guess gives way to what Agora says. A recorder that
        broke down after its uploads were refused broke down over the storage (agora-reference §9.6)."""
        if (
            reason in (EndReason.RECORDER_ERROR, EndReason.ENDED_BY_ITSELF)
            and "upload_error" in self.recording.warnings
        ):
            reason = EndReason.STORAGE_REFUSED
        if self.recording.end_reason in (None, EndReason.ENDED_BY_ITSELF):
            self.set(end_reason=reason, blame=BLAME[reason])

    # --- pauses --------------------------------------------------------------------------------------------------

    def open_pause(self, at: float) -> None:
        """From `at` on no slices are written. Before the wanted window begins that is no pause."""
        pauses = self.recording.pauses
        if self.recording.window_from_at is not None and (not pauses or pauses[-1].to_at is not None):
            self.set(pauses=(*pauses, Interval(at, None)))

    def close_pause(self, at: float) -> None:
        pauses = self.recording.pauses
        if pauses and pauses[-1].to_at is None:
            self.set(pauses=(*pauses[:-1], Interval(pauses[-1].from_at, max(at, pauses[-1].from_at))))

    # --- ends ----------------------------------------------------------------------------------------------------

    def end_attempt(self, reason: EndReason, proof: str, at: float, *, nothing: bool = False) -> None:
        """The newest attempt is surely over. `nothing`: and surely wrote no file."""
        attempt = self.attempt
        assert attempt is not None
        self.set_attempt(
            state=AttemptState.ENDED, ended_at=at, ended_proof=proof, missing_since_at=None, told_ended=None
        )
        self.note("attempt_ended", attempt=attempt.number, proof=proof, reason=reason)
        self.attended("ending_unconfirmed", "sid_unknown", "stalled", "agora_unavailable", "stop_refused")
        self.succeeded()
        restart = self._may_restart(reason)
        if not (restart and self.recording.pause_wished):  # a pause outlasts the recorder that it was asked of
            self.close_pause(at)
        if restart:
            self.note("restart", reason=reason)
            self.enter(State.STARTING)
            self.set(start_deadline_at=self.now + self.recording.policy.start_within_seconds)
        elif self.recording.state in OPEN:
            self._finish(reason, at, nothing)

    def _finish(self, reason: EndReason, at: float, nothing: bool) -> None:
        self.end_with(reason)
        self.set(ended_at=at)
        *earlier, newest = self.recording.attempts
        recorded = newest.recording_at is not None or any(attempt.started_at is not None for attempt in earlier)
        if nothing and not recorded:
            self.enter(self.nothing_recorded())
            return
        self.enter(State.UPLOADING)
        wait = 0 if self.recording.attempts[-1].uploaded else self.recording.policy.upload_wait_seconds
        self.look_from(at + wait)

    def _may_restart(self, reason: EndReason) -> bool:
        recording = self.recording
        wanted = recording.state in (State.STARTING, State.RECORDING)  # every wish to stop makes it `stopping`
        in_time = self.now < min(recording.stop_at or float("inf"), hours_end_at(recording, self.now))
        allowed = recording.policy.restart and len(recording.attempts) <= recording.policy.max_restarts
        return wanted and in_time and allowed and reason in RESTARTABLE

    def revive(self, attempt: Attempt, sid: str) -> None:
        """Proof that a recorder believed dead is alive: it is stopped, it bills. Where the recording only waits for
        its next attempt, it is that."""
        self.warn("recorder_alive_after_end", attempt=attempt.number)
        if self.attempt is None or self.attempt.number != attempt.number:
            return
        self.set_attempt(
            state=AttemptState.RUNNING,
            sid=attempt.sid or sid or None,
            started_at=attempt.started_at or attempt.start_sent_at or self.now,
            ended_at=None,
            ended_proof=None,
            stop_accepted_at=None,
            next_query_at=self.now,
            seen_at=self.now,
        )
        if self.recording.state is not State.STARTING and not self.recording.state.terminal:
            self.enter(State.STOPPING)
        elif self.recording.state is State.STARTING and attempt.recording_at is not None:
            self.enter(State.RECORDING)

    def nothing_recorded(self) -> State:
        """`cancelled` where the caller ended it before there was anything, otherwise `failed`."""
        by_caller = self.recording.end_reason in (EndReason.STOPPED, EndReason.STOP_AT)
        return State.CANCELLED if by_caller else State.FAILED

    # --- looks at the bucket -------------------------------------------------------------------------------------

    def look_from(self, at: float) -> None:
        """Looks are counted anew, the first one being due at `at` (verification.md A.3.4)."""
        policy = self.recording.policy
        uploaded = any(attempt.uploaded == "uploaded" for attempt in self.recording.attempts)
        patience = policy.give_up_announced_seconds if uploaded else policy.give_up_seconds
        self.set(looks=0, looks_from_at=at, next_look_at=at, give_up_at=at + patience)

    def look_again(self) -> None:
        """The next instant of the schedule; looks never stop before `give_up_at`."""
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
