"""Following a recording: what a log keeps of it, and what Ctrl-C leaves behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from cli_rig import ID, REPORT, SCHEDULE, Service, recording, serving

from pagereel.cli.remote.following import Log
from pagereel.cli.remote.shown import facts_of, length_of

# The first look is answered when the second one comes.
LOOKS = 2
USED = {
    "currency": "USD",
    "items": [
        {"app": "other", "resolution": "hd", "seconds": 60.0, "cost": 9.0},
        {"app": "demo", "resolution": "hd", "seconds": 600.0, "cost": 0.14},
    ],
}


def interrupted(service: Service, *words: str) -> tuple[int, str]:
    """Exit status and stderr of a command that gets Ctrl-C once it has looked at the recording."""
    variables = {"PAGEREEL_URL": service.url, "PAGEREEL_TOKEN": "prl_a_token", "TZ": "UTC"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pagereel", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables},
    )  # fmt: skip
    until = time.monotonic() + 30
    while [path for _, path, *_ in service.asked].count(f"/v1/recordings/{ID}") < LOOKS:
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


def answers(state: str, stop_at: str | None) -> dict[str, Any]:
    shown = recording(state=state, instants={"stop_at": stop_at})
    return {
        "POST /v1/recordings": (202, shown),
        f"GET /v1/recordings/{ID}": (200, shown),
        "GET /v1/usage": (200, USED),
    }


def test_ctrl_c_says_what_goes_on_until_when_what_it_costs_and_how_to_stop_it() -> None:
    with serving(answers("recording", "2030-01-01T10:00:00Z")) as service:
        status, said = interrupted(service, "record", "https://class.example.org", "--wait")
    assert status == 130
    assert re.search(
        rf"{ID} stops at 2030-01-01 10:00:00 UTC, in \d+ d( \d+ h)?; it continues without this command", said
    )
    assert "billed so far: 1 min 15 s, USD 0.02 at 0.0140 a minute" in said
    assert f"stop it now:   pagereel stop {ID}" in said
    assert f"follow it:     pagereel watch {ID}" in said
    assert "Traceback" not in said


def test_ctrl_c_without_a_planned_end_names_the_hour_limit_and_bears_no_cost() -> None:
    known = answers("recording", None) | {"GET /v1/usage": (403, {"detail": "no"})}
    with serving(known) as service:
        status, said = interrupted(service, "watch", ID)
    assert status == 130
    assert f"{ID} records, and is billed, until `pagereel stop {ID}`, for at most 3 h; it continues" in said
    assert "billed so far: 1 min 15 s\n" in said


def test_ctrl_c_after_the_end_says_that_nothing_records() -> None:
    with serving(answers("verifying", None)) as service:
        status, said = interrupted(service, "watch", ID)
    assert status == 130
    assert f"{ID} is verifying: no recorder runs" in said
    assert "pagereel stop" not in said


def lesson(slices: int) -> Callable[[dict[str, Any]], tuple[int, Any]]:
    """A recording that gets a slice at each look, and is verified after so many."""
    seen = iter(range(1, slices + 2))

    def answer(_: dict[str, Any]) -> tuple[int, Any]:
        count = next(seen)
        return 200, with_slices(count, "recording" if count <= slices else "verified")

    return answer


def with_slices(count: int, state: str = "recording") -> dict[str, Any]:
    return recording(state=state, files={"slices": count, "bytes": count * 1000})


def test_a_log_has_time_id_and_what_is_done_and_ends_with_the_facts() -> None:
    with serving({f"GET /v1/recordings/{ID}": lesson(2)}) as service:
        done = service.typed("watch", ID)
    assert done.exit_code == 0
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ  {ID}  recording · 1 slice, 1.0 kB\n", done.stderr)
    assert "verified" in done.stdout


def test_a_lesson_of_an_hour_is_a_line_a_minute_and_none_for_each_slice() -> None:
    log = Log(ID)
    lines = [line for at in range(3600) if (line := log.line(with_slices(at // 15), 1e9 + at))]
    assert len(lines) == 60


def test_each_change_of_state_is_a_line_at_once() -> None:
    log = Log(ID)
    paused = with_slices(3) | {"paused": {"confirmed": True}}
    shown = [with_slices(1), with_slices(2), paused, paused, with_slices(3), with_slices(3, "stopping")]
    lines = [log.line(each, 1e9 + at) for at, each in enumerate(shown)]
    assert [line is not None for line in lines] == [True, False, True, False, True, True]


WARNED = recording(state="verified", warned=["picture_blank", "sound_silent"])


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("watch", ID), 0),
        (("watch", ID, "--strict"), 1),
        (("record", "https://x.example.org", "--wait", "--strict"), 1),
    ],
    ids=["watch", "watch strictly", "record strictly"],
)
def test_a_recording_with_warnings_is_named_so_with_advice_and_fails_only_strictly(
    words: tuple[str, ...], status: int
) -> None:
    known = {f"GET /v1/recordings/{ID}": (200, WARNED), "POST /v1/recordings": (202, WARNED)}
    with serving(known) as service:
        done = service.typed(*words)
    assert done.exit_code == status, done.output
    for said in ("verified (warned)", "picture_blank, sound_silent", "Listen to it", "check-page URL"):
        assert said in done.stdout


def test_strict_says_nothing_about_a_recording_that_nobody_waits_for() -> None:
    with serving({}) as service:
        done = service.typed("record", "https://class.example.org", "--strict")
        assert service.asked == []
    assert (done.exit_code, "--strict needs --wait" in done.output) == (2, True)


LATE = recording(
    state="incomplete",
    schedule=SCHEDULE | {"next_verification_at": "2026-11-29T05:00:00Z", "give_up_at": "2026-12-06T03:50:00Z"},
    latest_report=REPORT | {"findings": [{"code": "slice_missing", "severity": "error", "text": "", "object": None}]},
)


@pytest.mark.parametrize(
    "words", [("watch", ID), ("record", "https://x.example.org", "--wait")], ids=["watch", "record"]
)
def test_a_wait_that_is_over_says_what_is_missing_when_it_is_looked_at_and_how_to_go_on(words: tuple[str, ...]) -> None:
    known = {f"GET /v1/recordings/{ID}": (200, LATE), "POST /v1/recordings": (202, LATE)}
    with serving(known) as service:
        done = service.typed(*words, "--wait-for", "0.2s")
        as_json = service.typed(*words, "--wait-for", "0.2s", "--json")
    assert (done.exit_code, as_json.exit_code) == (2, 2)
    assert done.stderr.splitlines()[-1] == (
        f"pagereel: {ID}: no verdict after 0.2 s: incomplete · missing so far: slice_missing · next verification: "
        "2026-11-29T05:00:00Z, until 2026-12-06T03:50:00Z. It continues without this command; follow it again with: "
        f"pagereel watch {ID}"
    )
    assert json.loads(as_json.stdout)["state"] == "incomplete"


def test_a_verdict_within_the_wait_is_the_answer_and_the_id_is_printed_once() -> None:
    with serving({"POST /v1/recordings": (202, recording()), f"GET /v1/recordings/{ID}": lesson(1)}) as service:
        done = service.typed("record", "https://x.example.org", "--wait", "--wait-for", "1m")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{ID}\n")
    assert done.stdout.count(ID) == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [(("--wait-for", "5m"), "--wait-for needs --wait"), (("--wait", "--wait-for", "5"), "5 has no unit")],
    ids=["without --wait", "without a unit"],
)
def test_a_wait_that_cannot_be_starts_nothing(option: tuple[str, ...], said: str) -> None:
    with serving({}) as service:
        done = service.typed("record", "https://class.example.org", *option)
        assert service.asked == []
    assert (done.exit_code, said in done.output) == (2, True)


def test_a_list_asks_for_the_planned_and_the_warned_and_shows_when_and_how_long() -> None:
    planned = recording(state="requested", instants={"start_at": "2030-01-01T10:00:00Z"})
    with serving({"GET /v1/recordings": (200, {"items": [planned, WARNED], "next": None})}) as service:
        done = service.typed("list", "--planned", "--not-warned")
        ((_, _, query, _),) = service.asked
    assert (query["planned"], query["warned"]) == (["true"], ["false"])
    first, second = done.stdout.splitlines()[1:]
    assert "2030-01-01T10:00:00Z" in first
    assert "1 h 30 min" in first
    assert "verified (warned)" in second


def test_what_runs_and_what_is_awaited_say_until_when() -> None:
    runs = recording(schedule=SCHEDULE | {"elapsed_seconds": 2460.0})
    facts = dict(facts_of(runs))
    assert facts["runs"] == "41 min of 1 h 30 min"
    assert facts["stops"] == "2026-11-29T03:47:57.693Z (hour limit: 2026-11-29T05:17:57.693Z)"
    awaited = SCHEDULE | {"elapsed_seconds": 5400.0, "next_verification_at": "A", "give_up_at": "B"}
    facts = dict(facts_of(recording(state="incomplete", schedule=awaited)))
    assert (facts["recorded"], facts["next verification"]) == ("1 h 30 min", "A, until B")
    about = {"ended_at": "2026-11-29T03:47:57.693Z", "end_inferred": True}
    inferred = recording(state="defective", schedule=awaited, instants=about)
    facts = dict(facts_of(inferred))
    assert facts["recorded"] == length_of(inferred) == "about 1 h 30 min"
    assert (
        facts["ended"]
        == "about 2026-11-29T03:47:57.693Z: its end was not reported, and this is the last sign of its task"
    )
    older = recording(state="defective", schedule=awaited, instants={"ended_at": "2026-11-29T03:47:57.693Z"})
    del older["instants"]["end_inferred"]
    assert dict(facts_of(older))["ended"] == "2026-11-29T03:47:57.693Z"
    facts = dict(facts_of(recording(state="requested")))
    assert facts["starts"] == "2026-11-29T02:17:57.693Z"
