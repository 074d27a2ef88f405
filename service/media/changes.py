"""Compares a later report with the stored one. The result states which objects are missing or changed, and why the
reports differ."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from service.media.findings import Findings
from service.report import Because, Finding, JudgedFile, Report, Verdict, rules_of

_OF_CHANGES = frozenset({"object_vanished", "object_changed", "rules_changed"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """The later report with the findings of the comparison. `because` is None if the reports agree or no earlier report
    exists."""

    report: Report
    vanished: int = 0
    changed: int = 0
    because: Because | None = None


@dataclass(frozen=True, slots=True)
class _Objects:
    """The differences from the stored objects. `kept` contains the objects of the later report, with previously known
    hashes."""

    kept: tuple[JudgedFile, ...]
    gone: tuple[JudgedFile, ...]
    changed: tuple[tuple[JudgedFile, JudgedFile], ...]
    appeared: bool

    @property
    def same(self) -> bool:
        return not (self.gone or self.changed or self.appeared)


def compare_reports(
    report: Report, filed: Iterable[JudgedFile], earlier: tuple[int, Report] | None, *, verified: bool
) -> Comparison:
    """Compare a report of a finished recording with the stored files and the earlier report (`earlier`, with its
    number).

    If the recording is `verified`, every object that is missing or changed becomes a finding. The first ten findings of
    each kind are kept in full. A missing object is listed as missing, so that the next comparison does not count it
    again. Its finding stays in each later report until the object exists again. If the reports differ, the rules have
    changed and no object has, the note `rules_changed` is added. The report of an unreachable bucket is returned
    unchanged.
    """
    if report.verdict is Verdict.UNREACHABLE:
        return Comparison(report)
    objects = _compare_objects(report.files, filed)
    lost = tuple(replace(file, listed=False, missing=True) for file in _unlisted(objects))
    compared = replace(report, files=(*objects.kept, *lost))
    because = _why(compared, objects, None if earlier is None else earlier[1])
    if because is Because.RULES and earlier is not None:
        compared = replace(compared, findings=(*compared.findings, *_rules_changed(compared, *earlier)))
    still = () if earlier is None else _still_gone(compared, objects, earlier[1])
    if not verified or not (objects.gone or objects.changed or still):
        return Comparison(compared, because=because)
    verdict = Verdict.DEFECTIVE if (objects.gone or still) and report.verdict is Verdict.VERIFIED else report.verdict
    compared = replace(compared, verdict=verdict, findings=(*compared.findings, *still, *_objects_changed(objects)))
    because = Because.BYTES if objects.gone or objects.changed else because
    return Comparison(compared, len(objects.gone), len(objects.changed), because)


def _compare_objects(files: tuple[JudgedFile, ...], filed: Iterable[JudgedFile]) -> _Objects:
    kept = {file.key: file for file in files}
    fresh = {file.key for file in files if file.listed}
    gone, changed = [], []
    for before in filed:
        now = kept.get(before.key)
        if not before.listed or before.missing:
            continue
        fresh.discard(before.key)
        if now is None or now.missing:
            gone.append(before)
        elif _same_bytes(before, now):
            sha256, checksum = now.sha256 or before.sha256, now.checksum or before.checksum
            kept[before.key] = replace(now, sha256=sha256, checksum=checksum)
        else:
            changed.append((before, now))
    return _Objects(tuple(kept.values()), tuple(gone), tuple(changed), bool(fresh))


def _same_bytes(before: JudgedFile, now: JudgedFile) -> bool:
    """Return whether an object is unchanged. If both hashes are known, they decide. An ETag is only a change mark,
    because a copy of the same bytes may have another one."""
    if before.size_bytes != now.size_bytes:
        return False
    if before.sha256 is not None and now.sha256 is not None:
        return before.sha256 == now.sha256
    return before.etag == now.etag and not _checksums_differ(before.checksum, now.checksum)


def _checksums_differ(before: str | None, now: str | None) -> bool:
    """Return whether two checksums of the same kind differ. Checksums of different kinds cannot be compared."""
    if before is None or now is None or before.partition(":")[0] != now.partition(":")[0]:
        return False
    return before != now


def _still_gone(report: Report, objects: _Objects, earlier: Report) -> tuple[Finding, ...]:
    """Return the findings of objects that were gone at the earlier report and still are. The entry that only counts
    further objects names none of them, so it is kept only until the first named object is back."""
    before = [finding for finding in earlier.findings if finding.code == "object_vanished"]
    named = [finding for finding in before if finding.object is not None]
    there = {file.key for file in report.files if file.listed and not file.missing}
    there |= {file.key for file in objects.gone}  # these get a new finding
    still = [finding for finding in named if finding.object not in there]
    return tuple(before if len(still) == len(named) else still)


def _unlisted(objects: _Objects) -> list[JudgedFile]:
    """Return the missing objects that are not among the later report's files."""
    known = {file.key for file in objects.kept}
    return [file for file in objects.gone if file.key not in known]


def _why(report: Report, objects: _Objects, earlier: Report | None) -> Because | None:
    if earlier is None or _says(report) == _says(earlier):
        return None if objects.same else Because.BYTES
    if not objects.same:
        return Because.BYTES
    # Besides the findings of its rules, the earlier report contains findings of lost objects.
    if any(finding.code in ("object_vanished", "object_changed") for finding in earlier.findings):
        return Because.UNKNOWN
    other_rules, other_level = rules_of(report) != rules_of(earlier), report.level is not earlier.level
    if other_rules is other_level:
        return Because.UNKNOWN
    return Because.RULES if other_rules else Because.LEVEL


def _says(report: Report) -> tuple[Verdict, frozenset[tuple[str, str]]]:
    """Return the verdict and the findings of a report without those that a comparison added."""
    findings = ((each.code, each.severity.value) for each in report.findings if each.code not in _OF_CHANGES)
    return report.verdict, frozenset(findings)


def _rules_changed(report: Report, number: int, earlier: Report) -> tuple[Finding, ...]:
    was, now = rules_of(earlier), rules_of(report)
    text = f"No object has changed since report {number}, but the rules have changed from version {was} to {now}."
    verdicts = {"was_verdict": earlier.verdict.value, "is_verdict": report.verdict.value}
    findings = Findings()
    findings.add("rules_changed", text, evidence={"report": number, "was": was, "is": now, **verdicts})
    return findings.all()


def _objects_changed(objects: _Objects) -> tuple[Finding, ...]:
    findings = Findings()
    for before in objects.gone:
        text = f"{before.key} was in the bucket when the recording was verified, but is missing now."
        findings.add("object_vanished", text, key=before.key, evidence={"size_bytes": before.size_bytes})
    for before, now in objects.changed:
        text = f"{before.key} has changed since the recording was verified."
        evidence = {
            "was_bytes": before.size_bytes,
            "is_bytes": now.size_bytes,
            "was_etag": before.etag,
            "is_etag": now.etag,
            "was_sha256": before.sha256,
            "is_sha256": now.sha256,
        }
        findings.add("object_changed", text, key=before.key, evidence={**evidence})
    return findings.all()
