"""Lengths of time as people write them: what could mean two things is refused, never guessed."""

from contextlib import suppress

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagereel.cli.remote.durations import Duration


def seconds(text: str) -> float:
    return Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("1h1m1s", 3661.0),
        ("2.5s", 2.5),
        ("1.5h", 5400.0),
        ("1d", 86400.0),
        ("29d23h", 2588400.0),
        ("1h 30m", 5400.0),
        ("90min", 5400.0),
        ("2 hours", 7200.0),
        ("45 SEC", 45.0),
    ],
)
def test_lengths_of_time_are_read_as_people_write_them(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("2h30", 9000.0), ("1d2h05", 93900.0)])
def test_two_digits_behind_an_hour_are_minutes_as_on_a_clock(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10", "10 has no unit; write 10d or 10h or 10m or 10s"),
        ("2.5", "2.5 has no unit"),
        ("10m30", "30 has no unit; write 10m30s"),
        ("2h5", "5 has no unit; write 2h5m or 2h5s"),
        ("2h75", "75 has no unit"),
        ("0s", "longer than 0"),
        ("0", "0 has no unit"),
        ("", "not a length of time"),
        ("10s5", "not a length of time"),
        ("999999999d", "at most 719h"),
        ("soon", "not a length of time"),
        ("-5m", "not a length of time"),
        ("5m1h", "not a length of time"),
        ("1e3s", "not a length of time"),
        ("٣m", "not a length of time"),
    ],
)
def test_what_could_mean_two_things_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        seconds(text)
    assert said in refused.value.message


@given(st.text(max_size=40))
def test_any_text_is_a_length_or_refused(text: str) -> None:
    with suppress(click.BadParameter):
        assert 0 < seconds(text) < 1e8
