"""The form of an explanation: its content, certainty and proof; and history lines as proof. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from service.recording import Blame, Recording
from service.report import Finding

UNKNOWN = "unknown"


class Certainty(StrEnum):
    """`certain`: a source that knows the cause states it. `likely`: it matches what was seen. `unknown`: nothing shows
    the cause."""

    CERTAIN = "certain"
    LIKELY = "likely"
    UNKNOWN = "unknown"


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


@dataclass(frozen=True, slots=True)
class Proof:
    """One piece of evidence, and when it was seen. `source` is caller, agora, notice, bucket or worker."""

    at: float
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a recording's state. `cause` is an end reason, the code of a finding, an attention or a
    warning, or one of `backup_upload`, `fine`, `under_way`, `unknown`, `warned`."""

    summary: str
    cause: str
    certainty: Certainty
    blame: Blame | None
    proof: tuple[Proof, ...]
    advice: str


# The meaning of history lines whose kind is not self-explanatory.
_SHOWS = {
    "notice_web_recorder_stopped": "Agora's event 71 gives the reason for the end",
    "notice_error": "Agora's event 1 reports an error",
    "notice_web_recorder_capability_limit": "Agora's event 72 names the exceeded capacity",
    "notice_web_recorder_reload": "Agora's event 73 reports a reload of the page",
    "notice_session_failover": "Agora's event 12 reports a failover",
    "notice_backuped": "Agora's event 32 reports an upload through the backup cloud",
    "notice_uploaded": "Agora's event 31 reports a complete upload",
    "stop_requested": "A caller requested the stop",
    "attempt_ended": "The task has ended",
    "gave_up": "It did not start to record in time",
    "call_failed": "A call to Agora failed",
    "lived_unfound": "The task, which Agora did not find, still ran",
    "restart": "Pagereel started another attempt",
}
_ENDS = ("notice_web_recorder_stopped", "notice_error", "stop_requested", "gave_up", "call_failed", "attempt_ended")


def seen(history: Sequence[Line], kind: str) -> bool:
    return any(line.kind == kind for line in history)


def lines(history: Sequence[Line], kinds: tuple[str, ...]) -> tuple[Proof, ...]:
    """Return the newest line of each kind, in chronological order."""
    newest = {line.kind: line for line in history if line.kind in kinds}
    return tuple(Proof(line.at, line.source, _told(line)) for line in sorted(newest.values(), key=lambda line: line.at))


def end_lines(history: Sequence[Line]) -> tuple[Proof, ...]:
    """Return the lines that show how the recording ended."""
    return lines(history, _ENDS)


def _told(line: Line) -> str:
    detail = ", ".join(f"{name} {value}" for name, value in line.detail.items() if value is not None)
    said = _SHOWS.get(line.kind, line.kind)
    if line.kind == "notice_web_recorder_stopped" and not line.detail.get("code"):
        said = "Agora's event 71 reports the end"  # code 0 gives no reason
    return f"{said} ({detail})" if detail else said


def findings_of(recording: Recording) -> tuple[Finding, ...]:
    """Return the findings of the newest report."""
    return recording.latest_report.findings if recording.latest_report else ()


def found(recording: Recording, findings: Iterable[Finding]) -> tuple[Proof, ...]:
    """Return findings as proof."""
    at = recording.latest_report.judged_at if recording.latest_report else 0.0
    return tuple(Proof(at, "bucket", f"{each.code}: {each.text}") for each in findings)


def nobody_knows(recording: Recording, proof: tuple[Proof, ...]) -> Explanation:
    """Return the explanation for an unknown cause."""
    return Explanation(
        f"It is {recording.state.value}, and the reason is unknown.",
        UNKNOWN,
        Certainty.UNKNOWN,
        None,
        proof,
        "Read the timeline, and contact Agora with the sid.",
    )
