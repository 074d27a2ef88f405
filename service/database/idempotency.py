"""What was answered to a request with an `Idempotency-Key`, so that its repetition gets the same answer."""

from typing import NamedTuple

import sqlalchemy as sa

from service.database.recordings import upsert
from service.database.tables import idempotency_keys


class KeptAnswer(NamedTuple):
    """`request_hash` is `Seals.keyed_hash` of the request; `body` is the answer as first rendered."""

    request_hash: str
    recording_id: str
    body: bytes


def load_answer(connection: sa.Connection, owner: str, key: str) -> KeptAnswer | None:
    """What this owner's key was answered with, or None if it is new."""
    columns = (idempotency_keys.c[name] for name in KeptAnswer._fields)
    query = sa.select(*columns).where(idempotency_keys.c.owner == owner, idempotency_keys.c.key == key)
    row = connection.execute(query).one_or_none()
    return None if row is None else KeptAnswer(*row)


def insert_answer(connection: sa.Connection, owner: str, key: str, answer: KeptAnswer, now: float) -> bool:
    """Keep an answer, after inserting its recording. False if the key is taken: roll back, and load what is there.

    On PostgreSQL it waits for another transaction that is about to take the same key.
    """
    query = upsert(connection, idempotency_keys).values(owner=owner, key=key, created_at=now, **answer._asdict())
    return bool(connection.execute(query.on_conflict_do_nothing(index_elements=["owner", "key"])).rowcount == 1)


def prune_answers(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Forget at most `limit` of the answers given before `before_at`; how many there were."""
    key = sa.tuple_(idempotency_keys.c.owner, idempotency_keys.c.key)
    old = sa.select(idempotency_keys.c.owner, idempotency_keys.c.key).where(idempotency_keys.c.created_at < before_at)
    return connection.execute(idempotency_keys.delete().where(key.in_(old.limit(limit)))).rowcount
