"""What stores write into headers and listings becomes a value or nothing, and never an error."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import REGISTRY
from metrics.verification import bucket_dated
from service.buckets.values import checksum_digest, parse_checksum
from service.http.headers import (
    parse_content_range,
    parse_count,
    parse_encoding,
    parse_etag,
    parse_instant,
)

AT = 1_795_168_800.0  # 2026-11-20T10:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T10:00:00.000Z",
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00",
        "2026-11-20T10:00:00.000000000Z",
        "2026-11-20T10:00:00+00:00",
        "2026-11-20T10:00:00+0000",
        "2026-11-20T12:00:00.000+02:00",
        "2026-11-20 10:00:00",
        "2026-11-20 10:00:00 UTC",
        "2026-11-20 10:00:00 +0000 UTC",
        "2026-11-20T10:00:00 GMT",
        "20261120T100000Z",
        "2026/11/20 10:00:00",
        "2026-11-20t10:00:00z",
        " 2026-11-20T10:00:00Z\n",
        "Fri, 20 Nov 2026 10:00:00 GMT",
        "Fri, 20 Nov 2026 10:00:00 -0000",
        "Fri, 20 Nov 2026 12:00:00 +0200",
        "fri, 20 nov 2026 10:00:00 gmt",
        "Friday, 20-Nov-26 10:00:00 GMT",
        "Fri Nov 20 10:00:00 2026",
        "20 Nov 2026 10:00:00 GMT",
        "1795168800",
        "1795168800.0",
        "1795168800000",
        "1795168800000000",
        "1795168800000000000",
    ],
)
def test_a_time_is_read_in_every_form_that_stores_write(text: str) -> None:
    assert parse_instant(text) == AT


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "yesterday",
        "2026-13-40T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "Thu, 99 Foo 2026 10:00:00 GMT",
        "9" * 21,
        "9" * 400,
        "٢٠٢٦",
        "\x00",
        "1e400",
        "nan",
        "2026-11-20T10:00:00Z" * 9,
        "Fri, 20 Nov 2026 99:00:00 GMT",
    ],
)
def test_what_is_no_time_is_absent(text: str) -> None:
    assert parse_instant(text) is None


@given(st.integers(86_400, 253_402_000_000_000_000))
def test_a_time_survives_its_forms(microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    assert parse_instant(moment.isoformat()) == moment.timestamp()
    assert parse_instant(format_datetime(moment)) == microseconds // 1_000_000


PARSERS: list[Callable[[str], Any]] = [parse_instant, parse_count, parse_etag, parse_content_range, parse_encoding]
ODD = st.one_of(
    st.text(max_size=80),
    st.text("0123456789:-+TZ., GMTUfribytes*/=\"W'", max_size=80),
    st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)


@given(ODD)
def test_no_text_raises(text: str) -> None:
    for parse in PARSERS:
        parse(text)
    checksum_digest(text)
    checksum_digest(f"crc64xz:{text}")
    names = ["x-amz-checksum-sha256", "x-amz-checksum-type", "x-goog-hash", "x-oss-hash-crc64ecma", "Content-MD5"]
    for name in names:
        parse_checksum({name: text})


@given(ODD)
def test_a_date_header_of_any_text_leaves_the_clock_alone_or_sets_it(text: str) -> None:
    bucket_dated(text, AT)


def test_a_date_header_is_compared_with_our_clock() -> None:
    bucket_dated("Fri, 20 Nov 2026 10:00:10 GMT", AT)
    bucket_dated("", AT)
    bucket_dated("Fri, 20 Nov 2026 99:00:10 GMT", AT)
    assert REGISTRY.get_sample_value("pagereel_bucket_clock_skew_seconds") == 10.5


@pytest.mark.parametrize(
    ("text", "count"),
    [("188", 188), (" 0 ", 0), ("", None), ("-1", None), ("1.5", None), ("many", None), ("9" * 19, None), ("١", None)],
)
def test_a_size_is_a_whole_number_or_absent(text: str, count: int | None) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "etag"),
    [
        ('"abc"', "abc"),
        ("abc", "abc"),
        ('W/"abc"', "abc"),
        (' "a-2" ', "a-2"),
        ('""', ""),
        ("a\nb", ""),
        ("e" * 2000, ""),
    ],
)
def test_an_etag_loses_its_quotes_and_its_weakness(text: str, etag: str) -> None:
    assert parse_etag(text) == etag


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bytes 0-9/100", (0, 9, 100)),
        ("Bytes  5-9/*", (5, 9, None)),
        ("bytes */100", (None, None, 100)),
        ("bytes 0-9", (None, None, None)),
        ("", (None, None, None)),
        ("lines 0-9/100", (None, None, None)),
    ],
)
def test_a_content_range_says_first_last_and_size(text: str, said: tuple[int | None, ...]) -> None:
    assert parse_content_range(text) == said


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("gzip", "gzip"),
        ("X-GZIP", "gzip"),
        ("aws-chunked", ""),
        ("aws-chunked,gzip", "gzip"),
        ("identity", ""),
        ("", ""),
        ("deflate, gzip", "deflate, gzip"),
        ("br", "br"),
        ("utf-8", "utf-8"),
        (",,", ""),
    ],
)
def test_an_encoding_names_what_changes_the_bytes(text: str, encoding: str) -> None:
    assert parse_encoding(text) == encoding


SHA256 = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
CRC32, CRC64, MD5 = "AAAAAA==", "AAAAAAAAAAA=", base64.b64encode(hashlib.md5(b"x").digest()).decode()


@pytest.mark.parametrize(
    ("headers", "checksum"),
    [
        ({}, None),
        ({"x-amz-checksum-crc64nvme": CRC64, "x-amz-checksum-type": "FULL_OBJECT"}, f"crc64nvme:{CRC64}"),
        ({"x-amz-checksum-crc32": CRC32}, f"crc32:{CRC32}"),
        ({"x-amz-checksum-crc32c": CRC32}, f"crc32c:{CRC32}"),
        ({"x-amz-checksum-sha256": SHA256, "x-amz-checksum-crc32": CRC32}, f"sha256:{SHA256}"),
        ({"x-amz-checksum-sha256": SHA256, "x-amz-checksum-type": "COMPOSITE"}, None),
        ({"x-amz-checksum-sha256": f"{SHA256}-3"}, None),
        ({"x-amz-checksum-sha1": SHA256}, None),
        ({"x-amz-checksum-sha256": "no base64!"}, None),
        ({"x-amz-checksum-sha256": ""}, None),
        ({"x-goog-hash": f"crc32c={CRC32}"}, f"crc32c:{CRC32}"),
        ({"x-goog-hash": f"crc32c={CRC32},md5={MD5}"}, f"md5:{MD5}"),
        ({"x-goog-hash": f"crc32c={CRC32}, md5=broken"}, f"crc32c:{CRC32}"),
        ({"x-goog-hash": f"md5={MD5}", "x-goog-stored-content-encoding": "gzip"}, None),
        ({"x-goog-hash": f"md5={MD5}", "x-goog-stored-content-encoding": "identity"}, f"md5:{MD5}"),
        ({"x-oss-hash-crc64ecma": "11051210869376104954"}, "crc64xz:11051210869376104954"),
        ({"x-cos-hash-crc64ecma": "0"}, "crc64xz:0"),
        ({"x-oss-hash-crc64ecma": "18446744073709551616"}, None),
        ({"x-oss-hash-crc64ecma": "-1"}, None),
        ({"Content-MD5": MD5}, f"md5:{MD5}"),
        ({"Content-MD5": "AAAA"}, None),
    ],
)
def test_a_checksum_is_the_stores_own_of_the_whole_object_or_absent(
    headers: dict[str, str], checksum: str | None
) -> None:
    assert parse_checksum(headers) == checksum


def test_the_bytes_of_a_checksum_are_those_of_the_hash() -> None:
    assert checksum_digest(f"sha256:{SHA256}") == hashlib.sha256(b"x").digest()
    assert checksum_digest("crc64xz:11051210869376104954") == bytes.fromhex("995dc9bbdf1939fa")
    assert checksum_digest("crc99:AAAA") is None
