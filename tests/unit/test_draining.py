"""The end of a service: what is under way may end, and a second signal does not wait for it."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

from pagereel import serving


class Slow:
    """Something under way that takes as long as it may. `given` are the seconds it was asked to end within."""

    def __init__(self) -> None:
        self.given: list[float] = []

    async def drain(self, seconds: float) -> None:
        self.given.append(seconds)
        await asyncio.sleep(seconds)


async def test_what_is_under_way_may_end_until_a_second_signal() -> None:
    house: Any = SimpleNamespace(worker=Slow(), deliverer=Slow())
    hurry, complaints = asyncio.Event(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    await asyncio.wait_for(serving._drain(house, 0.01, hurry), 10)
    assert house.worker.given == house.deliverer.given == [0.01]
    asyncio.get_running_loop().call_later(0.05, hurry.set)
    await asyncio.wait_for(serving._drain(house, 600, hurry), 10)
    assert house.worker.given == house.deliverer.given == [0.01, 600, 0]
    gc.collect()
    assert not complaints, "a second signal is no error"
