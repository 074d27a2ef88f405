"""The usage ledger: the duration, owner and price class of each Agora task, and the number of running tasks.

It has one row per attempt, separate from the recording, because usage is kept longer than the recording. Sums are
computed from the rows, so no counter can drift.
"""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from service.database.recordings import upsert
from service.database.tables import ledger, recordings
from service.recording import State

# States that count towards the limits: a task may be running or will be created next.
ACTIVE = (State.STARTING, State.RECORDING, State.STOPPING)

# The number of a PostgreSQL advisory lock that only Pagereel uses.
STARTS_LOCK = 7_236_111


class LedgerRow(NamedTuple):
    """One task. If `ended_at` is None, the task is running and ends by itself at `limit_at`."""

    recording_id: str
    number: int
    owner: str
    app: str
    resolution: str
    started_at: float
    ended_at: float | None
    limit_at: float


class Used(NamedTuple):
    """An owner's usage of an app in a price class."""

    owner: str
    app: str
    resolution: str
    seconds: float
    tasks: int


def write_ledger(connection: sa.Connection, rows: Iterable[LedgerRow]) -> None:
    """Insert rows, or update existing ones."""
    values = [row._asdict() for row in rows]
    if values:
        query = upsert(connection, ledger)
        new = {name: query.excluded[name] for name in ("app", "started_at", "ended_at", "limit_at")}
        connection.execute(query.on_conflict_do_update(index_elements=["recording_id", "number"], set_=new), values)


def ledger_owner(connection: sa.Connection, recording_id: str) -> str | None:
    """Return the owner of a recording by its first task, or None if it has no known task."""
    query = sa.select(ledger.c.owner).where(ledger.c.recording_id == recording_id).limit(1)
    return connection.execute(query).scalar_one_or_none()


def sum_used(
    connection: sa.Connection, from_at: float, to_at: float, now: float, *, owner: str | None = None
) -> list[Used]:
    """Return the usage within [`from_at`, `to_at`), up to `now`. Return that of one owner, or of all if `owner` is
    None."""
    return _sum(connection, from_at, to_at, _instant(now), owner)


def sum_projected(connection: sa.Connection, from_at: float, to_at: float, now: float) -> list[Used]:
    """Return the usage within the period if every running task continues to its limit."""
    overdue = sa.case((ledger.c.limit_at < _instant(now), _instant(now)), else_=ledger.c.limit_at)
    return _sum(connection, from_at, to_at, overdue, None)


def count_overrunning(connection: sa.Connection, before: float) -> int:
    """Return the number of running tasks that should have ended or been stopped before the timestamp."""
    query = sa.select(sa.func.count()).where(ledger.c.ended_at.is_(None), ledger.c.limit_at < _instant(before))
    return connection.execute(query).scalar_one()


def _sum(
    connection: sa.Connection, from_at: float, to_at: float, running_to: sa.ColumnElement[float], owner: str | None
) -> list[Used]:
    ended_at = sa.func.coalesce(ledger.c.ended_at, running_to)
    last = sa.case((ended_at < _instant(to_at), ended_at), else_=_instant(to_at))
    first = sa.case((ledger.c.started_at > _instant(from_at), ledger.c.started_at), else_=_instant(from_at))
    whose = (ledger.c.owner, ledger.c.app, ledger.c.resolution)
    query = sa.select(*whose, sa.func.sum(last - first), sa.func.count())
    query = query.where(ledger.c.started_at < _instant(to_at), ended_at > _instant(from_at))
    if owner is not None:
        query = query.where(ledger.c.owner == owner)
    return [Used(*row) for row in connection.execute(query.group_by(*whose).order_by(*whose))]


def _instant(at: float) -> sa.ColumnElement[float]:
    return sa.literal(at, sa.Double)


def hold_starts(connection: sa.Connection) -> None:
    """Block other transactions here until this transaction ends, so that counts remain correct until they are used. A
    single lock prevents deadlocks. SQLite has only one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(STARTS_LOCK, sa.BigInteger))))


def count_active(
    connection: sa.Connection, *, owner: str | None = None, app: str | None = None, due_by: float | None = None
) -> int:
    """Return the number of recordings of the owner, or of the app, with a task now or next. With `due_by`, include the
    recordings that start by then."""
    active: sa.ColumnElement[bool] = recordings.c.state.in_([state.value for state in ACTIVE])
    if due_by is not None:
        # A recording that is due when requested is due on every clock, even on one that a lock has delayed.
        at_once = recordings.c.due_at <= recordings.c.requested_at
        due = sa.or_(recordings.c.due_at <= _instant(due_by), at_once)
        due = sa.and_(recordings.c.state == State.REQUESTED.value, due)
        active = sa.or_(active, due)
    query = sa.select(sa.func.count()).select_from(recordings).where(active)
    for column, wanted in ((recordings.c.owner, owner), (recordings.c.app, app)):
        if wanted is not None:
            query = query.where(column == wanted)
    return connection.execute(query).scalar_one()


def count_requested(connection: sa.Connection, owner: str, since_at: float) -> tuple[int, float | None]:
    """Return the number of recordings that an owner requested since `since_at`, and the time of the first."""
    query = sa.select(sa.func.count(), sa.func.min(recordings.c.requested_at))
    query = query.where(recordings.c.owner == owner, recordings.c.requested_at > _instant(since_at))
    count, first_at = connection.execute(query).one()
    return count, first_at
