"""Reads many parts of objects side by side, and never more at once than a bucket likes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

AT_ONCE = 16

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = AT_ONCE) -> None:
    """Do `work` for all items, `at_once` of them at a time. The first error ends it and is raised."""
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
