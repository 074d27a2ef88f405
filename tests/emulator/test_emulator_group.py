"""Work that must not be left half done is not, whoever is cancelled meanwhile."""

import asyncio

import pytest

from emulator.process.background import Group, to_its_end


async def test_what_is_begun_ends_before_whoever_waits_for_it_is_cancelled() -> None:
    done = []

    async def free() -> None:
        await asyncio.sleep(0.05)
        done.append("freed")

    async def live() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await to_its_end(free())

    group = Group()
    task = group.spawn(live(), "a task")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)  # now it frees, and is cancelled a second time by the group's end
    await group.close()
    assert done == ["freed"]
    assert task.cancelled()


async def test_its_result_and_its_error_are_handed_on() -> None:
    async def seven() -> int:
        return 7

    async def fail() -> None:
        raise ValueError("no")

    assert await to_its_end(seven()) == 7
    with pytest.raises(ValueError, match="no"):
        await to_its_end(fail())
