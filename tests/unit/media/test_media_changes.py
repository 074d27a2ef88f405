"""A later report is compared with what was filed before: what is gone, what has changed, and why the reports differ."""

from dataclasses import replace
from typing import Any

import pytest

from service.media.changes import Comparison, compare_reports
from service.media.findings import RULES_VERSION
from service.report import Because, FileKind, Finding, JudgedFile, Level, Report, Severity, Verdict

FILED = [JudgedFile(f"r/a1/{number}.ts", FileKind.SLICE, 188, f"e{number}", listed=True) for number in range(3)]
GAP = Finding("gap", Severity.WARNING, "A hole.")


def report(files: list[JudgedFile], verdict: Verdict = Verdict.VERIFIED, **more: Any) -> Report:
    given: dict[str, Any] = {"level": Level.LISTING, "rules_version": RULES_VERSION, **more}
    return Report(verdict, judged_at=1000.0, files=tuple(files), **given)


def compared(later: Report, earlier: Report | None = None, *, verified: bool = True) -> Comparison:
    return compare_reports(later, FILED, None if earlier is None else (7, earlier), verified=verified)


def codes(comparison: Comparison) -> list[str]:
    return [finding.code for finding in comparison.report.findings]


def test_the_same_objects_change_nothing() -> None:
    same = report(FILED)
    assert compared(same) == Comparison(same)
    assert compared(same, same) == Comparison(same)


def test_an_object_that_is_gone_is_an_error_and_is_found_once() -> None:
    told = compared(report(FILED[:2]))
    assert (told.report.verdict, told.vanished, told.changed, told.because) == (
        Verdict.DEFECTIVE,
        1,
        0,
        Because.BYTES,
    )
    (finding,) = told.report.findings
    assert (finding.code, finding.severity, finding.object) == ("object_vanished", Severity.ERROR, "r/a1/2.ts")
    again = compare_reports(report(FILED[:2]), told.report.files, None, verified=True)
    assert (again.vanished, again.changed, again.because) == (0, 0, None)


def test_what_is_gone_stays_a_finding_until_it_is_back() -> None:
    first = compared(report(FILED[:2])).report
    again = compare_reports(report(FILED[:2]), first.files, (8, first), verified=True)
    assert (codes(again), again.report.verdict, again.vanished) == (["object_vanished"], Verdict.DEFECTIVE, 0)
    back = compare_reports(report(FILED), again.report.files, (9, again.report), verified=True)
    assert (codes(back), back.report.verdict) == ([], Verdict.VERIFIED)


def test_the_count_of_further_gone_objects_goes_when_objects_are_back() -> None:
    filed = [JudgedFile(f"r/a1/{number:02}.ts", FileKind.SLICE, 188, f"e{number}", listed=True) for number in range(15)]
    first = compare_reports(report([]), filed, None, verified=True).report
    assert [one.object for one in first.findings][9:] == ["r/a1/09.ts", None]
    again = compare_reports(report([]), first.files, (8, first), verified=True).report
    assert again.findings == first.findings
    part = compare_reports(report(filed[:1]), again.files, (9, again), verified=True).report
    assert [one.object for one in part.findings] == [f"r/a1/{number:02}.ts" for number in range(1, 10)]
    back = compare_reports(report(filed), part.files, (10, part), verified=True).report
    assert (back.findings, back.verdict) == ((), Verdict.VERIFIED)


def test_an_object_that_the_report_misses_already_is_told_beside_that() -> None:
    missing = [*FILED[:2], replace(FILED[2], listed=False, missing=True)]
    told = compared(report(missing, Verdict.INCOMPLETE))
    assert (told.report.verdict, told.vanished, len(told.report.files)) == (Verdict.INCOMPLETE, 1, 3)


@pytest.mark.parametrize("other", [{"size_bytes": 376}, {"etag": "other"}])
def test_an_object_that_has_changed_is_a_warning(other: dict[str, Any]) -> None:
    told = compared(report([*FILED[:2], replace(FILED[2], **other)]))
    assert (told.report.verdict, told.vanished, told.changed) == (Verdict.VERIFIED, 0, 1)
    assert [(one.code, one.severity) for one in told.report.findings] == [("object_changed", Severity.WARNING)]


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ({"sha256": "a"}, {"sha256": "b"}, 1),  # the store did not notice, or hides it
        ({"sha256": "a"}, {"sha256": "a", "etag": "of a copy"}, 0),
        ({"sha256": "a"}, {"sha256": "a", "size_bytes": 376}, 1),
        ({"sha256": "a"}, {"etag": "other"}, 1),
        ({"checksum": "crc64nvme:a"}, {"checksum": "crc64nvme:b"}, 1),
        ({"checksum": "crc64nvme:a"}, {"checksum": "crc32c:b"}, 0),
        ({"checksum": "crc64nvme:a"}, {"checksum": "crc64nvme:a", "etag": "other"}, 1),
    ],
)
def test_a_hash_decides_whether_bytes_are_the_same_and_change_marks_only_without_one(
    before: dict[str, Any], now: dict[str, Any], changed: int
) -> None:
    filed, later = replace(FILED[0], **before), replace(FILED[0], **now)
    assert compare_reports(report([later]), [filed], None, verified=True).changed == changed


