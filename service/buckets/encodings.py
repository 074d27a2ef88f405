"""Decodes the Content-Encoding of small text objects, in bounded memory.

The HTTP client never decodes: sizes, ranges and checksums refer to the stored bytes.
"""

import zlib
from dataclasses import replace

from service.buckets import Bucket, Fetched, Usage
from service.errors import Refused

_CODINGS = ("gzip", "deflate")
_KNOWN_TO_PLAYERS = ("br", "zstd", "compress")
_MOST_CODINGS = 4
_MOST_MEMBERS = 1000


async def fetch_text(bucket: Bucket, key: str, max_bytes: int, *, usage: Usage | None = None) -> Fetched | None:
    """Return a whole text object as a player reads it: at most `max_bytes`, with its Content-Encoding decoded.

    `encoding`, `etag`, `size_bytes` and `checksum` are those of the stored object. `content` is empty if the bytes do
    not match their encoding, since players refuse them. Raise `Refused` for an unsupported encoding.
    """
    fetched = await bucket.fetch(key, max_bytes, usage=usage)
    return None if fetched is None else decode_text(fetched, max_bytes)


def decode_text(fetched: Fetched, max_bytes: int) -> Fetched:
    """Return `fetched` with its encoding decoded; see `fetch_text`."""
    codings = [name for name in fetched.encoding.split(", ") if name]
    if not codings:
        return fetched
    unknown = [name for name in codings if name not in _CODINGS]
    if unknown == codings and not set(codings) & set(_KNOWN_TO_PLAYERS) and _is_text(fetched.content):
        return fetched  # players ignore an unknown name
    if unknown or len(codings) > _MOST_CODINGS:
        raise Refused("storage_encoding_unknown", "an object is stored with a Content-Encoding that is not read here")
    content, cut = fetched.content, fetched.cut
    for coding in reversed(codings):
        decoded, longer = inflate(content, coding, max_bytes)
        content, cut = decoded, cut or longer
    return replace(fetched, content=content, cut=cut)


def inflate(content: bytes, coding: str, max_bytes: int) -> tuple[bytes, bool]:
    """Return at most `max_bytes` of the decompressed `gzip` or `deflate` data, and whether more exist. Truncated data
    gives its beginning, data that was never compressed gives nothing."""
    for window in (31,) if coding == "gzip" else (15, -15):  # `deflate` means the zlib format, or the raw one
        try:
            return _inflate_members(content, window, max_bytes)
        except zlib.error:
            continue
    return b"", False


def _inflate_members(content: bytes, window: int, max_bytes: int) -> tuple[bytes, bool]:
    """Decompress one member after another, and return whether more data exist. Raise zlib.error."""
    decoded = bytearray()
    for _ in range(_MOST_MEMBERS):
        unpacker = zlib.decompressobj(window)
        decoded += unpacker.decompress(content, max_bytes + 1 - len(decoded))
        content = unpacker.unused_data
        if len(decoded) > max_bytes:
            return bytes(decoded[:max_bytes]), True
        if not unpacker.eof or not content.startswith(b"\x1f\x8b"):
            return bytes(decoded), False
    return bytes(decoded), True


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
