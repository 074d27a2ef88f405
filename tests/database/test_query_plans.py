"""No statement that runs often may walk a table that grows: each is found through an index, at any size."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from service.database import actions, claims, evidence, idempotency, ledger, outbox, recordings
from service.database import audit_rows as filed
from service.database.engine.database import Database
from service.database.notifications import stored as notifications
from service.recording import State

GROWING = (
    *("recordings", "attempts", "labels", "notifications", "files", "history", "reports", "messages", "deliveries"),
    *("idempotency_keys", "ledger", "actions"),
)
# Walked as a whole on purpose: they hold only what is under way.
SMALL = ("ix_notifications_new", "ix_recordings_due", "ix_messages_unpublished", "ix_ledger_running")
OWN: dict[str, Any] = {"owner": "school", "limit": 50}
LATE = (1e9, "rec_1")

Statement = Callable[[sa.Connection], object]

CLAIM = notifications.NoticeClaim(1, "main", 0.0, 1, b"", "rec_1")
HOT: dict[str, Statement] = {
    "load a recording": lambda c: recordings.load_recording(c, "rec_1", owner="school", lock=True),
    "several recordings": lambda c: recordings.load_several(c, "school", ["rec_1", "rec_2"]),
    "recordings with pictures": lambda c: evidence.find_pictured(c, "school", ["rec_1", "rec_2"]),
    "whose recordings are": lambda c: recordings.load_owners(c, {"rec_1", "rec_2"}),
    "a recording by its task": lambda c: recordings.find_by_sid(c, "school", "s"),
    "list": lambda c: recordings.list_recordings(c, **OWN),
    "list on": lambda c: recordings.list_recordings(c, **OWN, after=LATE),
    "list states": lambda c: recordings.list_recordings(c, **OWN, states={State.VERIFIED, State.FAILED}),
    "list an app and a time": lambda c: recordings.list_recordings(c, **OWN, app="main", from_at=1, to_at=2),
    "list planned": lambda c: recordings.list_recordings(c, **OWN, planned=True, after=LATE),
    "list warned": lambda c: recordings.list_recordings(c, **OWN, warned=True, states={State.VERIFIED}, after=LATE),
    "count all": lambda c: recordings.count_recordings(c, "school", 1000),
    "count planned": lambda c: recordings.count_recordings(c, "school", 1000, planned=True),
    "count warned": lambda c: recordings.count_recordings(c, "school", 1000, warned=True, states={State.VERIFIED}),
    "count states": lambda c: recordings.count_recordings(c, "school", 1000, states={State.FAILED}, planned=False),
    "deliveries": lambda c: outbox.list_deliveries(c, "school", state=None, endpoint=None, before=None, limit=50),
    "list labels": lambda c: recordings.list_recordings(c, **OWN, with_labels={"a": "1", "b": "2"}, after=LATE),
    "claim steps": lambda c: claims.claim_due(c, 1, "worker", 60, 8),
    "renew a claim": lambda c: claims.renew(c, [("rec_1", 1)], 60),
    "what is held": lambda c: claims.versions_held(c, "worker", {"rec_1", "rec_2"}),
    "give a claim back": lambda c: claims.give_back(c, "rec_1", 1),
    "give claims back": lambda c: claims.release_all(c, "worker"),
    "count what is overdue": lambda c: claims.count_overdue(c, 1),
    "count what runs on": lambda c: ledger.count_overrunning(c, 1),
    "sort notices": lambda c: notifications.sort_notices(c, 1, 50, "test"),
    "finish a notice": lambda c: notifications.finish_notice(c, CLAIM, "applied"),
    "notices": lambda c: notifications.list_notices(c, limit=50, before=9),
    "notices of a task": lambda c: notifications.list_notices(c, limit=50, sid="s"),
    "notices of a recording": lambda c: notifications.list_notices(c, limit=50, recording_id="rec_1"),
    "notices that are new": lambda c: notifications.list_notices(c, limit=50, outcome="new"),
    "notices that are parked": lambda c: notifications.list_notices(c, limit=50, outcome="parked", before=9),
    "notices of a type": lambda c: notifications.list_notices(c, limit=50, event_type=12, before=9),
    "checks of the console": lambda c: notifications.tested_events(c, "main", 9),
    "depth of the inbox": notifications.measure_inbox,
    "history": lambda c: evidence.load_history(c, "rec_1", after=3, limit=50),
    "files": lambda c: evidence.load_files(c, "rec_1", after="k", limit=50),
    "notices for a bundle": lambda c: notifications.load_applied(c, "rec_1", 50),
    "reports": lambda c: evidence.load_reports(c, "rec_1", 50),
    "a report": lambda c: evidence.load_report(c, "rec_1"),
    "the report before": lambda c: evidence.load_seen_report(c, "rec_1"),
    "publish messages": outbox.publish,
    "the feed": lambda c: outbox.load_events(c, "school", after=3, limit=50),
    "claim deliveries": lambda c: outbox.claim_deliveries(c, "hook", 1, 60, 8),
    "the oldest delivery": outbox.oldest_pending,
    "what a bucket should hold": lambda c: filed.load_filed(c, "archive", "pr/", "pr/k"),
    "actions": lambda c: actions.list_actions(c, "school", limit=50, before=9),
    "an idempotency key": lambda c: idempotency.load_answer(c, "school", "key"),
}


def _plans(connection: sa.Connection, statement: Statement) -> list[str]:
    """The plan of each statement that is executed, a line a step."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, sql: str, parameters: Any, _context: object, _many: object) -> None:
        asked.append((sql, parameters))

    sa.event.listen(connection, "before_cursor_execute", note)
    statement(connection)
    sa.event.remove(connection, "before_cursor_execute", note)
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a small table is walked for being small
    explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    found = [connection.exec_driver_sql(explain + sql, parameters).all() for sql, parameters in asked]
    return [str(row[-1]) for rows in found for row in rows]


def _walks(plan: list[str]) -> list[str]:
    """Steps that go through all of a growing table or index."""
    table = "|".join(GROWING)
    found = []
    for number, step in enumerate(plan):
        if re.search(rf"\b(Seq Scan on|SCAN) ({table})\b", step) and not any(name in step for name in SMALL):
            found.append(step)
        conditions = " ".join(plan[number + 1 : number + 3])
        indexed = re.search(r"Index (Only )?Scan.* using (\w+)", step)
        if indexed and indexed[2] not in SMALL and "Index Cond" not in conditions:
            found.append(step)
    return found


@pytest.mark.parametrize("name", HOT)
async def test_what_runs_often_is_found_through_an_index(name: str, database: Database) -> None:
    plan = await database.run(lambda connection: _plans(connection, HOT[name]))
    assert plan, "something was asked"
    assert not _walks(plan), "\n".join(plan)


async def test_a_walk_is_recognised(database: Database) -> None:
    def walk(connection: sa.Connection) -> list[str]:
        return _plans(connection, lambda c: c.exec_driver_sql("SELECT body FROM notifications WHERE cname = 'x'"))

    assert _walks(await database.run(walk))
