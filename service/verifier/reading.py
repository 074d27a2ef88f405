"""Reads the listing and the relevant playlists of a recording, before any media is opened."""

import asyncio
import time
from collections.abc import Callable
from operator import attrgetter
from typing import ParamSpec, TypeVar

from service.buckets import Bucket, Usage
from service.buckets.encodings import fetch_text
from service.media.expectation import Expectation
from service.media.listing.rules import PlaylistRead
from service.media.listing.runs import SortedListing, limits_of, most_objects, sort_listing
from service.media.playlists.playlist import says_ended
from service.report import ListedObject

_BESIDE_THE_LOOP = 200

_P = ParamSpec("_P")
_T = TypeVar("_T")


class TooManyObjects(Exception):
    """The prefix has more objects than the recording can have created."""


async def list_all(bucket: Bucket, prefix: str, after: str, most: int, usage: Usage) -> list[ListedObject]:
    """Return every object below `prefix` with a key after `after`, in key order even if the store lists in another
    order. Raise `OutsideError` or `TooManyObjects`."""
    listed: list[ListedObject] = []
    async for page in bucket.list_objects(prefix, after, usage=usage):
        listed += page
        if len(listed) > most:
            raise TooManyObjects
    listed.sort(key=attrgetter("key"))
    return listed


async def read_recording(
    bucket: Bucket, expected: Expectation, usage: Usage
) -> tuple[SortedListing, dict[str, PlaylistRead]]:
    """Return the listing and the playlists by key. The playlists are read last. Raise `OutsideError` or
    `TooManyObjects`."""
    for last_try in (False, True):
        listed = await list_all(bucket, expected.key_prefix, "", most_objects(expected), usage)
        listing = await beside(len(listed), sort_listing, expected, listed)
        reads, overwritten = await _read_playlists(expected, listing, bucket, usage)
        # A playlist written after the LIST may name slices that the LIST does not contain yet.
        if last_try or not overwritten:
            break
    return listing, reads


async def _read_playlists(
    expected: Expectation, listing: SortedListing, bucket: Bucket, usage: Usage
) -> tuple[dict[str, PlaylistRead], bool]:
    """Return the playlists by key, and whether one of them is newer than its listing."""
    reads: dict[str, PlaylistRead] = {}
    overwritten = False
    for one, run in listing.playlists:
        most = limits_of(expected, run).size_bytes + 1
        fetched = await fetch_text(bucket, one.key, most, usage=usage)
        if fetched is None:
            continue
        overwritten = overwritten or fetched.etag != one.etag
        reads[one.key] = PlaylistRead(fetched.content)
        if run is listing.runs[-1] and expected.end_proven and not says_ended(fetched.content):
            await asyncio.sleep(expected.policy.two_reads_apart_seconds)
            again = await fetch_text(bucket, one.key, most, usage=usage)
            if again is not None:
                stood = expected.policy.two_reads_apart_seconds if again.content == fetched.content else None
                reads[one.key] = PlaylistRead(again.content, stood)
    return reads, overwritten


async def beside(size: int, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `function` without blocking the loop. If `size` (about the number of objects) is large, call it in a
    thread."""
    if size > _BESIDE_THE_LOOP:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


def counted(usage: Usage, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `function` and count its CPU time."""
    began = time.thread_time()
    try:
        return function(*args, **kwargs)
    finally:
        usage.cpu_seconds += time.thread_time() - began


def weight(reads: dict[str, PlaylistRead]) -> int:
    """Return the amount to parse, in the unit that `beside` uses."""
    return sum(len(read.content) for read in reads.values()) // 200
