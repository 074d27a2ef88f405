"""Claims on recordings. A claim has a lease (its end time) and a fence (a number that increases with each claim).

A worker that lost its lease detects this when it saves, because the fence has changed.
"""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from service.database.documents import decode_recording
from service.database.tables import recordings
from service.recording import Recording


class PoisonedRow(Exception):
    """A claim of this recording failed with an unexpected error, which is chained."""

    def __init__(self, recording_id: str) -> None:
        super().__init__(recording_id)
        self.recording_id = recording_id


class Claim(NamedTuple):
    """A recording that only this worker may act on, the fence to save it with, and its due time."""

    recording: Recording
    fence: int
    due_at: float


# Statements are built once, because building one takes longer than executing it.
_DUE = (
    sa.select(recordings.c.id)
    .where(
        recordings.c.due_at <= sa.bindparam("now"),
        sa.or_(recordings.c.lease_until.is_(None), recordings.c.lease_until <= sa.bindparam("now")),
    )
    .order_by(recordings.c.due_at)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    recordings.update()
    .where(recordings.c.id.in_(_DUE))
    .values(lease_owner=sa.bindparam("worker"), lease_until=sa.bindparam("until"), fence=recordings.c.fence + 1)
    .returning(recordings.c.id, recordings.c.due_at, recordings.c.document, recordings.c.fence)
)


def claim_due(connection: sa.Connection, now: float, worker_id: str, lease_seconds: float, limit: int) -> list[Claim]:
    """Claim the due recordings without a valid lease, the longest due first. Raise `PoisonedRow`."""
    asked = {"now": now, "worker": worker_id, "until": now + lease_seconds, "most": limit}
    rows = sorted(connection.execute(_CLAIM, asked), key=lambda row: row.due_at)
    return [Claim(_decode(row.id, row.document), row.fence, row.due_at) for row in rows]


def _decode(recording_id: str, document: str) -> Recording:
    try:
        return decode_recording(document)
    except Exception as error:
        raise PoisonedRow(recording_id) from error


def set_back(connection: sa.Connection, recording_id: str, until: float, fence: int | None = None) -> bool:
    """Prevent claims of the recording before `until` and end its claim. If `fence` is given, do so only while the claim
    with this fence is held. Return False if no row was changed."""
    query = recordings.update().where(recordings.c.id == recording_id, recordings.c.due_at.is_not(None))
    if fence is not None:
        query = query.where(recordings.c.fence == fence)
    return connection.execute(query.values(due_at=until, lease_owner=None, lease_until=None)).rowcount == 1


_RENEW = (
    recordings.update()
    .where(
        recordings.c.id == sa.bindparam("of_id"),
        recordings.c.fence == sa.bindparam("of_fence"),
        recordings.c.lease_owner.is_not(None),
    )
    .values(lease_until=sa.bindparam("until"))
)


def renew(connection: sa.Connection, held: Iterable[tuple[str, int]], until: float) -> None:
    """Extend claims, each identified by a recording's id and its fence. Lost claims are not restored."""
    # The common order prevents a deadlock between two transactions that lock the same rows in different orders.
    rows = [{"of_id": recording_id, "of_fence": fence, "until": until} for recording_id, fence in sorted(held)]
    if rows:
        connection.execute(_RENEW, rows)


_HELD = sa.select(recordings.c.id, recordings.c.version, recordings.c.fence).where(
    recordings.c.id.in_(sa.bindparam("ids", expanding=True)), recordings.c.lease_owner == sa.bindparam("worker")
)
_GIVE_BACK = (
    recordings.update()
    .where(recordings.c.id == sa.bindparam("of_id"), recordings.c.fence == sa.bindparam("of_fence"))
    .values(lease_owner=None, lease_until=None)
)


def versions_held(
    connection: sa.Connection, worker_id: str, recording_ids: Iterable[str]
) -> dict[tuple[str, int], int]:
    """Return which of these recordings the worker still holds: id and fence, with the row's current version."""
    asked = {"ids": sorted(recording_ids), "worker": worker_id}
    return {(row.id, row.fence): row.version for row in connection.execute(_HELD, asked)}


def give_back(connection: sa.Connection, recording_id: str, fence: int) -> None:
    """End one claim although its step is still running."""
    connection.execute(_GIVE_BACK, {"of_id": recording_id, "of_fence": fence})


def release_all(connection: sa.Connection, worker_id: str) -> int:
    """Release all claims of a worker that stops. Return the number of released claims."""
    query = recordings.update().where(recordings.c.lease_owner == worker_id, recordings.c.due_at.is_not(None))
    return connection.execute(query.values(lease_owner=None, lease_until=None)).rowcount


def release_left(connection: sa.Connection) -> int:
    """Release all claims in a database that no other process can use, because the processes that held them must have
    ended."""
    query = recordings.update().where(recordings.c.lease_owner.is_not(None))
    return connection.execute(query.values(lease_owner=None, lease_until=None)).rowcount


def count_overdue(connection: sa.Connection, now: float) -> int:
    """Return the number of recordings that are due and not yet done."""
    return connection.execute(sa.select(sa.func.count()).where(recordings.c.due_at <= now)).scalar_one()
