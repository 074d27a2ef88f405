"""Explanations of defects, which derive the cause from the findings. Pure.

A finding describes a defect of the files, but seldom its cause. A cause is certain only if a source that knows it
reported it for the missing time.
"""

from collections.abc import Sequence, Set
from dataclasses import replace

from service.explain.ends import SENTENCES, by_reason
from service.explain.lateness import start_was_late
from service.explain.words import (
    Certainty,
    Explanation,
    Line,
    Proof,
    end_lines,
    findings_of,
    found,
    lines,
    nobody_knows,
    seen,
)
from service.recording import Blame, EndReason, Recording, State
from service.report import Finding, Severity

SLICE_GONE = "slice_missing"
FILES_GONE = frozenset({SLICE_GONE, "announced_missing", "mp4_missing", "playlist_absent", "no_objects"})
HOLES = ("gap", "small_gaps")
WANTED_ENDS = (EndReason.STOPPED, EndReason.STOP_AT, None)
# An event of Agora belongs to a gap that contains it or is this close to it.
NEAR_SECONDS = 15


def explain_findings(recording: Recording, history: Sequence[Line]) -> Explanation:
    """Explain the recording by its gravest finding."""
    errors = [each for each in findings_of(recording) if each.severity is Severity.ERROR]
    codes = {each.code for each in errors}
    proof = (*found(recording, errors), *end_lines(history))
    reason = recording.end_reason
    gone = codes & FILES_GONE
    if not errors:
        return nobody_knows(recording, proof)
    if reason is not None and ("ended_early" in codes or reason not in WANTED_ENDS):
        early = by_reason("It ended too early because {}.", recording, reason, history, proof)
        if early.certainty is Certainty.CERTAIN or not gone - {"no_objects"}:
            return early
    if gone:
        return _files_gone(recording, history, gone, proof)
    causes = (("failover", _failover), ("restart", _restart), ("damaged", _damaged), ("late_start", _late))
    for code, tell in causes:
        if code in codes:
            return tell(recording, history, proof)
    holes = [each for each in errors if each.code in HOLES]
    return _hole(recording, history, holes, proof) if holes else _unsound(errors[0], proof)


def _files_gone(recording: Recording, history: Sequence[Line], gone: Set[str], proof: tuple[Proof, ...]) -> Explanation:
    if "upload_error" in recording.warnings or recording.end_reason is EndReason.STORAGE_REFUSED:
        text, advice = SENTENCES[EndReason.STORAGE_REFUSED]
        summary, cause = f"Files are missing because {text}.", EndReason.STORAGE_REFUSED
        return Explanation(summary, cause, Certainty.CERTAIN, Blame.STORAGE, proof, advice)
    if seen(history, "notice_backuped"):
        return Explanation(
            "Agora could not reach the bucket, so it uploads files through its backup cloud. This can take a day.",
            "backup_upload",
            Certainty.CERTAIN,
            Blame.STORAGE,
            (*proof, *lines(history, ("notice_backuped",))),
            "Wait: Pagereel verifies it again automatically. After a day, contact Agora with the sid.",
        )
    said, over = seen(history, "notice_uploaded"), recording.state is State.DEFECTIVE
    if said or (over and gone == {SLICE_GONE}):
        missing = (
            "Agora reported a complete upload, but files are missing from the bucket."
            if said
            else "A playlist names files that did not appear in the bucket in time."
        )
        return Explanation(
            f"{missing} They were deleted, or never uploaded.",
            sorted(gone)[-1],
            Certainty.LIKELY,
            Blame.STORAGE,
            (*proof, *lines(history, ("notice_uploaded",))),
            "Check the bucket's lifecycle rules and who can delete its objects. If nobody deleted them, they never "
            "arrived: contact Agora with the sid.",
        )
    waits = replace(
        nobody_knows(recording, proof), summary="Files are missing, and Agora has not reported a complete upload."
    )
    return waits if over else replace(waits, advice="Wait: Pagereel verifies it again automatically.")


