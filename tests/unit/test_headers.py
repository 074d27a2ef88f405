"""What others write into headers becomes a value or nothing, and never an error."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.delivery.sender import judge
from service.http.headers import (
    parse_content_range,
    parse_count,
    parse_encoding,
    parse_etag,
    parse_http_date,
    parse_instant,
    parse_media_type,
    parse_retry_after,
)
from tests.nasty import NASTY_VALUES

AT = 1_795_168_800.0  # 2026-11-20T10:00:00Z
PARSERS: list[Callable[[str], Any]] = [
    parse_instant,
    parse_http_date,
    lambda text: parse_retry_after(text, AT),
    parse_count,
    parse_etag,
    parse_content_range,
    parse_encoding,
    parse_media_type,
]
ODD = st.one_of(
    st.text(max_size=80),
    st.text("0123456789:-+TZ., GMTUfriJan bytes*/=\"W'", max_size=80),
    st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(NASTY_VALUES),
)
RANDOM_BYTES = 1_000_000


@given(ODD)
def test_no_text_raises(text: str) -> None:
    for parse in PARSERS:
        parse(text)
    judge(503, text, datetime.now(UTC))


def test_a_million_random_bytes_raise_nothing() -> None:
    source, left = random.Random(11), RANDOM_BYTES
    while left > 0:
        size = min(left, source.randint(1, 120))
        left -= size
        text = source.randbytes(size).decode("utf-8", "surrogateescape")
        for parse in PARSERS:
            parse(text)


@pytest.mark.parametrize("number", range(len(NASTY_VALUES)))
def test_a_nasty_value_raises_nothing(number: int) -> None:
    for parse in PARSERS:
        parse(NASTY_VALUES[number])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        (" 30 ", 30.0),
        ("Fri, 20 Nov 2026 10:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 12:01:00 +0200", 60.0),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2026 10:00:30", 30.0),
        ("9" * 400, 999_999_999.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 999_999_999.0),
    ],
    ids=["seconds", "blanks", "date", "offset", "past", "no-zone", "huge", "far"],
)
def test_a_wait_is_read_from_seconds_and_from_dates(text: str, seconds: float) -> None:
    assert parse_retry_after(text, AT) == seconds


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "-1",
        "1.5",
        "9" * 401,
        "Fri, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Fri, 01 Jan 2027 00:00:00 +99999999999999",
        "Fri, 01 Jan 99999 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "\u0663\u0660",
    ],
    ids=["none", "empty", "word", "negative", "part", "digits", "year", "zone", "later", "out", "arabic"],
)
def test_what_is_no_wait_is_absent(text: str | None) -> None:
    assert parse_retry_after(text, AT) is None
    response = judge(503, text, datetime.now(UTC))
    assert (response.error, response.retry_after_seconds) == ("server_error", None)


def test_a_media_type_is_read_without_its_parameters() -> None:
    assert parse_media_type("Application/JSON; charset=utf-8") == "application/json"
    assert parse_media_type("text/html") == "text/html"
    for text in (None, "", "json", "a/b/c", "a b/c", "\x00/x", "x/" + "y" * 300, ";"):
        assert parse_media_type(text) is None
