"""What hastens is not load-bearing: without notifications, and without any wake-up in memory, the end is the same."""

import asyncio

from house import CLEAN, House, Living, summary

from pagereel import app as service_app


async def _tell(house: House) -> dict[str, object]:
    """The plain story: start, record, stop; its end."""
    recording = await house.start()
    await house.slices(recording, 2)
    await house.do(recording, "stop")
    shown = await house.until(recording, "verified")
    return summary(shown, await house.files(recording))


async def test_with_every_notice_lost_the_end_is_the_same(build: Living, database_url: str) -> None:
    async with build(database_url=database_url, emulator={"faults": [{"kind": "notices_drop"}]}) as house:
        assert await _tell(house) == CLEAN
        assert await house.rows("SELECT count(*) FROM notifications") == [(0,)]


class _Deaf(asyncio.Event):
    """Nobody is ever woken."""

    def set(self) -> None:
        return


def _deafen(built: service_app.House) -> None:
    for name in ("_steps_wake", "_notices_wake"):
        assert isinstance(getattr(built.worker, name), asyncio.Event)
        setattr(built.worker, name, _Deaf())


async def test_with_every_wake_up_in_memory_thrown_away_the_end_is_the_same(build: Living, database_url: str) -> None:
    async with build(database_url=database_url, touch=_deafen) as house:
        assert await _tell(house) == CLEAN
        while await house.rows("SELECT count(*) FROM notifications WHERE outcome <> 'applied'") != [(0,)]:
            await asyncio.sleep(0.05)  # the last notice may still wait for the poll
