"""Reads the checksums that stores write into headers. A checksum that is not well-formed is absent: nothing here raises
for what a store wrote."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from service.http.headers import parse_encoding

_DIGEST_BYTES: Final = {"sha256": 32, "sha1": 20, "md5": 16, "crc64nvme": 8, "crc64xz": 8, "crc32c": 4, "crc32": 4}
"""The checksums that stores keep, the strongest first, and their lengths. `crc64xz` is what Alibaba and Tencent call
crc64ecma: by its check value it is CRC-64/XZ."""


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
