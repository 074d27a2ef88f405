"""Why a recording is as it is: what happened, whose doing it was, what shows that, and what to do next. Pure.

It reads what is stored of a recording and nothing else. Every sentence rests on a line of the history, a finding or a
field; where they do not say why, the answer is that nobody knows, and what to look at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from service.recording import Blame, EndReason, Recording, State
from service.report import Finding, Severity

UNKNOWN = "unknown"


class Certainty(StrEnum):
    """`CERTAIN`: somebody who knows said so. `LIKELY`: it fits what was seen. `UNKNOWN`: nothing says why."""

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
    """What shows it, and when that was seen. `source`: caller, agora, notice, bucket, worker."""

    at: float
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`cause` is an end reason, a finding's code, an attention's code, `fine`, `under_way` or `unknown`."""

    summary: str
    cause: str
    certainty: Certainty
    blame: Blame | None
    proof: tuple[Proof, ...]
    advice: str


# What the end reasons mean in a sentence, and what to do.
_ENDS: dict[EndReason, tuple[str, str]] = {
    EndReason.STOPPED: ("a caller stopped it", "Nothing."),
    EndReason.STOP_AT: ("the wanted instant came", "Nothing."),
    EndReason.HOUR_LIMIT: ("its hour limit was used up", "Ask for more hours with `max_recording_hour`."),
    EndReason.PAUSED_TOO_LONG: ("it was on hold for too long, and a pause is billed", "Resume, or stop, in time."),
    EndReason.CAPABILITY_LIMIT: (
        "the page needed more than Agora's recorder has",
        "Make the page lighter: no WebGL, videos of at most 1080p, little bandwidth; "
        "`pagereel-emulator check-page` measures it.",
    ),
    EndReason.PAGE_LOAD_TIMEOUT: (
        "the page did not say in time that it is ready",
        "Raise `ready_timeout`, or let the page call notifyReady() earlier.",
    ),
    EndReason.PAGE_UNREACHABLE: (
        "the page could not be opened",
        "Open the page from outside your network: is it public, is the log-in in its URL still good?",
    ),
    EndReason.ENGINE_FAILED: (
        "Agora's browser engine failed",
        'Start again; a preset with `restart = "on_failure"` does so by itself.',
    ),
    EndReason.RECORDER_ERROR: (
        "Agora's recorder failed",
        "Read event 1 in the timeline; ask Agora with the sid if it happens again.",
    ),
    EndReason.ENDED_BY_ITSELF: ("Agora's task ended and nobody said why", "Ask Agora with the sid."),
    EndReason.STORAGE_REFUSED: (
        "the bucket refused Agora's upload",
        "Check the write keys, the bucket and the region of the storage profile: `pagereel check-config --probe`.",
    ),
    EndReason.CREDENTIALS_EXPIRING: (
        "the temporary storage keys would have expired too soon",
        "Renew the credentials file earlier: Agora wants four hours of life.",
    ),
    EndReason.REFUSED: ("Agora refused to start it", "Read the refusal: a parameter, the app or the account."),
    EndReason.CAPACITY: ("Agora had no recorder free in time", "Spread the starts, or ask Agora for a higher limit."),
    EndReason.AGORA_UNAVAILABLE: ("Agora did not answer in time", "Start it again; look at Agora's status page."),
    EndReason.LIMITED: ("a limit of the settings left no place for it", "Raise the limit, or record less at once."),
    EndReason.MISSED: ("no worker of ours tried it in time", "See to it that `pagereel serve` or `work` runs."),
}

# Which notices and answers say an end reason outright: kind of line, and what its detail must hold.
_SAID = {
    "notice_web_recorder_stopped": "Agora's event 71 says why it ended",
    "notice_error": "Agora's event 1 names an error",
    "stop_requested": "A caller asked for the end",
    "attempt_ended": "The task is surely over",
    "gave_up": "It did not record in time",
    "call_failed": "A call to Agora failed",
    "notice_session_failover": "Agora's event 12 tells of a failover",
    "notice_backuped": "Agora's event 32 says that files took the way over its backup cloud",
    "notice_uploaded": "Agora's event 31 says that everything is in the bucket",
    "restart": "Another attempt was made",
}
_OURS = frozenset(
    {
        EndReason.STOPPED,
        EndReason.STOP_AT,
        EndReason.PAUSED_TOO_LONG,
        EndReason.LIMITED,
        EndReason.MISSED,
        EndReason.REFUSED,
        EndReason.CAPACITY,
        EndReason.AGORA_UNAVAILABLE,
        EndReason.CREDENTIALS_EXPIRING,
    }
)
_FILES_GONE = frozenset({"slice_missing", "announced_missing", "mp4_missing", "playlist_absent", "no_objects"})


