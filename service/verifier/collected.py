"""Collects the facts that a verification reads, and the objects that it could not read with the reasons."""

from dataclasses import dataclass, field

from service.buckets import Bucket, Fetched, Usage
from service.errors import Unavailable
from service.media.listing.rules import Listed
from service.media.mp4 import Mp4
from service.media.mp4.facts import Flags
from service.media.pictures.measures import Look, Sample
from service.media.ts.slices import SliceFacts
from service.media.verdict import Snapshot, Unread, lost_seconds
from service.report import Level
from service.verifier.pace import Pace
from service.verifier.reading import beside, counted

# If more objects than this are unreadable, the store is down.
_MOST_UNREAD = 16
_PACKED = {"gzip", "deflate", "br", "zstd", "compress"}


@dataclass(slots=True)
class Collected:
    """The facts read so far, which the readers of each level add and whose `snapshot` the rules evaluate. `units`
    contains the digests of the coded pictures and audio frames of slices, if every byte is read."""

    bucket: Bucket
    listed: Listed
    usage: Usage
    pace: Pace = field(default_factory=Pace)
    slices: dict[int, SliceFacts] = field(default_factory=dict)
    samples: dict[int, Sample] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    mp4s: dict[str, Mp4] = field(default_factory=dict)
    mp4_undecodable: dict[str, dict[str, Flags]] = field(default_factory=dict)
    mp4_other: dict[str, dict[str, Flags]] = field(default_factory=dict)
    mp4_looks: dict[str, list[tuple[float, Look]]] = field(default_factory=dict)
    units: dict[int, tuple[list[int], list[int]]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        """Return all facts read so far."""
        return Snapshot(
            self.listed,
            self.slices,
            self.samples,
            self.mp4s,
            self.mp4_undecodable,
            self.mp4_other,
            self.mp4_looks,
            self.gone,
            tuple(self.unread),
            self.digests,
            self.checksums,
        )

    async def is_decided(self) -> bool:
        """Return whether the lost time already determines the verdict."""
        lost, allowed = await beside(len(self.slices), counted, self.usage, lost_seconds, self.snapshot())
        return lost > allowed

    def note_other(self, key: str, handler: str, flags: Flags) -> None:
        """Record samples of an MP4 file that differ from the slices."""
        of_file = self.mp4_other.setdefault(key, {})
        of_file[handler] = of_file[handler] | flags if handler in of_file else flags

    def unread_levels(self) -> list[Level]:
        """Return the levels that require objects that were not opened."""
        tables = [Level.STRUCTURE for facts in self.mp4s.values() if facts.could_not_read is not None]
        return [*(one.level for one in self.unread), *tables]

    def miss(self, level: Level, code: str, text: str, key: str | None = None) -> None:
        """Record that an object that `level` requires was not opened."""
        self.unread.append(Unread(code, text, key, level))

    async def read(
        self, key: str, first: int, length: int, level: Level, *, code: str = "slice_missing"
    ) -> bytes | None:
        """Return `length` bytes of an object beginning at `first`, or fewer at its end. Return None if the object no
        longer exists or cannot be read, and record this. Raise `OutsideError` if the store refuses or is down."""
        fetched = await self.fetch(key, length, level, span=(first, first + length - 1), code=code)
        if fetched is None:
            return None
        if first and fetched.size_bytes is None:
            raise Unavailable("storage_unreachable", "the bucket does not answer ranges")
        return fetched.content

    async def fetch(
        self, key: str, length: int, level: Level, *, span: tuple[int, int] | None = None, code: str = "slice_missing"
    ) -> Fetched | None:
        """Return at most `length` bytes of an object, or of its bytes `span`. See `read`."""
        try:
            fetched = await self.bucket.fetch(key, length, span=span, usage=self.usage)
        except Unavailable as error:
            self.miss(level, "object_unread", f"{key} could not be read: {error}.", key)
            if len(self.unread) > _MOST_UNREAD:
                raise
            return None
        if fetched is None:
            self.gone[key] = code
        elif set(fetched.encoding.split(", ")) & _PACKED:
            text = f"{key} is stored with the Content-Encoding {fetched.encoding}, so parts of it cannot be read."
            self.miss(level, "object_unread", text, key)
            return None
        return fetched
