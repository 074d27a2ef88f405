"""Reading parts of objects, many at a time, and never more at once than a bucket likes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from service.buckets import Bucket, Usage
from service.errors import Unavailable
from service.media.verdict import Judgement

AT_ONCE = 16

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = AT_ONCE) -> None:
    """Do `work` for all items, so many at a time. The first error ends it and is raised."""
    left = iter(items)

    async def run() -> None:
        for item in left:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(run())
    except ExceptionGroup as errors:  # not `except*`: what is raised within comes out of 3.11.2 as a group
        raise errors.exceptions[0] from None


async def read_range(bucket: Bucket, key: str, first: int, length: int, usage: Usage) -> bytes | None:
    """`length` bytes of an object from `first` on, or fewer where it ends; None where there is no such object. Raises
    `OutsideError`, also for a store that does not know ranges."""
    fetched = await bucket.fetch(key, length, span=(first, first + length - 1), usage=usage)
    if fetched is None:
        return None
    if first and fetched.size_bytes is None:
        raise Unavailable("storage_unreachable", "the bucket does not answer ranges")
    return fetched.content


def missing(judgement: Judgement, key: str, code: str = "slice_missing") -> None:
    """What was listed is not there any more, or not yet."""
    judgement.findings.add(code, f"{key} was listed, but is not there when it is read.", key=key)