def test_a_hash_stays_with_an_object_that_a_shallower_look_finds_unchanged() -> None:
    hashed = replace(FILED[0], sha256="a", checksum="crc32c:b")
    kept = compare_reports(report([FILED[0]]), [hashed], None, verified=False).report.files
    lost = compare_reports(report([replace(FILED[0], etag="other")]), [hashed], None, verified=False).report.files
    assert (kept, lost[0].sha256, lost[0].checksum) == ((hashed,), None, None)


def test_a_bucket_that_could_not_be_looked_at_has_lost_nothing() -> None:
    blind = report([], Verdict.UNREACHABLE, rules_version=RULES_VERSION + 1)
    assert compared(blind, report(FILED)) == Comparison(blind)


def test_thousands_that_are_gone_are_told_shortly() -> None:
    many = [replace(FILED[0], key=f"r/a1/{number}.ts") for number in range(5000)]
    told = compare_reports(report([]), many, None, verified=True)
    assert (told.vanished, len(told.report.findings)) == (5000, 11)
    assert told.report.findings[-1].evidence == {"more": 4990}


OLD = {"rules_version": 0}
DEEPER = {"level": Level.BYTES}


@pytest.mark.parametrize(
    ("earlier", "later", "because"),
    [
        (OLD, {}, None),
        (OLD, {"findings": (GAP,)}, Because.RULES),
        ({"findings": (GAP,)} | OLD, {}, Because.RULES),
        (OLD, {"verdict": Verdict.DEFECTIVE}, Because.RULES),
        ({}, {"findings": (GAP,)}, Because.UNKNOWN),  # another sample
        ({}, {"findings": (GAP,)} | DEEPER, Because.LEVEL),
        (OLD, {"findings": (GAP,)} | DEEPER, Because.UNKNOWN),
        (OLD, {"findings": (replace(GAP, severity=Severity.ERROR),), "files": FILED[:2]}, Because.BYTES),
        (OLD, {"findings": (GAP,), "files": [*FILED, replace(FILED[0], key="new")]}, Because.BYTES),
        ({"findings": (replace(GAP, code="object_vanished"),)} | OLD, {"findings": (GAP,)}, Because.UNKNOWN),
    ],
)
@pytest.mark.parametrize("verified", [True, False])
def test_a_difference_is_the_rules_doing_only_where_objects_and_level_are_the_same(
    earlier: dict[str, Any], later: dict[str, Any], because: Because | None, verified: bool
) -> None:
    before, after = ({"files": FILED, "level": Level.CONTENT, **more} for more in (earlier, later))
    told = compared(report(**after), report(**before), verified=verified)
    assert told.because is because
    assert ("rules_changed" in codes(told)) is (because is Because.RULES)


def test_the_finding_names_both_rules_and_the_report_before() -> None:
    told = compared(report(FILED, Verdict.DEFECTIVE), report(FILED, rules_version=0), verified=False)
    (finding,) = told.report.findings
    assert finding.severity is Severity.NOTE
    assert finding.evidence == {
        "report": 7,
        "was": 1,
        "is": RULES_VERSION,
        "was_verdict": "verified",
        "is_verdict": "defective",
    }


def test_of_a_recording_that_is_not_verified_lost_objects_are_listed_as_missing_without_a_finding() -> None:
    told = compared(report(FILED[:2], Verdict.DEFECTIVE), report(FILED, Verdict.DEFECTIVE), verified=False)
    assert (told.vanished, told.report.findings, told.because) == (0, (), Because.BYTES)
    assert [(file.listed, file.missing) for file in told.report.files] == [(True, False), (True, False), (False, True)]


def test_a_note_of_an_earlier_comparison_is_no_difference() -> None:
    noted = report(FILED, findings=(Finding("rules_changed", Severity.NOTE, "x"),))
    assert compared(report(FILED), noted) == Comparison(report(FILED))
