"""Compares a later look at a verified recording with what was filed before: what is gone, what is not the same."""

from collections.abc import Iterable
from dataclasses import replace

from service.media.findings import Findings
from service.report import JudgedFile, Report, Verdict


def note_changes(report: Report, filed: Iterable[JudgedFile]) -> tuple[Report, int, int]:
    """The report with a finding for every object that lay in the bucket when `filed` was written and is gone or has
    changed since; and how many are gone, how many have changed. Of each kind the first ten are told whole.

    What is gone is listed as missing, so that the next look does not find it again. A report of a bucket that could
    not be looked at stays as it is.
    """
    if report.verdict is Verdict.UNREACHABLE:
        return report, 0, 0
    present = {file.key: file for file in report.files}
    findings, lost, changed = Findings(), [], 0
    gone = 0
    for before in filed:
        if not before.listed or before.missing:
            continue
        now = present.get(before.key)
        if now is None or now.missing:
            text = f"{before.key} lay in the bucket when the recording was verified, and is gone."
            findings.add("object_vanished", text, key=before.key, evidence={"size_bytes": before.size_bytes})
            gone += 1
            if now is None:
                lost.append(replace(before, listed=False, missing=True))
        elif (now.size_bytes, now.etag) != (before.size_bytes, before.etag):
            text = f"{before.key} is not what it was when the recording was verified."
            evidence = {"was_bytes": before.size_bytes, "is_bytes": now.size_bytes, "was": before.etag, "is": now.etag}
            findings.add("object_changed", text, key=before.key, evidence={**evidence})
            changed += 1
    if not gone and not changed:
        return report, 0, 0
    verdict = Verdict.DEFECTIVE if gone and report.verdict is Verdict.VERIFIED else report.verdict
    told = replace(report, verdict=verdict, findings=(*report.findings, *findings.all()), files=(*report.files, *lost))
    return told, gone, changed
