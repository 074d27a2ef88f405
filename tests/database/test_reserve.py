"""Room is kept beside a SQLite database, given up when its disk is full, and kept again when there is some."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from service.database.engine.database import Database
from service.database.engine.disk_reserve import Reserve
from service.errors import ServiceError


def test_room_is_really_taken_and_given_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "own.db", 1 << 20)
    file = tmp_path / "own.db.reserve"
    assert reserve.held
    assert file.stat().st_blocks * 512 >= 1 << 20
    reserve.give_up()
    assert (reserve.held, file.exists()) == (False, False)
    reserve.keep()
    assert reserve.held


def test_a_disk_without_as_much_to_spare_is_left_alone(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "own.db", 1 << 60)
    assert (reserve.held, list(tmp_path.iterdir())) == (False, [])


async def test_a_full_disk_is_told_and_is_an_outage(tmp_path: Path) -> None:
    """SQLite's own limit of pages stands for the disk's."""
    told: list[bool] = []
    async with await Database.open(f"sqlite:///{tmp_path}/own.db") as database:
        assert database.writer is not None
        database.writer.when_full = lambda: told.append(True)
        await database.run(lambda c: c.execute(sa.text("CREATE TABLE filled (content BLOB)")))
        await database.run(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 4").scalar())
        assert told == []
        with pytest.raises(ServiceError):
            await database.run(lambda c: c.execute(sa.text("INSERT INTO filled VALUES (zeroblob(100000))")))
        assert told == [True]
        await database.run(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1000").scalar())
        await database.run(lambda c: c.execute(sa.text("INSERT INTO filled VALUES (zeroblob(100000))")))