def _failover(recording: Recording, history: Sequence[Line], proof: tuple[Proof, ...]) -> Explanation:
    return Explanation(
        "Agora moved the task to another recorder, and the time in between is missing.",
        "failover",
        Certainty.CERTAIN,  # the bucket contains the files of two recorders
        Blame.AGORA,
        (*proof, *lines(history, ("notice_session_failover",))),
        "Nothing for up to 90 s. For a longer gap, contact Agora with the sid.",
    )


def _restart(recording: Recording, history: Sequence[Line], proof: tuple[Proof, ...]) -> Explanation:
    return Explanation(
        "The first attempt ended by itself, and the time until the next one recorded is missing.",
        "restart",
        Certainty.CERTAIN,
        recording.blame or Blame.AGORA,
        (*proof, *lines(history, ("restart", "attempt_ended"))),
        "Read in the timeline why the first attempt ended.",
    )


def _damaged(recording: Recording, history: Sequence[Line], proof: tuple[Proof, ...]) -> Explanation:
    return Explanation(
        "The objects are in the bucket, but parts of them are damaged and cannot be played.",
        "damaged",
        Certainty.CERTAIN,  # applies to the damage, not to its cause
        None,
        proof,
        "Play the intervals that the findings name, and report the damage to Agora with the sid.",
    )


def _late(recording: Recording, history: Sequence[Line], proof: tuple[Proof, ...]) -> Explanation:
    if start_was_late(history):
        return Explanation(
            "Its beginning is missing because Pagereel started it late.",
            "start_late",
            Certainty.CERTAIN,
            Blame.US,
            (*proof, *lines(history, ("attempt_planned", "started"))),
            "Make sure that `pagereel serve` or `pagereel work` runs: docs/operations.md#steps-are-late.",
        )
    failed = lines(history, ("call_failed",))
    why = "calls to Agora failed first" if failed else "Agora or the page took longer than the start allowance"
    return Explanation(
        f"It started late because {why}.",
        "late_start",
        Certainty.LIKELY,
        Blame.AGORA,
        (*proof, *(failed or lines(history, ("started", "notice_web_recorder_started")))),
        "Request recordings earlier with `start_at`, and check how long the page takes to load.",
    )


def _hole(
    recording: Recording, history: Sequence[Line], holes: Sequence[Finding], proof: tuple[Proof, ...]
) -> Explanation:
    """Explain time missing within the files of one recorder. An event of Agora at that time is the cause, if there was
    one."""
    reloads = [line for line in history if line.kind == "notice_web_recorder_reload"]
    if any(_near(line, hole) for line in reloads for hole in holes):
        return Explanation(
            "Agora reloaded the page during the recording, and the time of the reload is missing.",
            "page_reloaded",
            Certainty.LIKELY,
            Blame.PAGE,
            (*proof, *lines(history, ("notice_web_recorder_reload",))),
            "Agora reloads a page that becomes silent. Let the page play sound, or keep its state across a reload.",
        )
    if any(_near(line, hole) for line in history if line.kind == "notice_session_failover" for hole in holes):
        return replace(_failover(recording, history, proof), certainty=Certainty.LIKELY)
    return nobody_knows(recording, proof)


def _near(line: Line, hole: Finding) -> bool:
    within = hole.interval
    if within is None or within.to_at is None:
        return True  # small gaps are spread over the recording
    return within.from_at - NEAR_SECONDS <= line.at <= within.to_at + NEAR_SECONDS


def _unsound(finding: Finding, proof: tuple[Proof, ...]) -> Explanation:
    return Explanation(
        f"The recording has a defect: {finding.text}",
        finding.code,
        Certainty.CERTAIN,  # applies to the defect, not to its cause
        None,
        proof,
        "See docs/verification.md: it explains each finding and what to do.",
    )
