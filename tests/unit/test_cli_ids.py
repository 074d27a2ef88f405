"""Ids on the command line: shown whole on every terminal, and understood from a part of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from cli_rig import ID, OTHER, commands, recording, serving
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
        done = service.typed(*words, FORCE_COLOR="1", NO_COLOR="1", COLUMNS=str(columns), TERM="dumb")
    assert done.exit_code == 0, done.output
    assert done.exception is None
    for one in ids:
        assert any(one in line.split() or f"{one} " in line for line in done.stdout.splitlines()), done.stdout


def test_a_recording_is_one_line_of_eighty_columns() -> None:
    with serving(LISTS) as service:
        done = service.typed("list", FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80", TERM="dumb")
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert "incomplete" in lines[1]
    assert "…" in lines[1]


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


def test_every_command_about_a_recording_takes_a_part_of_its_id() -> None:
    """`adopt` names a recording that the database has lost, so there is nothing to find it by."""
    named = {
        name
        for name, command in commands()
        if any(each.name == "recording" for each in command.params if isinstance(each, click.Argument))
    }
    tried = {"show", "watch", "stop", "pause", "resume", "look", "timeline", "explain", "files", "support-bundle"}
    assert named == {*tried, "adopt"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NAMES[0][:11], f"matches several recordings, the newest are {NAMES[0]}, {NAMES[1]}: give more characters"),
        ("42", "42: no such recording (ids look like rec_"),
        ("rec_nobody", "rec_nobody: no such recording"),
        ("../usage", "../usage: no such recording"),
        ("7ZZZZZ", "no such recording"),
        ("", "no such recording"),
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
