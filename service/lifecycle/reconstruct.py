"""A reconstruction of a recording's decisions from its stored history. Each line is traced back to the observation that
caused it, and the current rules decide what follows. Pure.

Observations are not stored. An observation that left no line (such as a query with no news) is omitted. A line that no
rule reproduces is applied as recorded and marked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from service.errors import ServiceError
from service.lifecycle.apply import apply
from service.lifecycle.deadlines import FIRST_SLICES
from service.lifecycle.observations import (
    Acquire,
    Acquired,
    Call,
    CallFailed,
    Change,
    Entry,
    Failure,
    GiveUp,
    Judged,
    LabelsChanged,
    Limited,
    Looked,
    LookFailed,
    NoticeReceived,
    Observation,
    PageTried,
    PauseRequested,
    Query,
    ResumeRequested,
    RtmpRequested,
    Start,
    Started,
    Step,
    StepTaken,
    Stop,
    StopAtChanged,
    Stopped,
    StopRequested,
    TaskFound,
    TaskMissing,
    TaskSeen,
    Updated,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    Verify,
    VerifyRequested,
    Wait,
    Warn,
)
from service.lifecycle.requested import as_requested, with_address, without_later_sid
from service.lifecycle.rules.notifications import EVENTS
from service.lifecycle.schedule import next_step
from service.recording import Attempt, AttemptState, EndReason, Notice, Recording, State
from service.report import Because, Report

_EVENT_OF = {f"notice_{name}": number for number, name in EVENTS.items()}
_STEPS: Mapping[str, Callable[[Attempt], Step]] = {
    "acquire": lambda attempt: Acquire(new=False),
    "start": lambda attempt: Start(attempt.hours or 1),
    "query": lambda attempt: Query(),
    "stop": lambda attempt: Stop(EndReason.STOPPED),
    "update_onhold": lambda attempt: UpdateOnhold(not attempt.onhold),
    "update_rtmp": lambda attempt: UpdateRtmp(attempt.rtmp_version),
    "update_storage": lambda attempt: UpdateStorage(),
}


_OLD_NAMES = {name.replace("_", ""): name for name in _STEPS}
"""The names of steps in databases written before 2026-12, which have no underscores between words."""


class Line(Protocol):
    """A line of the history."""

    @property
    def at(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def detail(self) -> dict[str, Any]: ...
    @property
    def count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored data of a recording: `notices` in the order in which they were applied, and `reports` by number, with
    files."""

    recording: Recording
    history: Sequence[Line]
    notices: Sequence[Notice] = ()
    reports: Mapping[int, Report] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One observation and the lines that the rules derived from it. If `observation` is None, no observation explains
    the line, so it was applied as recorded. `step` is the step due afterwards."""

    at: float
    source: str
    observation: Observation | None
    lines: tuple[Entry, ...]
    state: State
    step: Step | Wait


def replay(kept: Kept) -> tuple[Recording, tuple[Decision, ...]]:
    """Return the recording that the rules produce, and every decision that led to it."""
    return _Replay(kept).run()


class _Replay:
    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._notices = list(kept.notices)
        found = (int(line.detail["attempt"]) for line in kept.history if line.kind == "sid_found")
        self._recording = without_later_sid(as_requested(kept.recording), found)
        self._decisions: list[Decision] = []

    def run(self) -> tuple[Recording, tuple[Decision, ...]]:
        lines = [line for line in self._kept.history if line.kind != "requested"]
        while lines:
            line = lines[0]
            told = self._decide(line, lines[1:])
            del lines[: max(1, _followed(told, lines))]
        return self._recording, tuple(self._decisions)

    def _decide(self, line: Line, following: Sequence[Line]) -> tuple[Entry, ...]:
        """Reproduce a line by the rules. Return the lines derived from its observation."""
        self._forget_attention((line, *(following[:1] if line.kind == "call_failed" else ())))
        for at, observation in self._before(line, following):
            self._recording = apply(self._recording, observation, at).recording
        caused = self._cause(line, following)
        change = None if caused is None else self._applied(caused, line.at)
        if change is not None and change.history and change.history[0].kind == line.kind:
            self._recording = change.recording
            self._note(line, caused, change.history)
            return change.history
        self._recording = _as_told(self._recording, line, self._known())
        self._note(line, None, (Entry(line.kind, line.detail),))
        return ()

    def _applied(self, observation: Observation, at: float) -> Change | None:
        """Apply an observation. Return None if the rules refuse it, which can happen after a line that was only applied
        as recorded."""
        try:
            return apply(self._recording, observation, at)
        except ServiceError:
            return None

    def _note(self, line: Line, observation: Observation | None, lines: tuple[Entry, ...]) -> None:
        recording = self._recording
        step = next_step(recording, line.at)
        self._decisions.append(Decision(line.at, line.source, observation, lines, recording.state, step))

    # --- observations that leave no line --------------------------------------------------------------------------

    def _before(self, line: Line, following: Sequence[Line]) -> Iterable[tuple[float, Observation]]:
        """Yield the steps and answers that must have preceded a line, as far as the attempt shows them. If a task was
        only found in the bucket, nothing precedes it."""
        attempt, known = self._recording.attempt, self._known()
        if attempt is None or known is None:
            return
        if line.kind == "started" and line.source == "bucket":
            lost = any(_is_lost(one) for one in following[:2])
            if attempt.state is AttemptState.PLANNED and not lost:
                yield known.acquired_at or line.at, Acquired(known.resource_id or "")
            return
        call = _call_of(line)
        if line.kind == "started" or (line.kind == "call_failed" and call == "start"):
            if attempt.state is AttemptState.PLANNED:
                yield known.acquired_at or line.at, Acquired(known.resource_id or "")
            yield known.start_sent_at or line.at, self._taken(Start(known.hours or 1))
        elif line.kind == "stop_accepted" or (line.kind == "call_failed" and call == "stop"):
            yield min(known.stop_sent_at or line.at, line.at), self._taken(Stop(self._reason()))
        elif line.kind in ("paused", "resumed"):
            yield line.at, self._taken(UpdateOnhold(line.kind == "paused"))

    def _forget_attention(self, told: Sequence[Line]) -> None:
        """Clear an attention that the lines set again, because an answer that left no line must have ended it."""
        recording, attention = self._recording, self._recording.attention
        waits = [line.detail.get("code") for line in told if line.kind == "attention"]
        if attention is None or attention.code not in waits:
            return
        attempts = recording.attempts
        if attempts and attention.code == "ending_unconfirmed":
            attempts = (*attempts[:-1], replace(attempts[-1], missing_since_at=None))
        self._recording = replace(recording, attention=None, attempts=attempts)

    def _known(self) -> Attempt | None:
        """Return the final state of the replay's newest attempt."""
        number = len(self._recording.attempts)
        return self._kept.recording.attempts[number - 1] if number else None

    def _taken(self, step: Step, uid: int = 1) -> StepTaken:
        return StepTaken(step, uid)

    def _reason(self) -> EndReason:
        return self._recording.end_reason or self._kept.recording.end_reason or EndReason.STOPPED

    # --- the observation behind a line ----------------------------------------------------------------------------

    def _cause(self, line: Line, following: Sequence[Line]) -> Observation | None:
        if line.kind.startswith("notice_"):
            return NoticeReceived(self._notice(line))
        rule = _CAUSES.get(line.kind)
        return None if rule is None else rule(self, line, following)

    def _notice(self, line: Line) -> Notice:
        """Return the stored notice of this line. If it was deleted, return one rebuilt from the line's details."""
        event = line.detail.get("event_type", _EVENT_OF.get(line.kind, 0))
        found = [notice for notice in self._notices if notice.event_type == event][: line.count]
        for notice in found:
            self._notices.remove(notice)
        if found:
            return found[-1]
        known = self._known()
        details = {name: value for name, value in line.detail.items() if name != "event_type"}
        uid, sid = (str(known.uid), known.sid or "") if known is not None else ("", "")
        cname = self._recording.cname
        return Notice("", event, None, line.at, cname, uid, sid, None, None, details)

    def _entered(self, line: Line, following: Sequence[Line]) -> Observation | None:
        state, source = line.detail.get("state"), line.source
        if source == "worker" and state == State.STARTING:
            planned = next((one for one in following if one.kind == "attempt_planned"), None)
            return None if planned is None else self._taken(Acquire(new=True), int(planned.detail["uid"]))
        if source == "agora" and state == State.RECORDING:
            return TaskSeen(5)
        if source == "worker" and state == State.STOPPING:
            return self._taken(Stop(self._reason()))
        if source == "worker" and state == State.VERIFYING:
            return self._taken(Verify())
        if source == "bucket" and state == State.STARTING:
            return self._started(line, following)
        return None

    def _started(self, line: Line, following: Sequence[Line]) -> Observation | None:
        """Return Agora's answer, or the observation of a task found in the bucket. After a restore, the row may lack
        the attempt."""
        if line.source != "bucket":
            return Started(line.detail.get("sid"))
        found = next((one.detail for one in following[:2] if one.kind == "sid_found"), None)
        if found is None:
            return None
        number, sid, attempt = int(found["attempt"]), str(found["sid"]), self._recording.attempt
        if attempt is not None and attempt.may_be_alive:
            return Looked(0, 0, "", None, {number: sid})
        attempts = self._kept.recording.attempts
        return TaskFound(number, sid, attempts[number - 1].uid if number <= len(attempts) else -number)

    def _ended(self, line: Line, following: Sequence[Line]) -> Observation | None:
        if line.source == "worker":
            return self._taken(GiveUp(EndReason(line.detail["reason"])))
        if line.detail.get("proof") == "playlist_ended":
            known = self._known()
            return Looked(0, 0, "", None if known is None else known.ended_at, ended=True)
        if line.detail.get("proof") == "404":
            return TaskMissing(Call.QUERY)
        return TaskSeen(8, exited=True)

    def _attended(self, line: Line, following: Sequence[Line]) -> Observation | None:
        code, detail = line.detail.get("code"), str(line.detail.get("detail", ""))
        if code == "ending_unconfirmed":
            return TaskMissing(Call.QUERY)
        if code == "storage_unreachable":
            return LookFailed(detail, "")
        if code == "page_not_readable":
            return PageTried(readable=False)
        if code == "limited":
            return Limited(detail.removeprefix("the limit ").removesuffix(" is reached"))
        return None

    def _warned(self, line: Line, following: Sequence[Line]) -> Observation | None:
        code = str(line.detail.get("code"))
        if line.source == "worker":
            return self._taken(Warn(code))
        if code == "recorder_alive_after_end":
            return TaskSeen(5, leftover=int(line.detail["attempt"]))
        if code == "stalled":
            return Looked(0, 0, "", line.at - float(line.detail.get("seconds", 0)))
        if code in ("picture_blank", "picture_error_page"):
            return Looked(FIRST_SLICES, 0, "", line.at, picture=str(line.detail.get("picture")), silent=False)
        if code == "sound_silent":
            return Looked(FIRST_SLICES, 0, "", line.at, picture="fine", silent=True)
        return None

    def _failed(self, line: Line, following: Sequence[Line]) -> Observation | None:
        attempt, call = self._recording.attempt, _call_of(line)
        if attempt is None or call not in _STEPS:
            return None
        return CallFailed(_STEPS[call](attempt), Failure(line.detail["failure"]), str(line.detail["code"]))

    def _found(self, line: Line, following: Sequence[Line]) -> Observation | None:
        """Return the observation of a sid in an object name. A sid from a notice follows the line of that notice."""
        sids = {int(line.detail["attempt"]): str(line.detail["sid"])}
        return Looked(0, 0, "", None, sids) if line.detail.get("witness") == "bucket" else None

    def _lived(self, line: Line, following: Sequence[Line]) -> Observation | None:
        """Return the observation of a slice more recent than Agora's 404. A notice has its own line before this one."""
        bucket = line.detail.get("witness") == "bucket"
        return Looked(0, 0, "", None, began_at=float(line.detail["lived_at"])) if bucket else None

    def _judged(self, line: Line, following: Sequence[Line]) -> Observation | None:
        report = (self._kept.reports or {}).get(int(line.detail.get("report", 0)))
        if report is None:
            return None
        said = next((one.detail.get("because") for one in following[:1] if one.kind == "changed"), None)
        return Judged(report, next((because for because in Because if because == said), None))

    def _accepted(self, line: Line, following: Sequence[Line]) -> Observation:
        after = next((one for one in following if one.kind != "warning"), None)
        nothing = after is not None and after.detail.get("proof") == "no_recorded_data"
        return Stopped(nothing_recorded=nothing)


