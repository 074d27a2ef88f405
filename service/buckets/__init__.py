"""Reads the buckets that Agora writes into, and never deletes anything.

For: listing, fetching and presigning, whatever the vendor. It must not judge what it reads, and nothing above it knows
the libraries it uses: their errors end here as `Refused` or `Unavailable`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens a bucket. Never shown: not in a repr, an error or a log."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Usage:
    """What one look at a bucket cost so far."""

    requests: int = 0
    bytes_read: int = 0
    objects: int = 0


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object, or the part of it that was asked for. `size_bytes` of the whole object where the store said it;
    `cut`: there was more than `max_bytes`, and `content` is the beginning."""

    content: bytes
    etag: str
    size_bytes: int | None
    cut: bool
