"""Compares a bucket with the database in both directions, in bounded memory and without changes.

Both sides are ordered by key and read in parallel. A store that lists in another order cannot be compared, because
sorting its listing would need memory for the whole listing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from service.buckets import Bucket, Usage
from service.errors import Unavailable
from service.recording import State
from service.report import ListedObject


class Difference(StrEnum):
    """The kinds of difference between bucket and database. A `foreign` object is below the prefix of no recording. An
    `unfiled` object is below the prefix of a finished recording, but no verification stored it. A `vanished` or
    `changed` object belongs to a verified recording. A `not_over` object is like an `unfiled` one, but its recording is
    still writing or is being verified again, so the difference is expected."""

    FOREIGN = "foreign"
    UNFILED = "unfiled"
    VANISHED = "vanished"
    CHANGED = "changed"
    NOT_OVER = "not_over"


@dataclass(frozen=True, slots=True)
class Filed:
    """An object as stored by the last verification of its recording. `verified` states whether the recording is
    verified."""

    key: str
    recording_id: str
    verified: bool
    listed: bool
    size_bytes: int | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference. If `recording_id` is None, the object belongs to no recording."""

    kind: Difference
    key: str
    recording_id: str | None
    detail: str


@dataclass(slots=True)
class Compared:
    """The counts so far: objects of the bucket, and stored objects of verified recordings."""

    objects: int = 0
    size_bytes: int = 0
    filed: int = 0
    recordings: int = 0
    _last: str = ""

    @property
    def nothing(self) -> bool:
        return not (self.objects or self.filed)

    def count_filed(self, one: Filed) -> None:
        """Count a stored object. The objects of a recording are consecutive, because their keys are."""
        if one.verified and one.listed:
            self.filed += 1
            self.recordings += one.recording_id != self._last
            self._last = one.recording_id


Pages = Callable[[str], Awaitable[list[Filed]]]
"""Returns the next stored objects below the prefix with keys after the given one, in order, or an empty list at the
end."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The recording whose prefix contains an object."""

    recording_id: str
    state: State


Owner = Callable[[str], Awaitable[Holder | None]]
"""Returns the recording whose prefix contains a key."""


async def compare(
    bucket: Bucket, prefix: str, pages: Pages, owner: Owner, usage: Usage, compared: Compared, own: str = ""
) -> AsyncIterator[Discrepancy]:
    """Yield every difference below `prefix`, except for the object `own`, and count into `compared`. Raise
    `OutsideError` if the bucket cannot be read or does not list in key order."""
    filed = _filed(pages, compared)
    one = await anext(filed, None)
    last = ""
    async for page in bucket.list_objects(prefix, usage=usage):
        for listed in page:
            if listed.key <= last:
                raise Unavailable("storage_unreachable", "the listing is not in the order of its keys")
            last = listed.key
            if listed.key == own:
                continue
            compared.objects += 1
            compared.size_bytes += listed.size_bytes
            while one is not None and one.key < listed.key:
                if found := _vanished(one):
                    yield found
                one = await anext(filed, None)
            if one is None or one.key != listed.key:
                yield await _unknown(listed, owner)
                continue
            if found := _changed(one, listed):
                yield found
            one = await anext(filed, None)
    while one is not None:
        if found := _vanished(one):
            yield found
        one = await anext(filed, None)


async def _filed(pages: Pages, compared: Compared) -> AsyncIterator[Filed]:
    after = ""
    while page := await pages(after):
        for one in page:
            compared.count_filed(one)
            yield one
        after = page[-1].key


async def _unknown(listed: ListedObject, owner: Owner) -> Discrepancy:
    holder = await owner(listed.key)
    if holder is None:
        return Discrepancy(Difference.FOREIGN, listed.key, None, f"{listed.size_bytes} bytes")
    if holder.state.terminal:
        return Discrepancy(Difference.UNFILED, listed.key, holder.recording_id, f"{listed.size_bytes} bytes")
    return Discrepancy(Difference.NOT_OVER, listed.key, holder.recording_id, holder.state)


def _vanished(one: Filed) -> Discrepancy | None:
    if not (one.verified and one.listed):
        return None
    return Discrepancy(Difference.VANISHED, one.key, one.recording_id, f"had {one.size_bytes} bytes")


def _changed(one: Filed, listed: ListedObject) -> Discrepancy | None:
    if not (one.verified and one.listed) or (one.size_bytes, one.etag) == (listed.size_bytes, listed.etag):
        return None
    detail = (
        f"had {one.size_bytes} bytes, has {listed.size_bytes}"
        if one.size_bytes != listed.size_bytes
        else f"had the ETag {one.etag}, has {listed.etag}"
    )
    return Discrepancy(Difference.CHANGED, one.key, one.recording_id, detail)