_CAUSES: dict[str, Callable[[_Replay, Line, Sequence[Line]], Observation | None]] = {
    "stop_requested": lambda replay, line, _: StopRequested(),
    "pause_requested": lambda replay, line, _: PauseRequested(),
    "resume_requested": lambda replay, line, _: ResumeRequested(),
    "rtmp_requested": lambda replay, line, _: RtmpRequested(str(line.detail.get("target", ""))),
    "stop_at_changed": lambda replay, line, _: StopAtChanged(float(line.detail["stop_at"])),
    "labels_changed": lambda replay, line, _: LabelsChanged(replay._kept.recording.labels),
    "verify_requested": lambda replay, line, _: VerifyRequested(),
    "attempt_planned": lambda replay, line, _: replay._taken(Acquire(new=True), int(line.detail["uid"])),
    "started": _Replay._started,
    "sid_found": _Replay._found,
    "paused": lambda replay, line, _: Updated(UpdateOnhold(True)),
    "resumed": lambda replay, line, _: Updated(UpdateOnhold(False)),
    "rtmp_changed": lambda replay, line, _: Updated(UpdateRtmp(replay._recording.rtmp_version)),
    "credentials_refreshed": lambda replay, line, _: Updated(UpdateStorage()),
    "stop_accepted": _Replay._accepted,
    "attempt_ended": _Replay._ended,
    "gave_up": lambda replay, line, _: replay._taken(GiveUp(EndReason(line.detail["reason"]))),
    "call_failed": _Replay._failed,
    "attention": _Replay._attended,
    "warning": _Replay._warned,
    "recorder_alive": lambda replay, line, _: TaskSeen(5, leftover=int(line.detail["attempt"])),
    "lived_unfound": _Replay._lived,
    "judged": _Replay._judged,
    "state": _Replay._entered,
}


