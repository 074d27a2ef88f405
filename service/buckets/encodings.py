"""Undoes the Content-Encoding of small text objects, in bounded memory.

The HTTP client never does: sizes, ranges and checksums are those of the bytes that are stored.
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
    """A whole text object as a player reads it: at most `max_bytes` of it, with its Content-Encoding undone.

    `encoding`, `etag`, `size_bytes` and `checksum` stay those of the stored object. `content` is empty where the bytes
    are not what their encoding says: players refuse them. Raises `Refused` for an encoding that cannot be undone here.
    """
    fetched = await bucket.fetch(key, max_bytes, usage=usage)
    return None if fetched is None else decode_text(fetched, max_bytes)


def decode_text(fetched: Fetched, max_bytes: int) -> Fetched:
    """`fetched` with its encoding undone; see `fetch_text`."""
    codings = [name for name in fetched.encoding.split(", ") if name]
    if not codings:
        return fetched
    unknown = [name for name in codings if name not in _CODINGS]
    if unknown == codings and not set(codings) & set(_KNOWN_TO_PLAYERS) and _is_text(fetched.content):
        return fetched  # players pass over a name that they do not know
    if unknown or len(codings) > _MOST_CODINGS:
        raise Refused("storage_encoding_unknown", "an object is stored with a Content-Encoding that is not read here")
    content, cut = fetched.content, fetched.cut
    for coding in reversed(codings):
        decoded, longer = inflate(content, coding, max_bytes)
        content, cut = decoded, cut or longer
    return replace(fetched, content=content, cut=cut)


def inflate(content: bytes, coding: str, max_bytes: int) -> tuple[bytes, bool]:
    """At most `max_bytes` of what `gzip` or `deflate` packed, and whether there is more. A packed text that ends too
    early gives its beginning, bytes that were never packed give nothing."""
    for window in (31,) if coding == "gzip" else (15, -15):  # `deflate` means zlib's form, or the bare one
        try:
            return _inflate_members(content, window, max_bytes)
        except zlib.error:
            continue
    return b"", False


def _inflate_members(content: bytes, window: int, max_bytes: int) -> tuple[bytes, bool]:
    """Undo one packed text after another, and say whether there is more. Raises zlib.error."""
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
