"""What becomes of stored notifications: the worker claims, understands and finishes them; the API lists and replays.

A claimed row is hidden for a while instead of leased: if its worker dies it is simply there again, so understanding one
twice must do no harm.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa

from service.database.batches import BODY
from service.database.sealing import Seals
from service.database.tables import notifications

# Literals, not parameters: only then SQLite uses the partial indexes.
_IS_NEW = sa.text("outcome = 'new'")
_IS_OLD = sa.text("outcome <> 'new'")
_HIDE_SECONDS = 30.0


class NoticeRow(NamedTuple):
    """A notification as stored, without its body. `event_type` None: the body was no JSON object."""

    id: int
    app: str
    notice_id: str
    received_at: float
    event_type: int | None
    sid: str | None
    cname: str | None
    outcome: str
    recording_id: str | None
    tries: int


class NoticeClaim(NamedTuple):
    """A notification to be understood now. `tries` counts this one; `sealed` is its body (`open_body`)."""

    id: int
    app: str
    received_at: float
    tries: int
    sealed: bytes


_COLUMNS = tuple(notifications.c[name] for name in NoticeRow._fields)


def claim_notices(connection: sa.Connection, now: float, limit: int) -> list[NoticeClaim]:
    """New notifications, oldest first, hidden from others for 30 s; finish, retry or park each."""
    ready = (
        sa.select(notifications.c.id)
        .where(_IS_NEW, notifications.c.next_try_at <= now)
        .order_by(notifications.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    query = (
        notifications.update()
        .where(notifications.c.id.in_(ready))
        .values(next_try_at=now + _HIDE_SECONDS, tries=notifications.c.tries + 1)
        .returning(
            notifications.c.id,
            notifications.c.app,
            notifications.c.received_at,
            notifications.c.tries,
            notifications.c.body,
        )
    )
    return sorted(NoticeClaim(*row) for row in connection.execute(query))


def open_body(claim: NoticeClaim, seals: Seals) -> bytes:
    """The bytes as Agora sent them. Raises `SealError` where no live key opens them."""
    return seals.open(claim.sealed, BODY)


def finish_notice(connection: sa.Connection, notice: int, outcome: str, recording_id: str | None = None) -> None:
    """It is understood: `outcome` is `applied`, `foreign`, `test` or `broken` (see `tables.OUTCOMES`)."""
    _set(connection, notice, outcome=outcome, recording_id=recording_id)


def retry_notice(connection: sa.Connection, notice: int, at: float) -> None:
    """It could not be understood now; claim it again at `at`."""
    _set(connection, notice, outcome="new", next_try_at=at)


def park_notice(connection: sa.Connection, notice: int) -> None:
    """It could not be understood often enough; it stays until somebody replays it."""
    _set(connection, notice, outcome="parked")


def replay_notice(connection: sa.Connection, notice: int) -> bool:
    """Let it be understood once more from the start; False if there is none such."""
    return _set(connection, notice, outcome="new", tries=0, next_try_at=0)


def _set(connection: sa.Connection, notice: int, **values: object) -> bool:
    return connection.execute(notifications.update().where(notifications.c.id == notice).values(values)).rowcount == 1


def load_notice(connection: sa.Connection, notice: int) -> NoticeRow | None:
    row = connection.execute(sa.select(*_COLUMNS).where(notifications.c.id == notice)).one_or_none()
    return None if row is None else NoticeRow(*row)


def load_notice_body(connection: sa.Connection, seals: Seals, notice: int) -> bytes | None:
    """The bytes as Agora sent them. They may hold secrets."""
    sealed = connection.execute(
        sa.select(notifications.c.body).where(notifications.c.id == notice)
    ).scalar_one_or_none()
    return None if sealed is None else seals.open(sealed, BODY)


def list_notices(
    connection: sa.Connection,
    *,
    limit: int,
    apps: frozenset[str] | None = None,
    sid: str | None = None,
    event_type: int | None = None,
    outcome: str | None = None,
    recording_id: str | None = None,
    before: int | None = None,
) -> list[NoticeRow]:
    """Notifications that fit all filters, newest first. `before`: the id of the last one seen."""
    query = sa.select(*_COLUMNS)
    given = {"sid": sid, "event_type": event_type, "outcome": outcome, "recording_id": recording_id}
    for name, value in given.items():
        if value is not None:
            query = query.where(notifications.c[name] == value)
    if apps is not None:
        query = query.where(notifications.c.app.in_(sorted(apps)))
    if before is not None:
        query = query.where(notifications.c.id < before)
    if sid is None:
        return _newest(connection, query, limit)
    # The index of sids has no new rows; those have an index of their own.
    found = [row for part in (_IS_NEW, _IS_OLD) for row in _newest(connection, query.where(part), limit)]
    return sorted(found, key=lambda row: row.id, reverse=True)[:limit]


def _newest(connection: sa.Connection, query: sa.Select[Any], limit: int) -> list[NoticeRow]:
    return [NoticeRow(*row) for row in connection.execute(query.order_by(notifications.c.id.desc()).limit(limit))]


def events_of_cname(connection: sa.Connection, app: str, cname: str) -> set[int]:
    """The event types that came for a channel name."""
    query = sa.select(notifications.c.event_type).distinct()
    query = query.where(notifications.c.app == app, notifications.c.cname == cname)
    return {event for event in connection.execute(query).scalars() if event is not None}


def measure_inbox(connection: sa.Connection) -> tuple[int, float | None]:
    """How many notifications are not yet understood, and when the oldest of them came in."""
    query = sa.select(sa.func.count(), sa.func.min(notifications.c.received_at)).where(_IS_NEW)
    depth, oldest_at = connection.execute(query.select_from(notifications)).one()
    return depth, oldest_at


def prune_notices(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` of the oldest notifications that came in before `before_at` and are done with; how many
    were. Call it again until it says less than `limit`."""
    oldest = (
        sa.select(notifications.c.id)
        .where(notifications.c.received_at < before_at, notifications.c.outcome != "new")
        .order_by(notifications.c.id)
        .limit(limit)
    )
    return connection.execute(notifications.delete().where(notifications.c.id.in_(oldest))).rowcount