def explain(recording: Recording, history: Sequence[Line]) -> Explanation:
    """Why it is as it is. `history` is all of it, oldest first."""
    if recording.state is State.VERIFIED:
        return _fine(recording, history)
    if recording.state is State.UNPROVEN:
        return _unproven(recording, history)
    if recording.state in (State.DEFECTIVE, State.INCOMPLETE):
        return _by_findings(recording, history)
    if recording.state.terminal:
        return _by_end(recording, history)
    return _under_way(recording, history)


def _fine(recording: Recording, history: Sequence[Line]) -> Explanation:
    coverage = recording.latest_report.coverage if recording.latest_report else None
    share = f", {coverage.share:.1%} of the wanted time is there" if coverage else ""
    warned = f" Warnings: {', '.join(recording.warnings)}." if recording.warnings else ""
    reason = _ENDS[recording.end_reason][0] if recording.end_reason else "it is over"
    return Explanation(
        f"It was recorded, and the bytes in the bucket were looked at{share}. It ended because {reason}.{warned}",
        "fine",
        Certainty.CERTAIN,
        None,
        _lines(history, ("judged",)),
        "Nothing.",
    )


def _by_end(recording: Recording, history: Sequence[Line]) -> Explanation:
    """Nothing was recorded; the end reason says why."""
    reason = recording.end_reason
    if recording.state is State.CANCELLED:
        summary = "It was stopped before anything was recorded."
        return Explanation(
            summary,
            EndReason.STOPPED,
            Certainty.CERTAIN,
            Blame.CALLER,
            _lines(history, ("stop_requested",)),
            "Nothing.",
        )
    if reason is None:
        return _nobody_knows(recording, history)
    text, advice = _ENDS[reason]
    refused = recording.attention.detail if recording.attention and recording.attention.code == "refused" else None
    said = f": {refused}" if refused else ""
    proof = _proof_of_end(history)
    return Explanation(
        f"Nothing was recorded, because {text}{said}.",
        reason,
        _certainty(reason, history),
        recording.blame,
        proof,
        advice,
    )


def _by_findings(recording: Recording, history: Sequence[Line]) -> Explanation:
    """Something was recorded and is not as it should be; the gravest finding leads to the cause."""
    findings = [each for each in _findings(recording) if each.severity is Severity.ERROR]
    if not findings:
        return _nobody_knows(recording, history)
    codes = {each.code for each in findings}
    proof = (*_found(recording, findings), *_proof_of_end(history))
    early = "ended_early" in codes or recording.end_reason not in (EndReason.STOPPED, EndReason.STOP_AT, None)
    if early and recording.end_reason is not None and not (codes & _FILES_GONE - {"no_objects"}):
        text, advice = _ENDS[recording.end_reason]
        certainty = _certainty(recording.end_reason, history)
        return Explanation(
            f"It ended before anybody wanted it to, because {text}.",
            recording.end_reason,
            certainty,
            recording.blame,
            proof,
            advice,
        )
    if codes & _FILES_GONE:
        return _files_gone(recording, history, codes, proof)
    if "failover" in codes or ("gap" in codes and _seen(history, "notice_session_failover")):
        return Explanation(
            "Agora moved the task to another recorder, and what it did not record meanwhile is missing.",
            "failover",
            Certainty.CERTAIN if _seen(history, "notice_session_failover") else Certainty.LIKELY,
            Blame.AGORA,
            (*proof, *_lines(history, ("notice_session_failover",))),
            "Nothing within 90 s; for more ask Agora with the sid.",
        )
    if "restart" in codes:
        return Explanation(
            "The first attempt ended by itself; until the next one recorded, time is missing.",
            "restart",
            Certainty.CERTAIN,
            recording.blame or Blame.AGORA,
            (*proof, *_lines(history, ("restart", "attempt_ended"))),
            "See in the timeline why the first attempt ended.",
        )
    if "late_start" in codes:
        return _late(recording, history, proof)
    first = findings[0]
    return Explanation(
        f"The recording is not sound: {first.text}",
        first.code,
        Certainty.CERTAIN,
        Blame.AGORA if first.code not in ("gap", "small_gaps") else None,
        proof,
        "docs/verification.md says for each finding what it means and what to do.",
    )


def _late(recording: Recording, history: Sequence[Line], proof: tuple[Proof, ...]) -> Explanation:
    failed = _lines(history, ("call_failed",))
    if failed:
        return Explanation(
            "It began late, because calls to Agora failed before it did.",
            "late_start",
            Certainty.LIKELY,
            Blame.AGORA,
            (*proof, *failed),
            "Ask for recordings earlier, with `start_at`.",
        )
    return Explanation(
        "It began late: Agora or the page took longer than the start allowance.",
        "late_start",
        Certainty.LIKELY,
        Blame.AGORA,
        (*proof, *_lines(history, ("started", "notice_web_recorder_started"))),
        "Ask for recordings earlier, with `start_at`; look at how long the page takes to load.",
    )


