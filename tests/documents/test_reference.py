"""What docs/agora-reference.md shows and says agrees with the code: bodies, signatures, events, codes."""

import hashlib
import hmac
import json
import re

import pytest
from citations import REFERENCE
from snippets import blocks_of

from emulator.notifications.wire import SERVICE_TYPES
from metrics.agora import Operation
from metrics.intake import EVENT_TYPES
from service.agora.refusals import Fault, TaskMissing, refusal
from service.errors import OutsideError, Refused, Unavailable, UnknownOutcome
from service.lifecycle.rules.calls import STOP_REASONS
from service.lifecycle.rules.notifications import EVENTS

TEXT = REFERENCE.read_text(encoding="utf-8")
VECTORS = re.findall(
    r"^(\{.*\}|The body `\{\}`:)\n(?:\n```text\n)?HMAC-SHA1 +(\w+)\nHMAC-SHA256 (\w+)$", TEXT, re.MULTILINE
)
KINDS: dict[str, tuple[type[OutsideError], ...]] = {
    "refused": (Refused,),
    "tries again": (Unavailable,),
    "repeats the call": (Unavailable, UnknownOutcome),
    "repeats the stop": (UnknownOutcome,),
    "[section 10.3](#103-what-a-failed-query-means)": (TaskMissing,),
}


def table(line: str) -> list[list[str]]:
    """The cells of the rows of the first table below `line`."""
    below = TEXT.partition(f"\n{line}\n")[2]
    found = re.search(r"^\|.*?\n\|[-|]+\n(.*?)\n(?!\|)", below, re.MULTILINE | re.DOTALL)
    assert found is not None, line
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_every_body_is_json() -> None:
    bodies = [block for block in blocks_of(REFERENCE) if block.kind == "json"]
    assert len(bodies) > 25
    for block in bodies:
        assert isinstance(json.loads(block.text), dict), block.place


def test_every_signature_is_that_of_its_body() -> None:
    assert len(VECTORS) == 4
    for number, (shown, sha1, sha256) in enumerate(VECTORS):
        body = (shown if shown.startswith("{") else "{}").encode()
        secret = b"demo-ncs-secret" if number else b"secret"
        assert hmac.digest(secret, body, hashlib.sha1).hex() == sha1, shown
        assert hmac.digest(secret, body, hashlib.sha256).hex() == sha256, shown


def test_the_events_are_those_of_the_code() -> None:
    rows = table("### 8.1 Numbers")
    numbers: dict[int, list[str]] = {}
    for cells in rows:
        first, *last = (int(each) for each in re.findall(r"\d+", cells[0]))
        between = range(first, last[0] + 1) if last and " to " in cells[0] else (first, *last)
        numbers |= dict.fromkeys(between, cells)
    assert set(EVENT_TYPES) == set(numbers)
    for number, name in EVENTS.items():
        assert name in numbers[number][2], number
        assert numbers[number][3].split(".")[0] in ("yes", "likely"), number
    for number, service_type in SERVICE_TYPES.items():
        assert numbers[number][1] in (str(service_type), "unknown"), number


def test_the_codes_of_event_71_end_a_recording_for_the_reason_named() -> None:
    rows = table("### 8.5 Web page recorder")
    named = {int(cells[0]): cells[3] for cells in rows if cells[3].startswith("`")}
    assert named == {code: f"`{reason.value}`" for code, reason in STOP_REASONS.items()}


@pytest.mark.parametrize("said", KINDS, ids=["refused", "tries again", "repeats the call", "repeats the stop", "404"])
def test_an_answer_is_taken_as_the_table_of_codes_says(said: str) -> None:
    rows = [cells for cells in table("Each call has its own codes:") if cells[5] == said]
    assert rows
    for calls, status, code, reason, *_ in rows:
        for call in calls.split(", "):
            fault = Fault(int(code), reason.strip("`"))
            assert type(refusal(Operation(call), int(status), fault)) in KINDS[said], (call, code)
