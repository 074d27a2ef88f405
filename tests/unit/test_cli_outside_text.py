"""Text from outside is printed as it is: never as markup, as an emoji code or as a command to the terminal."""

import ast
from pathlib import Path

import click
import pytest
from cli_rig import SCHEDULE
from click.testing import CliRunner

import pagereel
from pagereel.cli import main
from pagereel.cli.judged import exit_status, lines_of_sum, plain, table_of
from pagereel.cli.remote.shown import facts_of
from pagereel.cli.terminal.output import fail, printable, say
from pagereel.cli.terminal.tables import console, table
from service.media.listing.discovery import FoundRecording
from service.report import Finding, Level, Report, Severity, Verdict
from service.verifier.foreign import Judged

SOURCES = sorted(Path(pagereel.__file__).parent.rglob("*.py"))
# Text, and how a person sees it.
OUTSIDE = {
    "r [/old]": "r [/old]",
    "[bold]r[/bold]": "[bold]r[/bold]",
    "[red]r": "[red]r",
    "[/]": "[/]",
    "[[r]]": "[[r]]",
    "\\[r]": "\\[r]",
    "[link=https://elsewhere.example]r[/link]": "[link=https://elsewhere.example]r[/link]",
    "[@click=app.quit]r": "[@click=app.quit]r",
    "[http://[::1]/r]": "[http://[::1]/r]",
    ":warning: r :smile:": ":warning: r :smile:",
    "r\x1b[2J\x1b]0;owned\x07": "r\\x1b[2J\\x1b]0;owned\\x07",
    "r\rverified": "r\\rverified",
    "r\u202egnp": "r\\u202egnp",
    "r\x9b31m": "r\\x9b31m",
    "r\udcff": "r\\udcff",
    "Größe 教室 🎬": "Größe 教室 🎬",
}


def judged(folder: str, verdict: Verdict | None = Verdict.VERIFIED, level: Level = Level.LISTING) -> Judged:
    one = FoundRecording(folder, "f" * 32, "room", slices=3, first_at=0.0)
    finding = Finding("gap", Severity.WARNING, folder)
    return Judged(one, None if verdict is None else Report(verdict, level, 0.0, (finding,)), ValueError(folder))


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_folder_stands_in_the_table_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console().print(table_of([judged(f"{text}/"), judged(f"{text}/", None)]))
    assert capsys.readouterr().out.count(f"{OUTSIDE[text]}/{'f' * 32}_room") == 2


@pytest.mark.parametrize("text", OUTSIDE)
def test_labels_pages_and_error_texts_stand_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    recording = {
        "state": "recording", "page": text, "end_reason": None, "blame": None, "coverage": None, "warnings": [text],
        "attention": {"code": "x", "detail": text, "since_at": "2026-11-29T10:00:00.000Z"}, "latest_report": None,
        "files": {"slices": 0, "bytes": 0},
        "instants": {"requested_at": text, "recording_at": None, "ended_at": None}, "labels": {text: text},
        "location": {"bucket": text, "prefix": text}, "attempts": [], "warned": [], "schedule": SCHEDULE,
        "paused": {"confirmed": False},
    }  # fmt: skip
    console().print(table((text, ""), facts_of(recording)))
    console().print(text)
    say(text)
    with pytest.raises(SystemExit):
        fail(text)
    shown = capsys.readouterr()
    assert shown.out.count(OUTSIDE[text]) == 11
    assert shown.err == f"pagereel: {OUTSIDE[text]}\n"


def test_only_what_is_not_printable_is_escaped() -> None:
    assert printable("a b") == "a b"
    assert printable("a\nb\tc") == "a\\nb\\tc"
    assert printable("a\nb\tc", keep="\n") == "a\nb\\tc"


def calls(name: str) -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.name}:{node.lineno}", node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", ""), getattr(node.func, "attr", ""))
    ]


@pytest.mark.parametrize(("made", "off"), [("Console", {"markup", "emoji"}), ("TextColumn", {"markup"})])
def test_all_that_prints_with_rich_has_its_markup_off(made: str, off: set[str]) -> None:
    """A progress line has a markup of its own that its console does not turn off."""
    found = calls(made)
    assert found
    for place, call in found:
        told = {
            each.arg for each in call.keywords if isinstance(each.value, ast.Constant) and each.value.value is False
        }
        assert off <= told, place
    assert not calls("from_markup")


STATUSES = [
    ((), 1),
    ((Verdict.VERIFIED,), 0),
    ((Verdict.VERIFIED, Verdict.INCOMPLETE), 1),
    ((Verdict.DEFECTIVE, Verdict.VERIFIED), 1),
    ((Verdict.DEFECTIVE, Verdict.UNREACHABLE, Verdict.VERIFIED), 2),
    ((None, Verdict.UNREACHABLE, Verdict.VERIFIED), 3),
]


@pytest.mark.parametrize(("verdicts", "status"), STATUSES)
def test_the_exit_status_is_the_gravest_answer(verdicts: tuple[Verdict | None, ...], status: int) -> None:
    assert exit_status([judged("r/", verdict) for verdict in verdicts], Level.LISTING) == status


def test_warnings_make_the_exit_status_1_only_where_that_is_asked_for() -> None:
    warned, fine = judged("r/"), Judged(judged("s/").recording, Report(Verdict.VERIFIED, Level.LISTING, 0.0))
    assert [exit_status([one], Level.LISTING, strict=True) for one in (warned, fine)] == [1, 0]
    assert exit_status([warned, fine], Level.LISTING) == 0
    assert [plain(one)["warned"] for one in (warned, fine)] == [["gap"], []]


def test_a_level_that_was_not_reached_is_not_0() -> None:
    assert exit_status([judged("r/", level=Level.STRUCTURE)], Level.STRUCTURE) == 0
    assert exit_status([judged("r/", level=Level.STRUCTURE)], Level.CONTENT) == 2


def test_a_recording_without_a_report_is_shown_with_our_mistake() -> None:
    one = judged("r/", None)
    assert plain(one)["verdict"] is None
    assert "ValueError" in plain(one)["error"]
    assert lines_of_sum([one, judged("s/")]) == "1 error, 1 verified (warned)"


class Broken(type(main)):  # type: ignore[misc]
    """The program with one command, which fails as no command should."""

    def get_command(self, context: click.Context, name: str) -> click.Command:
        return click.command(name)(lambda: {}["absent"])


def test_a_mistake_of_ours_ends_with_3_and_its_traceback() -> None:
    done = CliRunner().invoke(Broken(), ["any"])
    assert done.exit_code == 3
    assert "KeyError" in done.stderr
