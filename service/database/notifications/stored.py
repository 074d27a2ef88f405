"""Processes stored notifications. The worker sorts, interprets and finishes them. The API lists and replays them.

A claimed row is hidden for a limited time instead of leased. If its worker dies, the row becomes visible again, so
interpreting a notification twice must be harmless.
"""

from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from service.database.notifications.batches import BODY
from service.database.sealing import Seals
from service.database.tables import attempts, notifications, recordings
from service.notification import TEST_CNAME

# These are literals, not parameters, because SQLite otherwise does not use the partial indexes.
_IS_NEW = sa.text("outcome = 'new'")
_IS_OLD = sa.text("outcome <> 'new'")
_IS_TEST = sa.text(f"cname = '{TEST_CNAME}'")
_HIDE_SECONDS = 30.0
# The number of new notifications matched to recordings at once, and the number of earlier ids matched again. They are
# matched again because PostgreSQL may commit them in another order than it numbers them.
_LOOKED_AT_ONCE = 250
_OVERLAP = 64
_UNMATCHED_AT_ONCE = 500


class NoticeRow(NamedTuple):
    """A stored notification without its body. `event_type` is None if the body was not a JSON object."""

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
    """A notification of a recording that is to be interpreted now. `tries` includes this try. `sealed` is its body
    (`open_body`)."""

    id: int
    app: str
    received_at: float
    tries: int
    sealed: bytes
    recording_id: str


class Sorted(NamedTuple):
    """The result of sorting: notifications to interpret, and the type and outcome of the finished ones. `looked_to` is
    the last id matched to recordings. `more` is true if other notifications may be waiting."""

    claims: list[NoticeClaim]
    settled: list[tuple[int | None, str]]
    looked_to: int = 0
    more: bool = False


_COLUMNS = tuple(notifications.c[name] for name in NoticeRow._fields)
_CLAIMED = ("id", "app", "received_at", "tries", "body", "recording_id")


def sort_notices(connection: sa.Connection, now: float, limit: int, deployment: str, after: int = 0) -> Sorted:
    """Sort new notifications by recording. First sort those of recordings, searched after the id `after` (the last
    `looked_to`), and then the oldest of all. After an outage many foreign notifications may wait.

    An `unmatched` notification contains the deployment's name but belongs to no attempt. Its task is not in this
    database. A notification of a recording's attempt (by `cname`, or otherwise by `sid`, and of the same app) is hidden
    from other workers for 30 s; finish, retry or park each of them. All other notifications are finished here.
    """
    ours = f"{deployment}-"
    wanted = {"now": now, "hidden_until": now + _HIDE_SECONDS, "ours": ours, "length": len(ours)}
    looked = connection.execute(_LOOK, {"now": now, "after": max(0, after - _OVERLAP), "most": _LOOKED_AT_ONCE}).all()
    own = [row.id for row in looked if row.whose is not None]
    looked_to = looked[-1].id if looked else after
    if len(own) > limit:
        own = own[:limit]
        looked_to = own[-1]
    rows = list(connection.execute(_SORT_THESE, {**wanted, "these": own})) if own else []
    if len(rows) < limit:
        rows += connection.execute(_SORT_OLDEST, {**wanted, "limit": limit - len(rows)})
    found = Sorted([], [], max(looked_to, after), len(rows) == limit or len(looked) == _LOOKED_AT_ONCE)
    for outcome, event_type, *claim in rows:
        if outcome == "new":
            found.claims.append(NoticeClaim(*claim))
        else:
            found.settled.append((event_type, outcome))
    found.claims.sort()
    return found


def _whose(given: sa.FromClause) -> sa.ColumnElement[str]:
    """Return the recording with an attempt that has the notification's `cname` or, if none does, its `sid`."""
    return sa.func.coalesce(_attempted(attempts.c.cname, given), _attempted(attempts.c.sid, given))


def _attempted(column: sa.Column[Any], given: sa.FromClause) -> sa.ScalarSelect[str]:
    """Return the recording of the notification's app with an attempt that has the notification's `column`."""
    # This is not a join, because PostgreSQL would scan all recordings of the app until it has statistics.
    app = sa.select(recordings.c.app).where(recordings.c.id == attempts.c.recording_id).scalar_subquery()
    found = sa.select(attempts.c.recording_id).where(column == given.c[column.name])
    return found.where(app == given.c.app).limit(1).scalar_subquery()


