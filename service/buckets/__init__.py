"""Reads the buckets that Agora writes into, and never deletes anything.

For: listing, fetching and presigning, whatever the vendor. It must not judge what it reads, and nothing above it knows
the libraries it uses: their errors end here as `Refused` or `Unavailable`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from service.report import ListedObject

if TYPE_CHECKING:
    from service.buckets.listing.walking import Walk


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens a bucket. Never shown: not in a repr, an error or a log."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Usage:
    """What one look at a bucket cost so far; `cpu_seconds` of judging what was read, `repeats`: requests that were made
    again because the store did not answer (they count as `requests` too)."""

    requests: int = 0
    bytes_read: int = 0
    objects: int = 0
    cpu_seconds: float = 0.0
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object, or the part of it that was asked for. `size_bytes` of the whole object where the store said it;
    `cut`: there was more than `max_bytes`, and `content` is the beginning.

    `content` are the stored bytes: `encoding` is the Content-Encoding that the store names for them (`gzip`), empty
    where it names none; see `encodings.fetch_text`. `checksum` is what the store itself keeps of the whole object, as
    `name:value`, where the whole object was asked for and the store says it; see `values.parse_checksum`.
    """

    content: bytes
    etag: str
    size_bytes: int | None
    cut: bool
    encoding: str = ""
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Headed:
    """What a store says of an object without giving it."""

    size_bytes: int
    etag: str


class Bucket(Protocol):
    """One bucket of any vendor. All methods raise `Refused` (answered, and asking again will not help) or
    `Unavailable` (anything that may pass), never a library's own error."""

    def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: "Walk | None" = None
    ) -> AsyncIterator[list[ListedObject]]:
        """The objects below `prefix` whose keys come after `after`, each once, a page at a time. The order is the
        store's: most stores give the order of the keys. Where it raised, a call with the same `walk` goes on with the
        page that failed."""

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """At most `max_bytes` of the object, or of its bytes `span` (first, last); None where there is none."""

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Size and ETag of an object that is there."""

    async def presign(self, key: str, seconds: int) -> str:
        """A URL that lets whoever holds it fetch the object for `seconds`. It is a secret; no request is made."""

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """The first object below `prefix`, asked for to learn whether the keys may list."""

    async def probe_write(self, key: str) -> None:
        """Write a tiny object, to learn whether the keys may; it is left there."""

    async def close(self) -> None:
        """Let go of what the bucket holds."""
