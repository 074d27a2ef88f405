"""Parses the checksums in a store's headers. A malformed checksum is absent and raises nothing."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from service.http.headers import parse_encoding

_DIGEST_BYTES: Final = {"sha256": 32, "sha1": 20, "md5": 16, "crc64nvme": 8, "crc64xz": 8, "crc32c": 4, "crc32": 4}
"""The checksums of stores, the strongest first, and their lengths. `crc64xz` is named crc64ecma by Alibaba and Tencent:
by its check value it is CRC-64/XZ."""


def parse_checksum(headers: Mapping[str, str]) -> str | None:
    """Return the strongest checksum of the whole object in the headers of an answer with the whole object, as
    `name:value` with the store's own text as value; None without a well-formed one."""
    reported = _reported_checksums(headers)
    for name in _DIGEST_BYTES:
        checksum = f"{name}:{reported.get(name, '').strip()}"
        if checksum_digest(checksum) is not None:
            return checksum
    return None


def checksum_digest(checksum: str) -> bytes | None:
    """Return the bytes of a checksum `name:value`, big-endian; None if it is malformed."""
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
    """Return the checksums by name as in the headers, the stronger sources last."""
    reported = {"md5": headers.get("Content-MD5", "")}
    for store in ("oss", "cos"):
        if found := headers.get(f"x-{store}-hash-crc64ecma"):
            reported["crc64xz"] = found
    # Google's checksum of a gzip object that it decompresses in transit is that of the compressed bytes.
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
