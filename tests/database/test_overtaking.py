"""A stop waits for no other step of its recording: the worker that holds the claim gives it back, and what comes of the
call that is still under way is written down all the same."""

from dataclasses import dataclass, replace

import pytest

from service.database.engine.database import Database
from service.database.recordings import insert_recording, load_recording
from service.database.sealing import Seals
from service.lifecycle.observations import (
    CallFailed,
    Failure,
    NoticeReceived,
    Observation,
    Query,
    Start,
    Started,
    Stop,
    Stopped,
    StopRequested,
    TaskSeen,
)
from service.operations.recordings.writing import observe
from service.recording import AttemptState, Notice, Recording, State
from service.settings import Settings
from service.worker.store import Task, Work
from tests.database.samples import attempt, recording

SETTINGS = Settings.model_validate({"deployment": "test"})
SID = "a" * 32
STARTED = NoticeReceived(Notice("n", 70, 1001.0, 1001.0, "test-1", "7", SID, 1, 6))


@dataclass
class Bench:
    """One recording whose start is under way."""

    database: Database
    work: Work
    other: Work
    start: Task

    async def observe(self, *observations: Observation) -> None:
        for one in observations:
            await self.database.run(lambda c, one=one: observe(c, self._load(c), one, 1002.0))

    async def claim(self, work: Work | None = None) -> list[Task]:
        return await (work or self.work).claim(12, 8, 8, [self.start])

    async def row(self) -> Recording:
        return await self.database.run(self._load)

    def _load(self, connection: object) -> Recording:
        found = load_recording(connection, self.start.recording.id)  # type: ignore[arg-type]
        assert found is not None
        return found


@pytest.fixture
async def bench(database: Database, seals: Seals) -> Bench:
    acquired = attempt(
        1, "test-1", 7, state=AttemptState.ACQUIRED, resource_id="r", resource_ids=("r",), acquired_at=1000.0
    )
    wanted = replace(recording(), state=State.STARTING, attempts=(acquired,), start_deadline_at=1120.0)
    await database.run(lambda c: insert_recording(c, wanted, due_at=1000.0))
    works = [Work(SETTINGS, database, seals, worker_id=name, clock=lambda: 1002.0) for name in ("one", "two")]
    [start] = await works[0].claim(12, 8, 8)
    assert isinstance(start.step, Start)
    return Bench(database, works[0], works[1], start)


async def test_a_start_under_way_is_overtaken_by_a_stop_and_by_nothing_else(bench: Bench) -> None:
    assert await bench.claim() == []
    await bench.observe(STARTED)
    assert await bench.claim() == []
    await bench.observe(StopRequested())
    [stop] = await bench.claim()
    assert isinstance(stop.step, Stop)
    assert stop.fence > bench.start.fence
    assert await bench.claim() == [], "once"


async def test_only_the_worker_that_holds_a_claim_gives_it_back(bench: Bench) -> None:
    await bench.observe(STARTED, StopRequested())
    assert await bench.claim(bench.other) == []


async def test_the_answer_of_an_overtaken_start_is_applied_and_the_stop_reports_all_the_same(bench: Bench) -> None:
    await bench.observe(STARTED, StopRequested())
    [stop] = await bench.claim()
    assert await bench.work.report(bench.start, Started("b" * 32, attempt=1)) is not None
    row = await bench.row()
    assert (row.attempts[0].sid, row.attempts[0].past_sids) == ("b" * 32, (SID,)), "another task: it is stopped too"
    assert await bench.work.report(stop, Stopped()) is not None


@pytest.mark.parametrize(
    "late", [TaskSeen(5), CallFailed(Query(), Failure.UNAVAILABLE, "transport")], ids=["answer", "failure"]
)
async def test_what_an_overtaken_step_would_say_of_a_past_state_is_dropped_quietly(
    bench: Bench, late: Observation
) -> None:
    await bench.observe(STARTED, StopRequested())
    await bench.claim()
    before = await bench.row()
    assert await bench.work.report(bench.start, late) is not None, "no claim was lost to anybody"
    assert await bench.row() == before


async def test_how_a_start_went_is_news_as_long_as_no_other_was_sent(bench: Bench) -> None:
    """Its claim is lost while it hangs, and nobody has done anything about it since."""
    failed = CallFailed(bench.start.step, Failure.UNKNOWN, "transport")
    late = replace(bench.start, fence=bench.start.fence - 1)
    assert await bench.work.report(late, failed) is not None
    assert (await bench.row()).attempts[0].state is AttemptState.UNKNOWN
    assert await bench.work.report(late, failed) is None, "it is known by now"
