"""Goes through the pages of one listing, whatever their order, and makes sure that it ends."""

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
    """Which keys a listing has shown: eight bytes a key while they come in order, some sixty from then on."""

    def __init__(self) -> None:
        self._last = ""
        self._ordered: array[int] = array("q")
        self._hashes: set[int] | None = None

    def new(self, objects: Sequence[ListedObject]) -> list[ListedObject]:
        """Those of `objects` that were not shown before; from now on they were."""
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
    """One listing of the keys after `after`, and how far it came. `token` is what the next page is asked with, None at
    the beginning."""

    def __init__(self, after: str) -> None:
        self.token: str | None = None
        self._after = after
        self._seen = SeenKeys()
        self._tokens: set[int] = set()
        self._idle = 0

    def take(self, objects: Sequence[ListedObject]) -> list[ListedObject]:
        """What the page shows that no page before it did. A store that cannot start after a key shows earlier ones."""
        fresh = self._seen.new(objects)
        self._idle = 0 if fresh else self._idle + 1
        return [one for one in fresh if one.key > self._after] if self._after else fresh

    def go_on(self, token: str | None) -> None:
        """Set the token of the next page. Raises Unavailable where the listing turns in circles."""
        if token is None or hash(token) in self._tokens:
            raise Unavailable("storage_unreachable", "the listing does not say how it goes on")
        if self._idle >= _IDLE_PAGES:
            raise Unavailable("storage_unreachable", "the listing goes on without showing anything")
        self._tokens.add(hash(token))
        self.token = token


async def fill_sizes(
    objects: Sequence[ListedObject], head: Callable[[str], Awaitable[Headed]]
) -> Sequence[ListedObject]:
    """`objects` with the sizes that their page did not say, asked for one by one; what stands for a folder has none.
    Raises Unavailable where the store does not say them either."""
    unsized = [one.key for one in objects if one.size_bytes == UNSIZED]
    if not unsized:
        return objects
    lacking = [key for key in unsized if not key.endswith("/")]
    if len(lacking) > _MOST_UNSIZED:
        raise Unavailable("storage_unreachable", "the listing does not say how large its objects are")
    sizes = dict.fromkeys(unsized, 0) | {key: (await head(key)).size_bytes for key in lacking}
    return [replace(one, size_bytes=sizes.get(one.key, one.size_bytes)) for one in objects]
