"""The command line and the console say the same number in the same words."""

from typing import Any

import pytest
from cli_rig import recording
from hypothesis import given
from hypothesis import strategies as st

from handlers.console import words
from pagereel.cli.remote.durations import in_words, size_in_words
from pagereel.cli.remote.shown import facts_of
from service.database.documents import decode_report
from service.wording import end_reason, labels, length, nothing_wanted, percent, size


@given(st.floats(0, 1e8))
def test_lengths_are_the_same_in_both(seconds: float) -> None:
    assert in_words(seconds) == words.span(seconds) == length(seconds)


@given(st.integers(0, 10**15))
def test_sizes_are_the_same_in_both(count: int) -> None:
    assert size_in_words(count) == words.size(count) == size(count)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (10**12, "1.0 TB")],
)
def test_a_size_has_one_digit_behind_the_point_and_never_a_thousand_of_a_unit(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.5, "1 min"), (75, "1 min 15 s")]
)
def test_a_length_has_tenths_below_ten_seconds_alone(seconds: float, said: str) -> None:
    assert length(seconds) == said


def test_a_share_of_less_than_all_is_never_100_percent() -> None:
    assert [percent(share) for share in (1, 0.99999, 0.5)] == ["100 %", "99.9 %", "50 %"]


def test_the_facts_of_a_recording_have_no_percentage_of_no_time() -> None:
    window = {"from_at": "2026-11-29T02:18:27.000Z", "to_at": "2026-11-29T02:19:12.000Z"}
    coverage = {"window": window, "expected_seconds": 0.0, "covered_seconds": 0.0, "paused_seconds": 45.0}
    coverage |= {"missing_seconds": 0.0, "unexplained_seconds": 0.0, "allowed_seconds": 5.0, "share": None}
    facts = dict(facts_of(recording(state="verified", coverage=coverage)))
    assert facts["coverage"] == "no time was wanted: it was on hold for the whole wanted window (45 s)"


def test_an_older_row_has_no_percentage_of_no_time_either() -> None:
    row = """{"verdict": "verified", "level": "content", "judged_at": 2.0, "coverage": {"window": {"from_at": 1.0,
        "to_at": 2.0}, "expected_seconds": 0.0, "covered_seconds": 0.0, "paused_seconds": 1.0, "missing_seconds": 0.0,
        "unexplained_seconds": 0.0, "allowed_seconds": 5.0, "share": 1.0}}"""
    coverage = decode_report(row).coverage
    assert coverage is not None
    assert coverage.share is None


def test_there_is_no_percentage_of_no_time() -> None:
    assert percent(None) == "none wanted"
    assert nothing_wanted(45.0) == "no time was wanted: it was on hold for the whole wanted window (45 s)"
    assert nothing_wanted(0.0) == "no time was wanted: the wanted window is empty"


def test_labels_are_written_as_they_are_typed() -> None:
    assert labels({"lesson": "42", "room": "a:b"}) == "lesson=42, room=a:b"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("stop_at", "caller", 20.0, 20.4), "stop_at: it stopped after the length that was asked for (20 s)"),
        (("stop_at", "caller", 20.0, 60.0), "stop_at"),
        (("stop_at", "caller", None, 20.0), "stop_at"),
        (("stopped", "caller", 20.0, None), "stopped"),
        (("page_unreachable", "page", 20.0, None), "page_unreachable (blame: page)"),
    ],
)
def test_an_end_that_was_asked_for_blames_nobody(given: tuple[Any, ...], said: str) -> None:
    assert end_reason(*given) == said


def test_show_says_that_a_recording_stopped_after_the_length_that_was_asked_for() -> None:
    instants = {"recording_at": "2026-11-29T02:18:00.000Z", "stop_at": "2026-11-29T02:18:20.000Z"}
    ended = {"end_reason": "stop_at", "blame": "caller", "record_for_seconds": 20.0, "instants": instants}
    facts = dict(facts_of(recording(state="verified", **ended)))
    assert facts["end reason"] == "stop_at: it stopped after the length that was asked for (20 s)"


@pytest.mark.parametrize(("confirmed", "said"), [(False, "recording"), (True, "recording (on hold)")])
def test_show_says_that_a_recording_is_on_hold(confirmed: bool, said: str) -> None:
    assert dict(facts_of(recording(paused={"confirmed": confirmed})))["state"] == said


@pytest.mark.parametrize(
    ("length", "from_at", "said"),
    [
        (60.0, "2026-11-29T02:18:50.000Z", "from the start of the recording"),
        (None, "2026-11-29T02:18:07.000Z", "from the start of the recording"),
        (None, "2026-11-29T02:18:27.000Z", "without the allowance for the start"),
    ],
    ids=["length, counted from a resume", "length replaced by a stop time", "no length"],
)
def test_the_wanted_window_says_where_it_begins(length: float | None, from_at: str, said: str) -> None:
    window = {"from_at": from_at, "to_at": "2026-11-29T02:20:00.000Z"}
    numbers = dict.fromkeys(("expected_seconds", "covered_seconds", "paused_seconds", "missing_seconds"), 1.0)
    shown = recording(state="verified", coverage={"window": window, "share": 1.0, **numbers}, record_for_seconds=length)
    shown["instants"]["recording_at"] = "2026-11-29T02:18:05.000Z"
    assert dict(facts_of(shown))["wanted"].endswith(f"({said})")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_the_facts_of_what_never_began_to_record_have_no_wanted_time(state: str) -> None:
    window = {"from_at": "2026-11-29T02:18:27.000Z", "to_at": "2026-11-29T03:18:27.000Z"}
    coverage = dict.fromkeys(("expected_seconds", "missing_seconds", "allowed_seconds"), 3600.0)
    coverage |= {"covered_seconds": 0.0, "paused_seconds": 0.0, "unexplained_seconds": 3600.0, "share": 0.0}
    shown = recording(state=state, coverage={"window": window, **coverage})
    facts = dict(facts_of(shown))
    assert not {"wanted", "coverage"} & facts.keys()
    shown["instants"]["recording_at"] = "2026-11-29T02:18:07.000Z"
    assert {"wanted", "coverage"} <= dict(facts_of(shown)).keys()


def test_an_end_that_agora_has_not_confirmed_is_not_called_one() -> None:
    shown = recording(state="stopping", end_reason="stop_at", record_for_seconds=25.0)
    assert dict(facts_of(shown))["end reason"] == "stop_at (Agora has not confirmed the stop yet)"
