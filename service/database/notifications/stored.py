"""What becomes of stored notifications: the worker sorts, understands and finishes them; the API lists and replays.

A claimed row is hidden for a while instead of leased: if its worker dies it is simply there again, so understanding one
twice must do no harm.
"""

from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from service.database.notifications.batches import BODY
from service.database.sealing import Seals
from service.database.tables import attempts, notifications, recordings
from service.notification import TEST_CNAME

# Literals, not parameters: only then SQLite uses the partial indexes.
_IS_NEW = sa.text("outcome = 'new'")
_IS_OLD = sa.text("outcome <> 'new'")
_IS_TEST = sa.text(f"cname = '{TEST_CNAME}'")
_HIDE_SECONDS = 30.0
# Of so many new notifications at once it is looked up whose they are; and again of those with so many ids before, as
# PostgreSQL commits them in another order than it numbers them.
_LOOKED_AT_ONCE = 250
_OVERLAP = 64
_UNMATCHED_AT_ONCE = 500


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
    """A notification of a recording, to be understood now. `tries` counts this one; `sealed` is its body
    (`open_body`)."""

    id: int
    app: str
    received_at: float
    tries: int
    sealed: bytes
    recording_id: str


class Sorted(NamedTuple):
    """What became of new notifications: those to be understood, and type and outcome of those that are done with.
    `looked_to`: up to which id those of recordings were looked for; `more`: others may wait."""

    claims: list[NoticeClaim]
    settled: list[tuple[int | None, str]]
    looked_to: int = 0
    more: bool = False


_COLUMNS = tuple(notifications.c[name] for name in NoticeRow._fields)
_CLAIMED = ("id", "app", "received_at", "tries", "body", "recording_id")


def sort_notices(connection: sa.Connection, now: float, limit: int, deployment: str, after: int = 0) -> Sorted:
    """Take new notifications and part them by whose they are: first those of recordings, which are looked for behind
    the id `after` (the last `looked_to`), then whatever is oldest. After an outage a great many of strangers' may wait.

    `unmatched` bears the deployment's name and belongs to no attempt here: a task that this database does not know.
    One of a recording's attempts (by `cname`, else by `sid`, and of the same app) is hidden from others for 30 s;
    finish, retry or park each. All others need no understanding: they are finished here.
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
    """The recording whose attempt has the notification's `cname`, else its `sid`."""
    return sa.func.coalesce(_attempted(attempts.c.cname, given), _attempted(attempts.c.sid, given))


def _attempted(column: sa.Column[Any], given: sa.FromClause) -> sa.ScalarSelect[str]:
    """The recording of the notification's app that has an attempt with the notification's `column`."""
    # No join: before PostgreSQL has counted its rows it would walk all recordings of the app.
    app = sa.select(recordings.c.app).where(recordings.c.id == attempts.c.recording_id).scalar_subquery()
    found = sa.select(attempts.c.recording_id).where(column == given.c[column.name])
    return found.where(app == given.c.app).limit(1).scalar_subquery()


# No LIKE: a name may hold what is a pattern there.
_OURS = sa.func.substr(notifications.c.cname, 1, sa.bindparam("length", type_=sa.Integer)) == sa.bindparam("ours")


def _look_statement() -> sa.Select[Any]:
    """Whose the next new notifications are. Reads no body."""
    columns = (notifications.c[name] for name in ("id", "app", "cname", "sid"))
    ready = sa.select(*columns).where(_IS_NEW, notifications.c.id > sa.bindparam("after"))
    ready = ready.where(notifications.c.next_try_at <= sa.bindparam("now")).order_by(notifications.c.id)
    seen = ready.limit(sa.bindparam("most", type_=sa.Integer)).subquery()
    return sa.select(seen.c.id, _whose(seen).label("whose")).order_by(seen.c.id)


def _sort_statement(ready: sa.Select[Any]) -> sa.UpdateBase:
    """Built once: building it takes longer than executing it. `ready`: which."""
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
    """The bytes as Agora sent them. Raises `SealError` where no live key opens them."""
    return seals.open(claim.sealed, BODY)


def finish_notice(connection: sa.Connection, claim: NoticeClaim, outcome: str) -> bool:
    """It is understood, and came to this (see `tables.OUTCOMES`). False, here and below: whoever claimed it took so
    long that somebody else has claimed it since, and nothing was written."""
    return _set_claimed(connection, claim, outcome=outcome)


def retry_notice(connection: sa.Connection, claim: NoticeClaim, at: float) -> bool:
    """It could not be understood now; claim it again at `at`."""
    return _set_claimed(connection, claim, next_try_at=at)


