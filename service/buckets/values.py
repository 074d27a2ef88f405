"""Reads the values of headers and listings. Every function here gives the value or says that it is absent: it never
raises for what a store wrote."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_LONGEST_DATE = 64
_LONGEST_ETAG = 1024
_EPOCH = re.compile(r"[0-9]{9,20}(?:\.[0-9]{1,9})?", re.ASCII)
_ZONE_NAME = re.compile(r"\s*(?:UTC|GMT|Z)\s*$")
_OFFSET = re.compile(r"\s*([+-][0-9]{2}:?[0-9]{2})$", re.ASCII)
_LATEST = 253_402_300_800.0  # the year 10000
_RANGE = re.compile(r"\s*bytes\s+(?:([0-9]{1,19})-([0-9]{1,19})|\*)/(?:([0-9]{1,19})|\*)\s*", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)

_DIGEST_BYTES: Final = {"sha256": 32, "sha1": 20, "md5": 16, "crc64nvme": 8, "crc64xz": 8, "crc32c": 4, "crc32": 4}
"""The checksums that stores keep, the strongest first, and their lengths. `crc64xz` is what Alibaba and Tencent call
crc64ecma: by its check value it is CRC-64/XZ."""


def parse_instant(text: str) -> float | None:
    """The Unix time that `text` writes: RFC 3339 (UTC where it names no zone), an HTTP date, or seconds, milliseconds,
    microseconds or nanoseconds since 1970. None where it writes none, or one outside of 1970 to 9999."""
    text = text.strip().upper()
    if len(text) > _LONGEST_DATE:
        return None
    if _EPOCH.fullmatch(text):
        digits = len(text.partition(".")[0])
        return _plausible(float(text) / 1000 ** max(0, (digits - 9) // 3))
    for read in (datetime.fromisoformat, _loose_iso, parsedate_to_datetime):
        try:
            moment = read(text)
            return _plausible(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
            continue
    return None


def parse_count(text: str) -> int | None:
    """A number of bytes; None where `text` is no whole number."""
    text = text.strip()
    return int(text) if _COUNT.fullmatch(text) else None


def parse_etag(text: str) -> str:
    """An ETag without its quotes and the mark of a weak one; empty where there is none."""
    text = text.strip()
    if len(text) > _LONGEST_ETAG or not text.isprintable():
        return ""
    return text.removeprefix("W/").strip('"')


def parse_content_range(text: str) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and size of the whole, each None where `text` does not say it."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None, None, None
    first, last, size = (None if one is None else int(one) for one in found.groups())
    return first, last, size


def parse_encoding(text: str) -> str:
    """The codings of a Content-Encoding header, lower case, separated by `, `; empty where they change no bytes."""
    names = (name.strip().lower() for name in text.split(","))
    return ", ".join(_ALIASES.get(name, name) for name in names if name not in _IDENTITY)


_IDENTITY = frozenset({"", "identity", "none", "aws-chunked"})
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}


def parse_checksum(headers: Mapping[str, str]) -> str | None:
    """The strongest checksum of the whole object in the headers of an answer that gives the whole object, as
    `name:value` with the store's own text as value; None where the store says none that is well-formed."""
    reported = _reported_checksums(headers)
    for name in _DIGEST_BYTES:
        checksum = f"{name}:{reported.get(name, '').strip()}"
        if checksum_digest(checksum) is not None:
            return checksum
    return None


def checksum_digest(checksum: str) -> bytes | None:
    """The bytes of a checksum `name:value`, big-endian; None where it is not well-formed."""
    name, _, value = checksum.partition(":")
    length = _DIGEST_BYTES.get(name, 0)
    if name == "crc64xz":
        number = int(value) if re.fullmatch(r"[0-9]{1,20}", value, re.ASCII) else 1 << 64
        return number.to_bytes(8, "big") if number < 1 << 64 else None
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if length and len(digest) == length else None


def _reported_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """Checksums by name as the headers have them, weaker sources first."""
    reported = {"md5": headers.get("Content-MD5", "")}
    for store in ("oss", "cos"):
        if found := headers.get(f"x-{store}-hash-crc64ecma"):
            reported["crc64xz"] = found
    # A gzip object that Google unpacks on the way has the checksum of its packed bytes.
    stored = headers.get("x-goog-stored-content-encoding", "")
    if parse_encoding(stored) == parse_encoding(headers.get("Content-Encoding", "")) or not stored:
        pairs = (pair.strip().partition("=") for pair in headers.get("x-goog-hash", "").split(","))
        reported |= {name: value for name, _, value in pairs if name in ("crc32c", "md5")}
    else:
        reported = {}
    if headers.get("x-amz-checksum-type", "FULL_OBJECT").strip().upper() == "FULL_OBJECT":
        for name in ("sha256", "sha1", "crc64nvme", "crc32c", "crc32"):
            if found := headers.get(f"x-amz-checksum-{name}"):
                reported[name] = found
    return reported


def _loose_iso(text: str) -> datetime:
    """A date as `fromisoformat` reads it, with a zone name behind it or a blank before its offset."""
    text = _ZONE_NAME.sub("", text).replace("/", "-")
    return datetime.fromisoformat(_OFFSET.sub(r"\1", text))


def _plausible(instant: float) -> float | None:
    return instant if 0 <= instant < _LATEST else None
