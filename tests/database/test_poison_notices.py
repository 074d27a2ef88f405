"""A notification that always breaks something is parked after eight tries; the rest goes on; replays change nothing."""

from dataclasses import dataclass

import sqlalchemy as sa

from service.database.engine.database import Database
from service.database.evidence import load_history
from service.database.notifications.inbox import Inbox
from service.database.notifications.stored import load_notice, replay_notice
from service.database.recordings import insert_recording, load_recording
from service.database.sealing import Seals
from service.database.tables import notifications
from service.settings import Settings
from service.worker.store import MAX_TRIES, Work
from tests.database.samples import attempt, notice, recording

OURS = recording(1, attempts=(attempt(1, "test-1", 11),))
SETTINGS = Settings.model_validate({"deployment": "test"})


@dataclass
class Clock:
    now: float = 2000.0

    def __call__(self) -> float:
        return self.now


async def _apply_all(work: Work) -> None:
    for claim in (await work.sort_notices(50)).claims:
        await work.apply_notice(claim)


async def test_a_poison_notice_is_parked_after_eight_tries_and_holds_up_no_other(
    database: Database, seals: Seals
) -> None:
    clock = Clock()
    work = Work(SETTINGS, database, seals, worker_id="w", clock=clock)
    await database.run(lambda c: insert_recording(c, OURS, due_at=None))
    async with Inbox(database, seals) as inbox:
        for number in (1, 2):
            await inbox.put(notice(number))
    poison = sa.update(notifications).where(notifications.c.id == 1).values(body=b"nothing opens this")
    await database.run(lambda c: c.execute(poison))
    for tried in range(1, MAX_TRIES + 1):
        await _apply_all(work)
        first, second = [await database.run(lambda c, n=n: load_notice(c, n)) for n in (1, 2)]
        assert first is not None
        assert second is not None
        assert second.outcome == "applied", "the rest goes on at once"
        assert (first.outcome, first.tries) == ("new" if tried < MAX_TRIES else "parked", tried)
        clock.now += 1000
    await _apply_all(work)
    first = await database.run(lambda c: load_notice(c, 1))
    assert first is not None
    assert (first.outcome, first.tries) == ("parked", MAX_TRIES)


async def test_a_replayed_notice_changes_nothing(database: Database, seals: Seals) -> None:
    work = Work(SETTINGS, database, seals, worker_id="w", clock=Clock())
    await database.run(lambda c: insert_recording(c, OURS, due_at=None))
    async with Inbox(database, seals) as inbox:
        await inbox.put(notice(1))
    await _apply_all(work)
    before = await database.run(lambda c: (load_recording(c, OURS.id), load_history(c, OURS.id, after=0, limit=99)))
    await database.run(lambda c: replay_notice(c, 1))
    await _apply_all(work)
    replayed = await database.run(lambda c: load_notice(c, 1))
    assert replayed is not None
    assert replayed.outcome == "applied"
    after = await database.run(lambda c: (load_recording(c, OURS.id), load_history(c, OURS.id, after=0, limit=99)))
    assert before[0] is not None
    assert after[0] is not None
    assert after[0].attempts == before[0].attempts
    assert after[0].state is before[0].state
    assert [each.kind for each in after[1]] == [each.kind for each in before[1]]
