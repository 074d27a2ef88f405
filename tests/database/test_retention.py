"""What is old is deleted in batches; what somebody still needs is not."""

from dataclasses import replace

import sqlalchemy as sa

from service.database import evidence, outbox
from service.database.engine.database import Database
from service.database.evidence import HistoryRow
from service.database.recordings import insert_recording
from service.database.retention import RULES, prune_history
from service.messages import Message
from service.recording import State
from service.settings import Retention
from tests.database.samples import recording

OVER, RUNNING = recording(1, state=State.VERIFIED), recording(2, state=State.RECORDING)


async def test_history_goes_in_batches_when_its_recording_is_over(database: Database) -> None:
    for each in (OVER, RUNNING):
        await database.run(lambda c, each=each: insert_recording(c, each, due_at=None))
        rows = [HistoryRow(number, float(number), "state", "agora", {}) for number in range(1, 6)]
        await database.run(lambda c, each=each, rows=rows: evidence.insert_history(c, each.id, rows))
    counts = [await database.run(lambda c: prune_history(c, 5.0, 3)) for _ in range(3)]
    assert counts == [3, 1, 0]
    left = await database.run(lambda c: [row.number for row in evidence.load_history(c, OVER.id, limit=9)])
    assert left == [5]
    assert len(await database.run(lambda c: evidence.load_history(c, RUNNING.id, limit=9))) == 5


async def test_a_message_goes_with_its_deliveries_but_not_while_one_waits(database: Database) -> None:
    told = replace(OVER, notify=("crm",))
    await database.run(lambda c: insert_recording(c, told, due_at=None))
    made = [Message(n, f"msg_{n}", float(n), "recording.verified", {}) for n in (1, 2, 9)]
    await database.run(lambda c: outbox.insert_messages(c, told, made))
    await database.run(lambda c: outbox.end_delivery(c, "crm", "msg_1", "delivered", 3.0))
    assert await database.run(lambda c: outbox.prune_messages(c, 5.0, 9)) == 1
    left = await database.run(lambda c: list(c.execute(sa.text("SELECT message_id FROM deliveries")).scalars()))
    assert sorted(left) == ["msg_2", "msg_9"]


def test_every_rule_is_a_setting() -> None:
    assert set(RULES) == set(Retention.model_fields)
