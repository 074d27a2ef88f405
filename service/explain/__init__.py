"""The explanation of a recording's state: what happened, who is responsible, the evidence, and the next action. Pure.

It uses only the stored data of a recording. Every sentence is based on a line of the history, a finding or a field. If
these do not show the cause, the explanation states that it is unknown and what to check. `words` defines the form of
the answer. `ends` covers end reasons, `waits` attentions, `findings` the causes of findings, `lateness` late steps, and
`warned` the advice on warnings.
"""

from collections.abc import Sequence
from dataclasses import replace

from service.explain.ends import SENTENCES, asked_length, explain_end
from service.explain.findings import explain_findings
from service.explain.lateness import add_lateness
from service.explain.waits import explain_wait
from service.explain.warned import advice_of
from service.explain.words import UNKNOWN, Certainty, Explanation, Line, Proof, findings_of, found, lines
from service.recording import AWAITED, AttemptState, Blame, EndReason, Recording, State
from service.report import Coverage, ReportSummary, Severity, Verdict
from service.wording import clock, length, nothing_wanted, percent

__all__ = ["UNKNOWN", "Certainty", "Explanation", "Line", "Proof", "explain"]


# A smaller difference between Pagereel's and Agora's time of an end may come from their clocks.
CLOCKS_SECONDS = 5


def explain(recording: Recording, history: Sequence[Line]) -> Explanation:
    """Return the explanation of the recording's state. `history` is complete, oldest line first."""
    explained = _explain(recording, history)
    for add in (_awaited, _away, _ran_on, _unfound):
        explained = add(explained, recording)
    explained = add_lateness(explained, history)
    other_rules = [each for each in findings_of(recording) if each.code == "rules_changed"]
    if not other_rules:
        return explained
    summary = f"{explained.summary} {other_rules[0].text}"
    return replace(explained, summary=summary, proof=(*explained.proof, *found(recording, other_rules)))


def _awaited(explained: Explanation, recording: Recording) -> Explanation:
    """Add the time of the next verification of an incomplete recording, and how long verifications continue."""
    next_at, until_at = recording.next_look_at, recording.give_up_at
    if recording.state is not State.INCOMPLETE or next_at is None or until_at is None:
        return explained
    when = f"Pagereel verifies it again at {clock(next_at)}, and gives up at {clock(until_at)}."
    return replace(explained, summary=f"{explained.summary} {when}")


def _away(explained: Explanation, recording: Recording) -> Explanation:
    """Add that the bucket does not answer, if the state has another explanation."""
    attention = recording.attention
    if attention is None or attention.code != "storage_unreachable":
        return explained
    if recording.state is not State.INCOMPLETE and not recording.state.terminal:
        return explained
    away = f"Pagereel has not been able to read the bucket since {clock(attention.since_at)} ({attention.detail})."
    return replace(explained, summary=f"{explained.summary} {away}")


def _ran_on(explained: Explanation, recording: Recording) -> Explanation:
    """Add how long a task ran after Agora did not find it and it was assumed to have ended."""
    later = [
        one.ended_at - one.counted_until
        for one in recording.attempts
        if one.ended_at is not None and one.counted_until is not None and one.ended_at > one.counted_until
    ]
    if sum(later) < CLOCKS_SECONDS:
        return explained
    ran = "Agora did not find its recorder, which ran on for"
    return replace(explained, summary=f"{explained.summary} {ran} {length(sum(later))}. Agora bills that time.")


def _unfound(explained: Explanation, recording: Recording) -> Explanation:
    """Add that an end is inferred from Agora's 404 alone, while queries for the task continue."""
    asked_at = [
        one.next_query_at
        for one in recording.attempts
        if one.ended_proof == "404" and one.next_query_at is not None and one.state is AttemptState.ENDED
    ]
    if not asked_at:
        return explained
    known = "Agora does not find its recorder, and nothing else shows that it has ended."
    return replace(
        explained, summary=f"{explained.summary} {known} Pagereel asks Agora again at {clock(min(asked_at))}."
    )


