"""Ids on the command line: shown whole on every terminal, and understood from a part of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from cli_rig import ID, OTHER, REPORT, commands, recording, serving
from hypothesis import given
from hypothesis import strategies as st

from service.operations.ids import instant_of_ulid, new_ulid
from service.ulids import read_part, span_of

SID = "53713e11420b405c8d99fc21708d1a27"
MESSAGE = "msg_01M8JHGHNXHVJ5HX7G9SV1VHBC_recording_verified"
AT = "2026-11-29T02:17:57.693Z"
LONG = "https://class.example.org/room/42/" + "and/on/" * 10


def page(*items: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"items": items, "next": None}


LISTS = {
    "GET /v1/recordings": page(
        recording(page=LONG, end_reason="page_unreachable", state="incomplete"), recording(OTHER, page=LONG)
    ),
    "GET /v1/notifications": page(
        {"id": 12345, "received_at": AT, "event_type": 31, "outcome": "unmatched", "recording_id": ID, "sid": SID}
    ),
    "GET /v1/messages": page(
        {
            "message_id": MESSAGE, "type": "recording.verified", "endpoint": "crm", "state": "delivered", "tries": 3,
            "last_error": "the receiver answered 503", "next_try_at": None, "last_status": 503, "last_answer": "busy",
        }
    ),
    "GET /v1/actions": page({"at": AT, "action": "start", "subject": ID, "token_id": "d42a48ed1678"}),
    f"GET /v1/recordings/{ID}": (200, recording(page=LONG, attempts=[{"sid": SID, "state": "running"}])),
}  # fmt: skip
COMMANDS = {
    "list": (("list",), (ID, OTHER)),
    "show": (("show", ID), (ID, SID)),
    "notices": (("notices", "list"), (ID,)),
    "messages": (("messages", "list"), (MESSAGE,)),
    "actions": (("actions",), (ID, "d42a48ed1678")),
}


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("name", COMMANDS)
def test_an_id_is_never_broken_across_lines(name: str, columns: int) -> None:
    words, ids = COMMANDS[name]
    with serving(LISTS) as service:
        done = service.typed(*words, FORCE_COLOR="1", NO_COLOR="1", COLUMNS=str(columns), LINES="25", TERM="dumb")
    assert done.exit_code == 0, done.output
    assert done.exception is None
    for one in ids:
        assert any(one in line.split() or f"{one} " in line for line in done.stdout.splitlines()), done.stdout


def test_a_recording_is_one_line_of_eighty_columns() -> None:
    with serving(LISTS) as service:
        done = service.typed("list", FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80", LINES="25", TERM="dumb")
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert "incomplete" in lines[1]
    assert "…" in lines[1]


LIKE = [
    recording(ID[:-1] + letter, page=f"https://class.example.org/school/of/the/town/room/{letter}") for letter in "AB"
]


@pytest.mark.parametrize("columns", [70, 80, 99, 100, 120])
def test_pages_of_one_site_can_be_told_apart_in_a_narrow_list(columns: int) -> None:
    with serving({"GET /v1/recordings": page(*LIKE)}) as service:
        done = service.typed("list", FORCE_COLOR="1", NO_COLOR="1", COLUMNS=str(columns), LINES="25", TERM="dumb")
    rows = [line.rstrip() for line in done.stdout.splitlines()[1:]]
    assert all(len(row) <= columns for row in rows)
    shown = [row.removesuffix("-").rstrip() for row in rows]
    assert [row[-6:] for row in shown] == ["room/A", "room/B"]
    assert ("end reason" in done.stdout) is (columns >= 100)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_list_shows_what_needs_attention_where_something_does(columns: int) -> None:
    refused = recording(state="stopping", attention={"code": "stop_refused", "detail": "stop: unauthorized"})
    terminal = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": str(columns), "LINES": "25", "TERM": "dumb"}
    with serving({"GET /v1/recordings": page(refused, recording(OTHER))}) as service:
        shown, piped = service.typed("list", **terminal).stdout, service.typed("list").stdout
    assert ("stop_refused" in shown) is (columns >= 100)
    assert "stop_refused" in piped
    with serving({"GET /v1/recordings": page(recording(OTHER))}) as service:
        assert "attention" not in service.typed("list").stdout


LINE = {"source": "notice", "kind": "notice_web_recorder_started", "count": 1}
HISTORY = page(
    {**LINE, "at": AT, "detail": {"recorderStartTime": 1795963837355, "progress": 6667}},
    {**LINE, "at": AT, "kind": "stop_at_set", "detail": {"stop_at": 1795963847.478}},
)


def test_a_timeline_of_eighty_columns_breaks_no_instant_and_no_event_and_shows_instants_as_such() -> None:
    with serving({f"GET /v1/recordings/{ID}/timeline": HISTORY}) as service:
        done = service.typed("timeline", ID, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80", LINES="25", TERM="dumb")
        piped = service.typed("timeline", ID).stdout
    assert done.stdout.count(AT) == 2
    assert "web_recorder_started" in done.stdout
    assert all(len(line.rstrip()) <= 80 for line in done.stdout.splitlines())
    assert "notice_web_recorder_started  recorderStartTime=2026-11-29 14:50:37 UTC, progress=66.6 %" in piped
    assert "stop_at=2026-11-29 14:50:47 UTC" in piped


def test_a_flood_of_one_event_is_one_line_of_the_timeline_with_its_first_and_last_instant() -> None:
    warning = {**LINE, "kind": "notice_warning", "detail": {"warnCode": 31}}
    progress = {**LINE, "kind": "notice_uploading_progress", "detail": {"progress": 5000}}
    minutes = [f"2026-11-28T10:{minute:02}:00.000Z" for minute in range(20)]
    lines = [{**(progress if minute % 5 == 4 else warning), "at": at} for minute, at in enumerate(minutes)]
    with serving({f"GET /v1/recordings/{ID}/timeline": page(*lines)}) as service:
        shown = service.typed("timeline", ID).stdout.splitlines()
        whole = json.loads(service.typed("timeline", ID, "--json").stdout)
    assert [line.split("  ")[0] for line in shown[1:]] == [
        f"{minutes[0]} to {minutes[18]}",
        f"{minutes[4]} to {minutes[19]}",
    ]
    assert [line.split()[4:7] for line in shown[1:]] == [
        ["notice_warning", "×", "16"],
        ["notice_uploading_progress", "×", "4"],
    ]
    assert len(whole) == 20


@pytest.mark.parametrize("words", [("notices", "list"), ("messages", "list"), ("endpoints", "list"), ("actions",)])
def test_an_empty_table_is_a_sentence_and_no_bare_header(words: tuple[str, ...]) -> None:
    with serving({"GET /v1/.*": page()}) as service:
        done = service.typed(*words)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.endswith(".\n")


def test_where_no_person_reads_it_instants_and_pages_are_whole() -> None:
    with serving(LISTS) as service:
        done = service.typed("list")
    assert AT in done.stdout
    assert LONG in done.stdout


def test_an_empty_list_says_what_to_do_and_prints_no_bare_header() -> None:
    with serving({"GET /v1/recordings": page()}) as service:
        done = service.typed("list")
        fits = service.typed("list", "--state", "failed")
        assert json.loads(service.typed("list", "--json").stdout) == []
    assert (done.stdout, done.stderr) == ("", "No recordings. Start one: pagereel record URL\n")
    assert fits.stderr == "No matching recordings.\n"


IDS = [new_ulid(at) for at in (1_800_000_000.0, 1_800_000_000.5, 1_799_000_000.0)]
NAMES = [f"rec_{ulid}" for ulid in sorted(IDS, reverse=True)]


def listed(query: dict[str, list[str]]) -> tuple[int, Any]:
    """The list as the API answers it: newest first, between two instants."""
    low, high = (query.get(name, [default])[0] for name, default in (("from", "0"), ("to", "9")))
    shown = [recording(name) for name in NAMES if low <= _requested(name) < high]
    return page(*shown[: int(query["limit"][0])])


def _requested(name: str) -> str:
    return datetime.fromtimestamp(instant_of_ulid(name[4:]), UTC).isoformat(timespec="milliseconds")


OWN_PAGES = {
    "GET /v1/recordings/rec_[0-9A-Z]{26}/(timeline|files)": page(),
    "GET /v1/recordings/rec_[0-9A-Z]{26}/explanation": (
        200,
        {"summary": "", "cause": "", "certainty": "", "blame": None, "proof": [], "advice": ""},
    ),
    "GET /v1/recordings/rec_[0-9A-Z]{26}/support-bundle": (200, {}),
    "POST /v1/recordings/rec_[0-9A-Z]{26}/verify": (202, recording(state="verified")),
    "GET /v1/recordings/rec_[0-9A-Z]{26}": (200, recording(state="verified", latest_report=REPORT)),
    "(GET|POST) /v1/recordings/rec_[0-9A-Z]{26}(/.*)?": (200, recording(state="verified")),
}


@pytest.mark.parametrize(
    "command", ["show", "watch", "stop", "pause", "resume", "look", "timeline", "explain", "files"]
)
# Ids without the text, which is random: all processes that share the tests must name them alike.
@pytest.mark.parametrize(
    "text",
    ["last", NAMES[0], NAMES[0].lower(), NAMES[0][4:], NAMES[0][:20], NAMES[0][-6:].lower()],
    ids=["last", "whole", "small letters", "without rec_", "beginning", "end"],
)
def test_a_part_of_an_id_is_enough_wherever_a_recording_is_named(command: str, text: str) -> None:
    with serving({"GET /v1/recordings": listed, **OWN_PAGES}) as service:
        done = service.typed(command, text)
    assert done.exit_code in (0, 1), done.output
    assert service.asked[-1][1].startswith(f"/v1/recordings/{NAMES[0]}")


def test_a_part_of_an_id_is_enough_for_a_support_bundle(tmp_path: Path) -> None:
    with serving({"GET /v1/recordings": listed, **OWN_PAGES}) as service:
        done = service.typed("support-bundle", NAMES[2][4:16], "--output", str(tmp_path / "bundle"))
    assert done.exit_code == 0, done.output
    assert service.asked[-1][1] == f"/v1/recordings/{NAMES[2]}/support-bundle"


def test_a_part_of_an_id_is_enough_for_pictures_which_become_two_files(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with serving({"GET /v1/recordings": listed, **OWN_PAGES}) as service:
        done = service.typed("pictures", NAMES[2][4:16], "--output", str(folder), "--json")
        (tmp_path / "file").write_text("")
        barred = service.typed("pictures", NAMES[2], "--output", str(tmp_path / "file" / "below"))
    assert done.exit_code == 0, done.output
    names = [f"{NAMES[2]}-poster.jpg", f"{NAMES[2]}-contact-sheet.jpg"]
    assert [each["file"] for each in json.loads(done.stdout)] == [str(folder / name) for name in names]
    assert {path.name for path in folder.iterdir()} == set(names)
    assert (barred.exit_code, "cannot be written" in barred.stderr) == (2, True)


def test_pictures_that_are_not_there_are_an_error_and_no_file(tmp_path: Path) -> None:
    with serving({}) as service:
        done = service.typed("pictures", NAMES[2], "--output", str(tmp_path))
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {NAMES[2]}: no such recording\n")
    assert not list(tmp_path.iterdir())


def test_every_command_about_a_recording_takes_a_part_of_its_id() -> None:
    """`adopt` names a recording that the database has lost, so there is nothing to find it by."""
    named = {
        name
        for name, command in commands()
        if any(each.name == "recording" for each in command.params if isinstance(each, click.Argument))
    }
    tried = {
        "show",
        "watch",
        "stop",
        "pause",
        "resume",
        "look",
        "timeline",
        "explain",
        "files",
        "pictures",
        "support-bundle",
    }
    assert named == {*tried, "adopt"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NAMES[0][:11], f"matches several recordings, the newest are {NAMES[0]}, {NAMES[1]}: give more characters"),
        ("42", "42: no such recording (ids look like rec_"),
        ("rec_nobody", "rec_nobody: no such recording"),
        ("../usage", "../usage: no such recording"),
        ("7ZZZZZ", "no such recording"),
    ],
)
def test_a_part_that_fits_none_or_several_stops_nothing(text: str, said: str) -> None:
    with serving({"GET /v1/recordings": listed, **OWN_PAGES}) as service:
        done = service.typed("stop", text)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not [method for method, *_ in service.asked if method == "POST"]


def test_last_without_any_recording_says_so() -> None:
    with serving({"GET /v1/recordings": page()}) as service:
        done = service.typed("stop", "last")
    assert (done.exit_code, done.stderr) == (2, "pagereel: there are no recordings yet\n")


def test_a_dead_message_is_found_by_the_beginning_of_its_id() -> None:
    name = f"msg_{ID[4:]}_12"
    answers = {"GET /v1/messages": page({"message_id": name}), "POST /v1/messages/redrive": (200, {"redriven": 1})}
    with serving(answers) as service:
        done = service.typed("messages", "redrive", name[:20])
    assert done.exit_code == 0, done.output
    assert service.asked[-1][3] == {"messages": [name]}


@given(st.floats(0, 9e9), st.integers(1, 26))
def test_the_beginning_of_an_id_says_between_which_instants_it_was_made(at: float, length: int) -> None:
    from_at, to_at = span_of(new_ulid(at)[:length])
    assert from_at <= int(at * 1000) / 1000 < to_at
    if length >= 10:
        assert to_at - from_at == pytest.approx(0.001, abs=1e-5)


@given(st.text(max_size=40))
def test_any_text_is_a_part_of_an_id_or_none(text: str) -> None:
    part = read_part(text)
    assert part is None or span_of(part)[0] < span_of(part)[1]


@pytest.mark.parametrize("redriven", [0, 1])
def test_a_redrive_of_nothing_names_the_command_for_messages_that_wait(redriven: int) -> None:
    with serving({"POST /v1/messages/redrive": (200, {"redriven": redriven})}) as service:
        done = service.typed("messages", "redrive")
    assert done.stdout.startswith(f"{redriven} message{' is' if redriven == 1 else 's are'} sent again")
    assert ("pagereel endpoints enable NAME" in done.stdout) is (redriven == 0)
