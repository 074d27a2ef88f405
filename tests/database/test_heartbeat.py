"""A database that nobody has worked on for a while, or that has gone back, says so until somebody says what runs."""

import pytest
import sqlalchemy as sa

from service.database.engine.database import Database
from service.database.engine.heartbeat import GAP_SECONDS, beat, end_restore, is_restored
from service.database.tables import deployment


async def test_beats_in_time_say_that_it_is_known_what_runs(database: Database) -> None:
    assert await database.run(lambda c: beat(c, 1000, None)) is None, "the first of all"
    assert await database.run(lambda c: beat(c, 1000 + GAP_SECONDS, 1000)) is None
    assert not await database.run(is_restored)


async def test_after_a_gap_it_is_not_known_until_somebody_says_so(database: Database) -> None:
    await database.run(lambda c: beat(c, 1000, None))
    assert await database.run(lambda c: beat(c, 1100, None)) == 1100
    assert await database.run(lambda c: beat(c, 1105, 1100)) == 1100
    assert await database.run(is_restored)
    await database.run(lambda c: end_restore(c, 1099))
    assert await database.run(is_restored), "that was about an earlier one"
    await database.run(lambda c: end_restore(c, 1100))
    assert not await database.run(is_restored)


@pytest.mark.parametrize("put_back", [1000, None])
async def test_a_database_that_goes_back_under_a_worker_is_noticed_without_a_gap(
    database: Database, put_back: float | None
) -> None:
    """As a standby does that lacks the last commits."""
    await database.run(lambda c: beat(c, 1000, None))
    await database.run(lambda c: beat(c, 1005, 1000))
    await database.run(lambda c: c.execute(sa.update(deployment).values(alive_at=put_back)))
    assert await database.run(lambda c: beat(c, 1010, 1005)) == 1010