# This is not a LIKE, because a name may contain its pattern characters.
_OURS = sa.func.substr(notifications.c.cname, 1, sa.bindparam("length", type_=sa.Integer)) == sa.bindparam("ours")


def _look_statement() -> sa.Select[Any]:
    """Build the query of the next new notifications with their recordings. It reads no body."""
    columns = (notifications.c[name] for name in ("id", "app", "cname", "sid"))
    ready = sa.select(*columns).where(_IS_NEW, notifications.c.id > sa.bindparam("after"))
    ready = ready.where(notifications.c.next_try_at <= sa.bindparam("now")).order_by(notifications.c.id)
    seen = ready.limit(sa.bindparam("most", type_=sa.Integer)).subquery()
    return sa.select(seen.c.id, _whose(seen).label("whose")).order_by(seen.c.id)


def _sort_statement(ready: sa.Select[Any]) -> sa.UpdateBase:
    """Build the update that sorts the rows of `ready`. It is built once, because building it takes longer than
    executing it."""
    ready = ready.where(_IS_NEW, notifications.c.next_try_at <= sa.bindparam("now")).with_for_update(skip_locked=True)
    whose = _whose(notifications)
    outcome = sa.case(
        (notifications.c.event_type.is_(None), "broken"),
        (notifications.c.cname == TEST_CNAME, "test"),
        (sa.and_(whose.is_(None), _OURS), "unmatched"),
        (whose.is_(None), "foreign"),
        else_="new",
    )
    hidden = {"next_try_at": sa.bindparam("hidden_until"), "tries": notifications.c.tries + 1}
    query = notifications.update().where(notifications.c.id.in_(ready))
    query = query.values(outcome=outcome, recording_id=whose, **hidden)
    return query.returning(*(notifications.c[name] for name in ("outcome", "event_type", *_CLAIMED)))


_LOOK = _look_statement()
_IDS = sa.select(notifications.c.id)
_SORT_OLDEST = _sort_statement(_IDS.order_by(notifications.c.id).limit(sa.bindparam("limit", type_=sa.Integer)))
_SORT_THESE = _sort_statement(_IDS.where(notifications.c.id.in_(sa.bindparam("these", expanding=True))))


def open_body(claim: NoticeClaim, seals: Seals) -> bytes:
    """Return the bytes as Agora sent them. Raise `SealError` if no current key opens them."""
    return seals.open(claim.sealed, BODY)


def finish_notice(connection: sa.Connection, claim: NoticeClaim, outcome: str) -> bool:
    """Store the outcome of a notification (see `tables.OUTCOMES`). Return False, here and in the functions below, if
    another worker has claimed it since; nothing is then written."""
    return _set_claimed(connection, claim, outcome=outcome)


def retry_notice(connection: sa.Connection, claim: NoticeClaim, at: float) -> bool:
    """Let a notification that could not be interpreted be claimed again at `at`."""
    return _set_claimed(connection, claim, next_try_at=at)


def park_notice(connection: sa.Connection, claim: NoticeClaim) -> bool:
    """Park a notification after too many failed tries, until it is replayed."""
    return _set_claimed(connection, claim, outcome="parked")


def replay_notice(connection: sa.Connection, notice: int) -> bool:
    """Let a notification be interpreted again from the start. Return False if it does not exist or is applied, because
    callers would receive its contents a second time."""
    this = (notifications.c.id == notice, notifications.c.outcome != "applied")
    again = notifications.update().where(*this).values(outcome="new", tries=0, next_try_at=0)
    return connection.execute(again).rowcount == 1


def _set_claimed(connection: sa.Connection, claim: NoticeClaim, **values: object) -> bool:
    """Update a claimed notification. `tries` increases with each claim, so it identifies the claim."""
    held = {"of_id": claim.id, "of_tries": claim.tries}
    return connection.execute(_set_statement(frozenset(values)), {**values, **held}).rowcount == 1


@cache
def _set_statement(columns: frozenset[str]) -> sa.Update:
    """Build the update. It is built once for each set of columns, like `_SORT_OLDEST`."""
    held = (notifications.c.id == sa.bindparam("of_id"), notifications.c.tries == sa.bindparam("of_tries"), _IS_NEW)
    return notifications.update().where(*held).values({name: sa.bindparam(name) for name in sorted(columns)})