def _is_lost(line: Line) -> bool:
    return line.kind == "attention" and line.detail.get("code") == "task_lost"


def _followed(made: Sequence[Entry], lines: Sequence[Line]) -> int:
    """Return how many of the recorded lines the rules reproduced."""
    count = 0
    while count < min(len(made), len(lines)) and made[count].kind == lines[count].kind:
        count += 1
    return count


def _as_told(recording: Recording, line: Line, known: Attempt | None) -> Recording:
    """Return the recording with an unexplained line applied as recorded. `known` is the final state of the recording's
    newest attempt."""
    if line.kind == "adoption_corrected" and recording.attempts and known is not None:
        *earlier, newest = recording.attempts
        return replace(recording, attempts=(*earlier, with_address(newest, known)), attention=None)
    if line.kind == "state":
        said = line.detail.get("end_reason")
        reason = recording.end_reason if said is None else EndReason(said)
        return replace(recording, state=State(line.detail["state"]), state_since_at=line.at, end_reason=reason)
    if line.kind == "warning":
        return replace(recording, warnings=(*recording.warnings, str(line.detail["code"])))
    return recording


def _call_of(line: Line) -> str:
    """Return the name of the step that a line of the history is about, or "None"."""
    name = str(line.detail.get("call"))
    return _OLD_NAMES.get(name, name)