def park_notice(connection: sa.Connection, claim: NoticeClaim) -> bool:
    """It could not be understood often enough; it stays until somebody replays it."""
    return _set_claimed(connection, claim, outcome="parked")


def replay_notice(connection: sa.Connection, notice: int) -> bool:
    """Let it be understood once more from the start; False if there is none such, or it is applied: what it says would
    be told to callers a second time."""
    this = (notifications.c.id == notice, notifications.c.outcome != "applied")
    again = notifications.update().where(*this).values(outcome="new", tries=0, next_try_at=0)
    return connection.execute(again).rowcount == 1


def _set_claimed(connection: sa.Connection, claim: NoticeClaim, **values: object) -> bool:
    """`tries` grows with each claim, so it tells one from the next."""
    held = {"of_id": claim.id, "of_tries": claim.tries}
    return connection.execute(_set_statement(frozenset(values)), {**values, **held}).rowcount == 1


@cache
def _set_statement(columns: frozenset[str]) -> sa.Update:
    """Built once for each set of columns, as `_SORT`."""
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
    if sid is None and event_type is None and outcome is None:
        return _newest(connection, query, limit)
    # The indexes of these have no new rows; those have an index of their own.
    parts = {None: (_IS_NEW, _IS_OLD), "new": (_IS_NEW,)}.get(outcome, (_IS_OLD,))
    found = [row for part in parts for row in _newest(connection, query.where(part), limit)]
    return sorted(found, key=lambda row: row.id, reverse=True)[:limit]


def _newest(connection: sa.Connection, query: sa.Select[Any], limit: int) -> list[NoticeRow]:
    return [NoticeRow(*row) for row in connection.execute(query.order_by(notifications.c.id.desc()).limit(limit))]


def load_applied(connection: sa.Connection, recording_id: str, limit: int) -> list[tuple[float, bytes]]:
    """When notices that were applied to a recording came in, and their sealed bodies, oldest first."""
    query = sa.select(notifications.c.received_at, notifications.c.body)
    query = query.where(notifications.c.recording_id == recording_id, _IS_OLD, notifications.c.outcome == "applied")
    rows = connection.execute(query.order_by(notifications.c.id).limit(limit))
    return [(row.received_at, row.body) for row in rows]


def newest_notice(connection: sa.Connection) -> int:
    """The number of the newest notification, 0 without one."""
    return connection.execute(sa.select(sa.func.max(notifications.c.id))).scalar_one() or 0


def tested_events(connection: sa.Connection, app: str, after: int) -> set[int]:
    """The event types of which the console's check has come since notification `after` (agora-reference §7.5)."""
    newer = notifications.c.id > after
    query = sa.select(notifications.c.event_type).distinct().where(notifications.c.app == app, _IS_TEST, newer)
    return {event for event in connection.execute(query).scalars() if event is not None}


def measure_inbox(connection: sa.Connection) -> tuple[int, float | None]:
    """How many notifications are not yet understood, and when the oldest of them came in."""
    count = sa.select(sa.func.count()).select_from(notifications).where(_IS_NEW)
    oldest = sa.select(notifications.c.received_at).where(_IS_NEW).order_by(notifications.c.id).limit(1)
    return connection.execute(count).scalar_one(), connection.execute(oldest).scalar_one_or_none()


def count_unknown(connection: sa.Connection, since_at: float) -> int:
    """How many tasks have sent notifications with this deployment's name since then and belong to no recording still:
    one that was adopted meanwhile does. Only the newest `_UNMATCHED_AT_ONCE` of these notifications are looked at."""
    columns = (notifications.c[name] for name in ("app", "cname", "sid", "received_at"))
    unmatched = sa.select(*columns).where(_IS_OLD, notifications.c.outcome == "unmatched")
    newest = unmatched.order_by(notifications.c.id.desc()).limit(_UNMATCHED_AT_ONCE).subquery()
    tasks = sa.select(newest.c.app, newest.c.cname).where(newest.c.received_at >= since_at, _whose(newest).is_(None))
    return connection.execute(sa.select(sa.func.count()).select_from(tasks.distinct().subquery())).scalar_one()


def prune_notices(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` of the oldest notifications that came in before `before_at` and are done with; how many
    were. Call it again until it says less than `limit`."""
    # Only the oldest rows are looked at: where none is old enough, that must not read the whole table.
    first = sa.select(notifications.c.id, notifications.c.received_at, notifications.c.outcome)
    first_rows = first.order_by(notifications.c.id).limit(2 * limit).subquery()
    oldest = sa.select(first_rows.c.id).where(first_rows.c.received_at < before_at, first_rows.c.outcome != "new")
    oldest = oldest.order_by(first_rows.c.id).limit(limit)
    return connection.execute(notifications.delete().where(notifications.c.id.in_(oldest))).rowcount
