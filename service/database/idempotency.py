"""Stores the answers to requests with an `Idempotency-Key`, so that a repeated request gets the same answer."""

from typing import NamedTuple

import sqlalchemy as sa

from service.database.recordings import upsert
from service.database.tables import idempotency_keys


class KeptAnswer(NamedTuple):
    """A stored answer. `request_hash` is `Seals.keyed_hash` of the request; `body` is the answer as first rendered."""

    request_hash: str
    recording_id: str
    body: bytes


def load_answer(connection: sa.Connection, owner: str, key: str) -> KeptAnswer | None:
    """Return the stored answer of this owner's key, or None if the key is new."""
    columns = (idempotency_keys.c[name] for name in KeptAnswer._fields)
    query = sa.select(*columns).where(idempotency_keys.c.owner == owner, idempotency_keys.c.key == key)
    row = connection.execute(query).one_or_none()
    return None if row is None else KeptAnswer(*row)


def insert_answer(connection: sa.Connection, owner: str, key: str, answer: KeptAnswer, now: float) -> bool:
    """Store an answer after inserting its recording. Return False if the key is taken; in this case roll back and load
    the stored answer.

    On PostgreSQL this waits for another transaction that is taking the same key.
    """
    query = upsert(connection, idempotency_keys).values(owner=owner, key=key, created_at=now, **answer._asdict())
    return bool(connection.execute(query.on_conflict_do_nothing(index_elements=["owner", "key"])).rowcount == 1)


def prune_answers(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` of the answers from before `before_at`. Return the number of deleted answers."""
    key = sa.tuple_(idempotency_keys.c.owner, idempotency_keys.c.key)
    old = sa.select(idempotency_keys.c.owner, idempotency_keys.c.key).where(idempotency_keys.c.created_at < before_at)
    return connection.execute(idempotency_keys.delete().where(key.in_(old.limit(limit)))).rowcount
