"""The worker knows since when a step was due and since when it works: a late stop says which of the two it was."""

import pytest

from service.database.engine.database import Database
from service.database.evidence import load_history
from service.database.sealing import Seals
from service.lifecycle.observations import Stop
from service.recording import State
from tests.database.test_unexpected_errors import Clock, add, row, running, store


@pytest.mark.parametrize(
    ("since", "because"), [(1990.0, "not_running"), (1800.0, "not_taken")], ids=["down at its stop time", "too busy"]
)
async def test_a_stop_that_was_taken_late_says_why(
    database: Database, seals: Seals, since: float, because: str
) -> None:
    wanted = running(1, state=State.RECORDING, stop_wished_at=None, end_reason=None, stop_at=1950.0)
    await add(database, wanted)
    clock = Clock(since)
    work = store(database, seals, clock)
    clock.now = 2000.0
    (task,) = await work.claim(12, 1, 1)
    assert isinstance(task.step, Stop)
    assert (await row(database, wanted)).warnings == ("stop_late",)
    lines = await database.run(lambda connection: load_history(connection, wanted.id, after=0, limit=9))
    told = {"code": "stop_late", "late_seconds": 50.0, "because": because}
    assert [(line.source, line.detail) for line in lines if line.kind == "warning"] == [("worker", told)]