def _files_gone(
    recording: Recording, history: Sequence[Line], codes: set[str], proof: tuple[Proof, ...]
) -> Explanation:
    refused = "upload_error" in recording.warnings or recording.end_reason is EndReason.STORAGE_REFUSED
    if refused:
        text, advice = _ENDS[EndReason.STORAGE_REFUSED]
        return Explanation(
            f"Files are missing, because {text}.",
            EndReason.STORAGE_REFUSED,
            Certainty.CERTAIN,
            Blame.STORAGE,
            (*proof, *_lines(history, ("notice_error",))),
            advice,
        )
    if _seen(history, "notice_backuped"):
        return Explanation(
            "Files are missing that took the way over Agora's backup cloud; that may take a day.",
            "slice_missing",
            Certainty.CERTAIN,
            Blame.AGORA,
            (*proof, *_lines(history, ("notice_backuped",))),
            "Wait; it is looked at again by itself. After a day ask Agora with the sid.",
        )
    if _seen(history, "notice_uploaded"):
        return Explanation(
            "Agora says that everything is uploaded, and files are not in the bucket: removed, or never there.",
            sorted(codes & _FILES_GONE)[-1],
            Certainty.LIKELY,
            Blame.STORAGE,
            (*proof, *_lines(history, ("notice_uploaded",))),
            "Look at the bucket's lifecycle rules and at who may delete there.",
        )
    return Explanation(
        "Files are missing, and nobody has said yet that all were uploaded.",
        sorted(codes & _FILES_GONE)[-1],
        Certainty.UNKNOWN,
        None,
        proof,
        "Wait; it is looked at again by itself. If it stays, ask Agora with the sid.",
    )


def _unproven(recording: Recording, history: Sequence[Line]) -> Explanation:
    found = [each for each in _findings(recording) if each.code in ("storage_refused", "storage_unreachable")]
    refused = any(each.code == "storage_refused" for each in found)
    return Explanation(
        "The bucket could not be looked at until patience ended. That says nothing about the recording.",
        "storage_refused" if refused else "storage_unreachable",
        Certainty.CERTAIN if found else Certainty.LIKELY,
        Blame.STORAGE,
        (*_found(recording, found), *_lines(history, ("attention",))),
        "Mend the read keys or the way to the bucket, then look again: `pagereel look`.",
    )


def _under_way(recording: Recording, history: Sequence[Line]) -> Explanation:
    attention = recording.attention
    if attention is None:
        return Explanation(
            f"It is {recording.state.value}, and nothing is wrong that anybody knows of.",
            "under_way",
            Certainty.CERTAIN,
            None,
            _lines(history, ("state",)),
            "Nothing.",
        )
    return Explanation(
        f"It is {recording.state.value} and waits: {attention.detail or attention.code}.",
        attention.code,
        Certainty.CERTAIN,
        None,
        (Proof(attention.since_at, "worker", f"{attention.code} since then"), *_lines(history, ("call_failed",))),
        "docs/states.md says for each attention what to do.",
    )


def _nobody_knows(recording: Recording, history: Sequence[Line]) -> Explanation:
    return Explanation(
        f"It is {recording.state.value}, and nothing that was seen says why.",
        UNKNOWN,
        Certainty.UNKNOWN,
        None,
        _proof_of_end(history),
        "Read the timeline; ask Agora with the sid.",
    )


def _certainty(reason: EndReason, history: Sequence[Line]) -> Certainty:
    """What we decided ourselves is certain; what Agora did is, once it has said so."""
    if reason is EndReason.ENDED_BY_ITSELF:
        return Certainty.UNKNOWN
    said = reason in _OURS or _seen(history, "notice_web_recorder_stopped") or _seen(history, "notice_error")
    return Certainty.CERTAIN if said else Certainty.LIKELY


def _findings(recording: Recording) -> tuple[Finding, ...]:
    return recording.latest_report.findings if recording.latest_report else ()


def _found(recording: Recording, findings: Iterable[Finding]) -> tuple[Proof, ...]:
    at = recording.latest_report.judged_at if recording.latest_report else 0.0
    return tuple(Proof(at, "bucket", f"{each.code}: {each.text}") for each in findings)


def _proof_of_end(history: Sequence[Line]) -> tuple[Proof, ...]:
    kinds = ("notice_web_recorder_stopped", "notice_error", "stop_requested", "gave_up", "call_failed", "attempt_ended")
    return _lines(history, kinds)


def _lines(history: Sequence[Line], kinds: tuple[str, ...]) -> tuple[Proof, ...]:
    """The newest line of each kind, in the order in which they happened."""
    newest = {line.kind: line for line in history if line.kind in kinds}
    return tuple(Proof(line.at, line.source, _told(line)) for line in sorted(newest.values(), key=lambda line: line.at))


def _told(line: Line) -> str:
    detail = ", ".join(f"{name} {value}" for name, value in line.detail.items() if value is not None)
    return f"{_SAID.get(line.kind, line.kind)} ({detail})" if detail else _SAID.get(line.kind, line.kind)


def _seen(history: Sequence[Line], kind: str) -> bool:
    return any(line.kind == kind for line in history)
