"""Who works on which recording: a claim is a lease (until when) and a fence (a number that grows with each claim).

A worker that lost its lease finds that out when it saves: the fence has moved on.
"""

from typing import NamedTuple

import sqlalchemy as sa

from service.database.documents import decode_recording
from service.database.tables import recordings
from service.recording import Recording


class Claim(NamedTuple):
    """A recording this worker alone may act on, and the fence to save it with."""

    recording: Recording
    fence: int


def claim_due(connection: sa.Connection, now: float, worker_id: str, lease_seconds: float, limit: int) -> list[Claim]:
    """Claim what is due and not leased by anybody, the longest due first."""
    due = (
        sa.select(recordings.c.id)
        .where(
            recordings.c.due_at <= now,
            sa.or_(recordings.c.lease_until.is_(None), recordings.c.lease_until <= now),
        )
        .order_by(recordings.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    query = (
        recordings.update()
        .where(recordings.c.id.in_(due))
        .values(lease_owner=worker_id, lease_until=now + lease_seconds, fence=recordings.c.fence + 1)
        .returning(recordings.c.due_at, recordings.c.document, recordings.c.fence)
    )
    rows = sorted(connection.execute(query), key=lambda row: row.due_at)
    return [Claim(decode_recording(row.document), row.fence) for row in rows]


def renew(connection: sa.Connection, recording_id: str, fence: int, until: float) -> bool:
    """Prolong a claim; False if it is lost."""
    query = recordings.update().where(
        recordings.c.id == recording_id, recordings.c.fence == fence, recordings.c.lease_owner.is_not(None)
    )
    return connection.execute(query.values(lease_until=until)).rowcount == 1


def release_all(connection: sa.Connection, worker_id: str) -> int:
    """Give back every claim of a worker that stops; how many there were."""
    query = recordings.update().where(recordings.c.lease_owner == worker_id, recordings.c.due_at.is_not(None))
    return connection.execute(query.values(lease_owner=None, lease_until=None)).rowcount


def release_left(connection: sa.Connection) -> int:
    """Give back every claim there is; for a database that no other process can be at: who held them is dead."""
    query = recordings.update().where(recordings.c.lease_owner.is_not(None))
    return connection.execute(query.values(lease_owner=None, lease_until=None)).rowcount


def count_overdue(connection: sa.Connection, now: float) -> int:
    """How many recordings are due and not yet done."""
    return connection.execute(sa.select(sa.func.count()).where(recordings.c.due_at <= now)).scalar_one()
