"""The audit trail of callers' actions with their tokens: one row in the transaction of each action."""

from typing import NamedTuple

import sqlalchemy as sa

from service.database.tables import actions


class ActionRow(NamedTuple):
    """One action. `subject` is the id of a recording, notification or message, or the name of an endpoint."""

    id: int
    at: float
    token_id: str
    action: str
    subject: str


_COLUMNS = tuple(actions.c[name] for name in ActionRow._fields)


def insert_action(
    connection: sa.Connection, *, owner: str, token_id: str, action: str, subject: str, at: float
) -> None:
    """Insert one action."""
    row = {"at": at, "owner": owner, "token_id": token_id, "action": action, "subject": subject}
    connection.execute(actions.insert(), row)


def list_actions(connection: sa.Connection, owner: str, *, limit: int, before: int | None = None) -> list[ActionRow]:
    """Return an owner's actions, newest first. `before` is the id of the last action seen."""
    query = sa.select(*_COLUMNS).where(actions.c.owner == owner)
    if before is not None:
        query = query.where(actions.c.id < before)
    return [ActionRow(*row) for row in connection.execute(query.order_by(actions.c.id.desc()).limit(limit))]


def prune_actions(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` of the oldest actions from before `before_at`. Return the number of deleted actions."""
    first = sa.select(actions.c.id, actions.c.at).order_by(actions.c.id).limit(limit).subquery()
    old = sa.select(first.c.id).where(first.c.at < before_at)
    return connection.execute(actions.delete().where(actions.c.id.in_(old))).rowcount