def load_notice(connection: sa.Connection, notice: int) -> NoticeRow | None:
    row = connection.execute(sa.select(*_COLUMNS).where(notifications.c.id == notice)).one_or_none()
    return None if row is None else NoticeRow(*row)


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
    """Return the notifications that match all filters, newest first. `before` is the id of the last notification
    seen."""
    query = sa.select(*_COLUMNS)
    given = {"sid": sid, "event_type": event_type, "outcome": outcome, "recording_id": recording_id}
    for name, value in given.items():
        if value is not None:
            query = query.where(notifications.c[name] == value)
    if apps is not None:
        query = query.where(notifications.c.app.in_(sorted(apps)))
    if before is not None:
        query = query.where(notifications.c.id < before)
    if sid is None and event_type is None and outcome is None:
        return _newest(connection, query, limit)
    # The indexes of these columns omit new rows, which have an index of their own.
    parts = {None: (_IS_NEW, _IS_OLD), "new": (_IS_NEW,)}.get(outcome, (_IS_OLD,))
    found = [row for part in parts for row in _newest(connection, query.where(part), limit)]
    return sorted(found, key=lambda row: row.id, reverse=True)[:limit]


def _newest(connection: sa.Connection, query: sa.Select[Any], limit: int) -> list[NoticeRow]:
    return [NoticeRow(*row) for row in connection.execute(query.order_by(notifications.c.id.desc()).limit(limit))]


def load_applied(connection: sa.Connection, recording_id: str, limit: int) -> list[tuple[float, bytes]]:
    """Return the times of receipt and the sealed bodies of notices applied to a recording, oldest first."""
    query = sa.select(notifications.c.received_at, notifications.c.body)
    query = query.where(notifications.c.recording_id == recording_id, _IS_OLD, notifications.c.outcome == "applied")
    rows = connection.execute(query.order_by(notifications.c.id).limit(limit))
    return [(row.received_at, row.body) for row in rows]


def newest_notice(connection: sa.Connection) -> int:
    """Return the id of the newest notification, or 0."""
    return connection.execute(sa.select(sa.func.max(notifications.c.id))).scalar_one() or 0


def tested_events(connection: sa.Connection, app: str, after: int) -> set[int]:
    """Return the event types that the console's check has sent since notification `after` (agora-reference §7.5)."""
    newer = notifications.c.id > after
    query = sa.select(notifications.c.event_type).distinct().where(notifications.c.app == app, _IS_TEST, newer)
    return {event for event in connection.execute(query).scalars() if event is not None}


def measure_inbox(connection: sa.Connection) -> tuple[int, float | None]:
    """Return the number of new notifications and the time of receipt of the oldest."""
    count = sa.select(sa.func.count()).select_from(notifications).where(_IS_NEW)
    oldest = sa.select(notifications.c.received_at).where(_IS_NEW).order_by(notifications.c.id).limit(1)
    return connection.execute(count).scalar_one(), connection.execute(oldest).scalar_one_or_none()


def count_unknown(connection: sa.Connection, since_at: float) -> int:
    """Return the number of tasks with this deployment's name that have sent notifications since `since_at` but belong
    to no recording. Adopted tasks belong to a recording. Only the newest `_UNMATCHED_AT_ONCE` of these notifications
    are read."""
    columns = (notifications.c[name] for name in ("app", "cname", "sid", "received_at"))
    unmatched = sa.select(*columns).where(_IS_OLD, notifications.c.outcome == "unmatched")
    newest = unmatched.order_by(notifications.c.id.desc()).limit(_UNMATCHED_AT_ONCE).subquery()
    tasks = sa.select(newest.c.app, newest.c.cname).where(newest.c.received_at >= since_at, _whose(newest).is_(None))
    return connection.execute(sa.select(sa.func.count()).select_from(tasks.distinct().subquery())).scalar_one()


def prune_notices(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` of the oldest finished notifications from before `before_at`. Return the number of deleted
    notifications. Repeat the call until the number is less than `limit`."""
    # Only the oldest rows are read, so that the whole table is not scanned if none is old enough.
    first = sa.select(notifications.c.id, notifications.c.received_at, notifications.c.outcome)
    first_rows = first.order_by(notifications.c.id).limit(2 * limit).subquery()
    oldest = sa.select(first_rows.c.id).where(first_rows.c.received_at < before_at, first_rows.c.outcome != "new")
    oldest = oldest.order_by(first_rows.c.id).limit(limit)
    return connection.execute(notifications.delete().where(notifications.c.id.in_(oldest))).rowcount