def _explain(recording: Recording, history: Sequence[Line]) -> Explanation:
    if recording.state is State.VERIFIED:
        report = recording.latest_report
        if report is not None and report.verdict not in (Verdict.VERIFIED, Verdict.UNREACHABLE):
            return _contradicted(recording, report, history)
        return _fine(recording, history)
    if recording.state is State.UNPROVEN:
        return _unproven(recording, history)
    if recording.state in (State.DEFECTIVE, State.INCOMPLETE):
        return explain_findings(recording, history)
    if recording.state.terminal:
        return explain_end(recording, history)
    return _under_way(recording, history)


def _fine(recording: Recording, history: Sequence[Line]) -> Explanation:
    coverage = recording.latest_report.coverage if recording.latest_report else None
    fine = f"The recording is in the bucket, and Pagereel checked its files{_share(coverage)}."
    early = _ended_before_its_stop(recording)
    if early is not None:
        return Explanation(
            f"{fine} Agora's task ended {early:.0f} s before the stop, and the reason is unknown.",
            UNKNOWN,
            Certainty.UNKNOWN,
            None,
            lines(history, ("attention", "stop_requested", "attempt_ended", "judged")),
            SENTENCES[EndReason.ENDED_BY_ITSELF][1],
        )
    noticed = f" Warnings during the recording: {', '.join(recording.warnings)}." if recording.warnings else ""
    ended = f" It ended because {SENTENCES[recording.end_reason][0]}." if recording.end_reason else ""
    if (asked := asked_length(recording)) is not None:
        ended = f" It stopped after the length that you asked for ({length(asked)})."
    summary, proof = f"{fine}{ended}{noticed}", lines(history, ("judged",))
    if not recording.warned:
        return Explanation(summary, "fine", Certainty.CERTAIN, None, proof, "Nothing.")
    warnings = [each for each in findings_of(recording) if each.severity is Severity.WARNING]
    return Explanation(
        f"{summary} It is verified with warnings: {', '.join(recording.warned)}.",
        "warned",
        Certainty.CERTAIN,
        None,
        (*proof, *found(recording, warnings)),
        advice_of(recording.warned),
    )


def _contradicted(recording: Recording, report: ReportSummary, history: Sequence[Line]) -> Explanation:
    """Explain a recording that was verified, but whose later verification has another result."""
    findings = findings_of(recording)
    errors = [each for each in findings if each.severity is Severity.ERROR]
    codes = {each.code for each in findings}
    why = ""
    if codes & {"object_vanished", "object_changed"}:
        why = " Objects in the bucket are gone or have changed since it was verified."
    elif "rules_changed" in codes:
        why = " No object has changed since; the rules of verification have."
    share = _share(report.coverage)
    return Explanation(
        f"It was verified. The verification of {clock(report.judged_at)} found it {report.verdict.value}{share}.{why}",
        errors[0].code if errors else "unknown",
        Certainty.CERTAIN if errors else Certainty.UNKNOWN,
        None,
        (*found(recording, errors), *lines(history, ("judged",))),
        "Compare the bucket with the manifest of the report that verified it, and restore the objects from a copy. "
        "Check who can write to the bucket. Then verify again: `pagereel look`.",
    )


def _share(coverage: Coverage | None) -> str:
    if coverage is None:
        return ""
    if coverage.share is None:
        said = nothing_wanted(coverage.paused_seconds)
        return f". {said[0].upper()}{said[1:]}"
    return f": they hold {percent(coverage.share)} of the wanted time"


