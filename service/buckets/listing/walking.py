"""Follows the pages of one listing in any order, and ensures that it ends."""

from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from service.buckets import Headed
from service.buckets.listing.page import UNSIZED
from service.errors import Unavailable
from service.report import ListedObject

_IDLE_PAGES = 100
_MOST_UNSIZED = 100


class SeenKeys:
    """The keys that a listing has shown: eight bytes per key while they are in order, about sixty afterwards."""

    def __init__(self) -> None:
        self._last = ""
        self._ordered: array[int] = array("q")
        self._hashes: set[int] | None = None

    def new(self, objects: Sequence[ListedObject]) -> list[ListedObject]:
        """Return the `objects` not shown before, and remember them."""
        keys = [one.key for one in objects]
        if self._hashes is None:
            if all(before < key for before, key in pairwise([self._last, *keys])):
                self._ordered.extend(map(hash, keys))
                self._last = keys[-1] if keys else self._last
                return list(objects)
            self._hashes = set(self._ordered)
            self._ordered = array("q")
        fresh: list[ListedObject] = []
        for one in objects:
            name = hash(one.key)
            if name not in self._hashes:
                self._hashes.add(name)
                fresh.append(one)
        return fresh


class Walk:
    """The progress of one listing of the keys after `after`. `token` is that of the next page, None at the
    beginning."""

    def __init__(self, after: str) -> None:
        self.token: str | None = None
        self._after = after
        self._seen = SeenKeys()
        self._tokens: set[int] = set()
        self._idle = 0

    def take(self, objects: Sequence[ListedObject]) -> list[ListedObject]:
        """Return the page's objects that no earlier page showed. A store that cannot start after a key shows earlier
        ones."""
        fresh = self._seen.new(objects)
        self._idle = 0 if fresh else self._idle + 1
        return [one for one in fresh if one.key > self._after] if self._after else fresh

    def go_on(self, token: str | None) -> None:
        """Set the token of the next page. Raise `Unavailable` if the listing loops."""
        if token is None or hash(token) in self._tokens:
            raise Unavailable("storage_unreachable", "the listing does not say how it goes on")
        if self._idle >= _IDLE_PAGES:
            raise Unavailable("storage_unreachable", "the listing goes on without showing anything")
        self._tokens.add(hash(token))
        self.token = token


async def fill_sizes(
    objects: Sequence[ListedObject], head: Callable[[str], Awaitable[Headed]]
) -> Sequence[ListedObject]:
    """Return `objects` with the sizes missing in their page, requested one by one; folder markers have none. Raise
    `Unavailable` if the store does not state them either."""
    unsized = [one.key for one in objects if one.size_bytes == UNSIZED]
    if not unsized:
        return objects
    lacking = [key for key in unsized if not key.endswith("/")]
    if len(lacking) > _MOST_UNSIZED:
        raise Unavailable("storage_unreachable", "the listing does not say how large its objects are")
    sizes = dict.fromkeys(unsized, 0) | {key: (await head(key)).size_bytes for key in lacking}
    return [replace(one, size_bytes=sizes.get(one.key, one.size_bytes)) for one in objects]
