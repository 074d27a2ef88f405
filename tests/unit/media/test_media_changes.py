"""A later look is compared with what was filed when the recording was verified."""

from dataclasses import replace

import pytest

from service.media.changes import note_changes
from service.report import FileKind, JudgedFile, Level, Report, Severity, Verdict

FILED = [JudgedFile(f"r/a1/{number}.ts", FileKind.SLICE, 188, f"e{number}", listed=True) for number in range(3)]


def report(files: list[JudgedFile], verdict: Verdict = Verdict.VERIFIED) -> Report:
    return Report(verdict, Level.LISTING, 1000.0, files=tuple(files))


def test_the_same_objects_change_nothing() -> None:
    same = report(FILED)
    assert note_changes(same, FILED) == (same, 0, 0)


def test_an_object_that_is_gone_is_an_error_and_is_found_once() -> None:
    told, vanished, changed = note_changes(report(FILED[:2]), FILED)
    assert (told.verdict, vanished, changed) == (Verdict.DEFECTIVE, 1, 0)
    (finding,) = told.findings
    assert (finding.code, finding.severity, finding.object) == ("object_vanished", Severity.ERROR, "r/a1/2.ts")
    assert note_changes(report(FILED[:2]), told.files)[1:] == (0, 0)


def test_an_object_that_the_report_misses_already_is_told_beside_that() -> None:
    missing = [*FILED[:2], replace(FILED[2], listed=False, missing=True)]
    told, vanished, _ = note_changes(report(missing, Verdict.INCOMPLETE), FILED)
    assert (told.verdict, vanished, len(told.files)) == (Verdict.INCOMPLETE, 1, 3)


@pytest.mark.parametrize("other", [{"size_bytes": 376}, {"etag": "other"}])
def test_an_object_that_has_changed_is_a_warning(other: dict[str, object]) -> None:
    told, vanished, changed = note_changes(report([*FILED[:2], replace(FILED[2], **other)]), FILED)  # type: ignore[arg-type]
    assert (told.verdict, vanished, changed) == (Verdict.VERIFIED, 0, 1)
    assert [(one.code, one.severity) for one in told.findings] == [("object_changed", Severity.WARNING)]


def test_a_bucket_that_could_not_be_looked_at_has_lost_nothing() -> None:
    blind = report([], Verdict.UNREACHABLE)
    assert note_changes(blind, FILED) == (blind, 0, 0)


def test_thousands_that_are_gone_are_told_shortly() -> None:
    many = [replace(FILED[0], key=f"r/a1/{number}.ts") for number in range(5000)]
    told, vanished, _ = note_changes(report([]), many)
    assert (vanished, len(told.findings)) == (5000, 11)
    assert told.findings[-1].evidence == {"more": 4990}
