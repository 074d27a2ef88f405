"""Deletes old rows, a batch at a time. Objects in buckets are never deleted."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from service.database.actions import prune_actions
from service.database.idempotency import prune_answers
from service.database.notifications.stored import prune_notices
from service.database.outbox import prune_messages
from service.database.tables import history, recordings
from service.recording import State

BATCH: Final = 500
"""Rows per transaction. A transaction takes a few milliseconds, so intake is not delayed."""

Prune = Callable[[sa.Connection, float, int], int]


def prune_history(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` history rows from before `before_at` of finished recordings. Return the number of deleted
    rows."""
    over = sa.select(recordings.c.id).where(recordings.c.state.in_([state for state in State if state.terminal]))
    old = (
        sa.select(history.c.recording_id, history.c.number)
        .where(history.c.at < before_at, history.c.recording_id.in_(over))
        .order_by(history.c.at)
        .limit(limit)
    )
    key = sa.tuple_(history.c.recording_id, history.c.number)
    return connection.execute(history.delete().where(key.in_(old))).rowcount


RULES: Final[dict[str, Prune]] = {
    "notices_days": prune_notices,
    "messages_days": prune_messages,
    "history_days": prune_history,
    "idempotency_days": prune_answers,
    "actions_days": prune_actions,
}
"""The settings of `[retention]`, and the function that deletes the rows of each."""
