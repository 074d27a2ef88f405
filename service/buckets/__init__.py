"""Reads the buckets that Agora writes into, and never deletes anything.

The package lists, fetches and presigns for every vendor without judging the contents. Callers do not see the underlying
libraries: their errors become `Refused` or `Unavailable`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from service.report import ListedObject

if TYPE_CHECKING:
    from service.buckets.listing.walking import Walk


@dataclass(frozen=True, slots=True)
class Keys:
    """The credentials of a bucket. They never appear in a repr, an error or a log."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Usage:
    """The cost of a verification so far; `cpu_seconds` is the time of judging, `repeats` are requests repeated because
    the store did not answer (they count as `requests` too)."""

    requests: int = 0
    bytes_read: int = 0
    objects: int = 0
    cpu_seconds: float = 0.0
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object, or the requested part of it. `size_bytes` is that of the whole object if the store states it; `cut`:
    more than `max_bytes` exist, and `content` is the beginning.

    `content` are the stored bytes: `encoding` is the Content-Encoding that the store states for them (`gzip`), empty if
    none; see `encodings.fetch_text`. `checksum` is the store's own of the whole object, as `name:value`, if the whole
    object was requested and the store states it; see `values.parse_checksum`.
    """

    content: bytes
    etag: str
    size_bytes: int | None
    cut: bool
    encoding: str = ""
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Headed:
    """The metadata of an object without its content."""

    size_bytes: int
    etag: str


class Bucket(Protocol):
    """One bucket of any vendor. All methods raise `Refused` (a repetition will not help) or `Unavailable` (any
    temporary failure), never a library's own error."""

    def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: "Walk | None" = None
    ) -> AsyncIterator[list[ListedObject]]:
        """Yield the objects below `prefix` with keys after `after`, each once, a page at a time. The order is the
        store's, usually that of the keys. After an exception, a call with the same `walk` continues with the failed
        page."""

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """Return at most `max_bytes` of the object, or of its bytes `span` (first, last); None if it does not exist."""

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Return size and ETag of an existing object."""

    async def presign(self, key: str, seconds: int) -> str:
        """Return a URL with which anyone can fetch the object for `seconds`. It is a secret; no request is made."""

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """Return the first object below `prefix`, to test whether the keys may list."""

    async def probe_write(self, key: str) -> None:
        """Write a tiny object, to test whether the keys may write. It is not deleted."""

    async def close(self) -> None:
        """Release the resources of the bucket."""
