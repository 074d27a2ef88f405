"""Processes many parts of objects concurrently, within a limit that suits a bucket."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

AT_ONCE = 16

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = AT_ONCE) -> None:
    """Run `work` for all items, `at_once` concurrently. The first error ends all workers and is raised."""
    left = iter(items)

    async def run() -> None:
        for item in left:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(run())
    except ExceptionGroup as errors:  # not `except*`: in 3.11.2 an exception raised inside comes out as a group
        raise errors.exceptions[0] from None
