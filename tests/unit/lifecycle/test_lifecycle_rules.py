"""A later report of a recording that is over: what callers are told of it, and why it differs."""

from dataclasses import replace
from typing import Any

import pytest

from service.lifecycle import apply
from service.lifecycle.observations import Change, Judged
from service.lifecycle.reconstruct import Kept, as_requested, replay
from service.messages import message_of
from service.recording import State
from service.report import Because, Finding, Level, Report, ReportSummary, Severity, Verdict
from tests.database.samples import recording

NOW = 2000.0
OTHER_RULES = Finding("rules_changed", Severity.NOTE, "Other rules.")
BEFORE = ReportSummary(1, Verdict.VERIFIED, Level.CONTENT, 1900.0, 0, (), 0, None)
VERIFIED = replace(recording(), state=State.VERIFIED, reports=1, latest_report=BEFORE)


def judged(because: Because | None = None, verdict: Verdict = Verdict.VERIFIED, **more: Any) -> Change:
    given = {"level": Level.CONTENT, "wanted_level": Level.CONTENT, "rules_version": 2, **more}
    return apply(VERIFIED, Judged(Report(verdict, judged_at=NOW, **given), because), NOW)


def changed(change: Change) -> list[dict[str, Any]]:
    return [entry.detail for entry in change.history if entry.kind == "changed"]


@pytest.mark.parametrize("because", Because)
def test_another_verdict_is_told_with_the_reason_and_changes_no_state(because: Because) -> None:
    change = judged(because, Verdict.DEFECTIVE)
    assert change.recording.state is State.VERIFIED
    assert changed(change) == [{"verdict": "defective", "because": because.value}]


def test_other_findings_by_other_rules_are_told_and_others_are_not() -> None:
    assert changed(judged(Because.RULES, findings=(OTHER_RULES,))) == [{"verdict": "verified", "because": "rules"}]
    assert changed(judged(Because.LEVEL)) == []
    assert changed(judged()) == []


def test_touched_objects_are_told_as_a_change_of_bytes() -> None:
    gone = Finding("object_vanished", Severity.ERROR, "Gone.")
    told = {"verdict": "defective", "objects": 1, "because": "bytes"}
    assert changed(judged(Because.BYTES, Verdict.DEFECTIVE, findings=(gone,))) == [told]


def test_the_summary_keeps_wanted_level_rules_and_that_the_rules_changed_behind_any_number_of_errors() -> None:
    many = tuple(Finding("gap", Severity.ERROR, str(number)) for number in range(30))
    kept = judged(Because.RULES, findings=(*many, OTHER_RULES), wanted_level=Level.BYTES).recording.latest_report
    assert kept is not None
    assert (kept.level, kept.wanted_level, kept.rules_version) == (Level.CONTENT, Level.BYTES, 2)
    assert (len(kept.findings), kept.findings[0], kept.findings[-1]) == (20, many[0], OTHER_RULES)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, {"level": "content"}),
        (Level.STRUCTURE, {"level": "content"}),
        (Level.CONTENT, {"level": "content"}),
        (Level.BYTES, {"level": "content", "wanted_level": "bytes"}),
    ],
)
def test_the_timeline_names_the_wanted_level_where_it_was_not_reached(
    wanted: Level | None, told: dict[str, str]
) -> None:
    (line,) = (entry for entry in judged(wanted_level=wanted).history if entry.kind == "judged")
    assert {name: value for name, value in line.detail.items() if "level" in name} == told


def test_the_message_says_why_and_which_rules_judged() -> None:
    change = judged(Because.RULES, Verdict.DEFECTIVE, findings=(OTHER_RULES,), wanted_level=Level.BYTES)
    message = message_of(change.recording, 9, NOW, "changed", changed(change)[0])
    assert message is not None
    data = message.document["data"]
    assert (message.type, data["detail"]["because"]) == ("recording.changed", "rules")
    assert (data["level"], data["wanted_level"], data["rules_version"]) == ("content", "bytes", 2)


def test_a_report_of_an_earlier_version_counts_as_rules_1() -> None:
    kept = judged(rules_version=0, wanted_level=None).recording.latest_report
    assert kept is not None
    assert (kept.rules_version, kept.wanted_level) == (1, None)


def test_the_reason_is_led_back_from_the_timeline() -> None:
    report = Report(Verdict.DEFECTIVE, Level.CONTENT, NOW, findings=(OTHER_RULES,), rules_version=2)
    change = apply(replace(as_requested(VERIFIED), state=State.VERIFIED), Judged(report, Because.RULES), NOW)
    lines = [_Line(NOW, "worker", "state", {"state": "verified"})]
    lines += [_Line(NOW, "bucket", entry.kind, entry.detail) for entry in change.history]
    _, decisions = replay(Kept(change.recording, lines, reports={1: report}))
    assert [one.observation for one in decisions][1:] == [Judged(report, Because.RULES)]


class _Line:
    def __init__(self, at: float, source: str, kind: str, detail: dict[str, Any]) -> None:
        self.at, self.source, self.kind, self.detail, self.count = at, source, kind, detail, 1