def _ended_before_its_stop(recording: Recording) -> float | None:
    """Return how many seconds before the stop the task ended, if the evidence shows it, otherwise None. A verdict
    tolerates some seconds at the edges, and a stop may have been requested before the end was accepted. A slice after
    that request shows that the task was running."""
    coverage = recording.latest_report.coverage if recording.latest_report else None
    ended_at, stop_at, newest_at = recording.ended_at, recording.stop_wished_at, recording.watch.last_slice_at
    if coverage is None or ended_at is None or stop_at is None or newest_at is None:
        return None
    explained = coverage.missing_seconds - coverage.unexplained_seconds
    lost = coverage.expected_seconds - coverage.covered_seconds - explained
    return stop_at - ended_at if max(ended_at, newest_at) < stop_at and lost > coverage.allowed_seconds else None


def _unproven(recording: Recording, history: Sequence[Line]) -> Explanation:
    unread = [each for each in findings_of(recording) if each.severity is Severity.ERROR]
    blind = [each for each in unread if each.code in ("storage_refused", "storage_unreachable", "too_many_objects")]
    broken = [each for each in unread if each.code == "verifier_failed"]
    if broken:
        return Explanation(
            "Pagereel could not verify it because of an internal error, and the time for verification ran out. This "
            "says nothing about the recording itself.",
            "verifier_failed",
            Certainty.CERTAIN,
            None,
            (*found(recording, broken), *lines(history, ("attention",))),
            "Report the error with the traceback of `step_failed` from the log: "
            "docs/operations.md#a-step-fails-unexpectedly.",
        )
    if unread and not blind:
        return Explanation(
            "Pagereel could not read everything that the wanted level requires before the time for verification ran "
            "out. This says nothing about the recording itself.",
            unread[0].code,
            Certainty.CERTAIN,
            None,
            (*found(recording, unread), *lines(history, ("attention",))),
            "Remove the obstacle that the finding names, then verify again: `pagereel look`.",
        )
    refused = any(each.code == "storage_refused" for each in blind)
    return Explanation(
        "Pagereel could not read the bucket before the time for verification ran out. This says nothing about the "
        "recording itself.",
        "storage_refused" if refused else "storage_unreachable",
        Certainty.CERTAIN if blind else Certainty.LIKELY,
        Blame.STORAGE,
        (*found(recording, blind), *lines(history, ("attention",))),
        "Fix the read keys or the network path to the bucket, then verify again: `pagereel look`.",
    )


def _under_way(recording: Recording, history: Sequence[Line]) -> Explanation:
    attention = recording.attention
    if attention is not None:
        explained = explain_wait(recording, attention, history)
        return replace(explained, summary=f"{explained.summary}{_unlisted(recording)}")
    if recording.state is State.RECORDING and recording.attempt is not None and recording.attempt.onhold:
        summary, advice = (
            "It is on hold: Agora records nothing until you resume it, and bills the time.",
            "Resume it, or stop it.",
        )
        return Explanation(summary, "under_way", Certainty.CERTAIN, Blame.CALLER, lines(history, ("paused",)), advice)
    planned_at = recording.planned_at
    summary = f"It is {recording.state.value}; no problems so far.{_listed(recording)}"
    if planned_at is not None:
        summary = f"It is planned and starts at {clock(planned_at)}; no problems so far."
    return Explanation(summary, "under_way", Certainty.CERTAIN, None, lines(history, ("state",)), "Nothing.")


def _unlisted(recording: Recording) -> str:
    since_at = recording.watch.unreachable_since_at
    return "" if since_at is None else f" Pagereel has not been able to list the bucket since {clock(since_at)}."


def _listed(recording: Recording) -> str:
    """Return when the bucket was last listed and when it is listed next, because its content may have changed."""
    awaited = recording.state in AWAITED
    if recording.state is not State.RECORDING and not awaited:
        return ""
    listed_at = recording.watch.listed_at
    seen = "has not been listed yet" if listed_at is None else f"was last listed at {clock(listed_at)}"
    next_at = recording.next_look_at if awaited else recording.watch.next_list_at
    if awaited and recording.look_wished:
        return f" The bucket {seen}; a caller asked for a new listing, and it is due now."
    due = "" if next_at is None else f"; the next listing is due at {clock(next_at)}"
    return f" The bucket {seen}{due}."
