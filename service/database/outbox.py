"""Messages and their deliveries, written in the transaction of the change that they report.

A claimed delivery is hidden for a limited time instead of leased. If its sender dies, the delivery becomes visible
again, so a message is delivered at least once. Each endpoint is claimed separately, so an endpoint that is down does
not delay others.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from service.database.documents import decode, encode
from service.database.recordings import upsert
from service.database.tables import deliveries, endpoints, feed, messages
from service.messages import DeliveryError, Message
from service.recording import Recording

_PUBLISH_AT_ONCE: Final = 1000
# These are literals, not parameters, because SQLite otherwise does not use the partial indexes.
_PENDING = sa.text("deliveries.state = 'pending'")
_UNPUBLISHED = sa.text("position IS NULL")


class Event(NamedTuple):
    """A message with its position in the owner's feed."""

    position: int
    id: str
    recording_id: str
    type: str
    at: float
    document: dict[str, Any]


class DeliveryClaim(NamedTuple):
    """A message that is to be sent now. `tries` includes this try. `body` is signed and sent."""

    message_id: str
    recording_id: str
    type: str
    at: float
    tries: int
    body: str


class DeliveryRow(NamedTuple):
    """The delivery of one message to one endpoint. `answer` is sealed. `document` is the body."""

    message_id: str
    recording_id: str
    type: str
    endpoint: str
    state: str
    at: float
    tries: int
    next_try_at: float
    last_status: int | None
    last_error: str | None
    ended_at: float | None
    answer: bytes | None
    document: dict[str, Any]


class EndpointRow(NamedTuple):
    """The state of an endpoint. `failing_since` is None if it answers. `disabled_at` is set if it answered that it is
    gone. `last_error` is None if it accepted the last message."""

    name: str
    failures: int = 0
    failing_since: float | None = None
    next_try_at: float = 0.0
    disabled_at: float | None = None
    last_error: str | None = None


def insert_messages(connection: sa.Connection, recording: Recording, told: Iterable[Message]) -> None:
    """Insert messages and their deliveries, in the transaction of the change that they report."""
    rows = [message._asdict() | {"document": encode(message.document)} for message in told]
    if not rows:
        return
    own = {"recording_id": recording.id, "owner": recording.owner}
    connection.execute(messages.insert(), [row | own for row in rows])
    due = [
        {"message_id": row["id"], "endpoint": name, "owner": recording.owner, "at": row["at"], "next_try_at": row["at"]}
        for row in rows
        for name in recording.notify
    ]
    if due:
        connection.execute(deliveries.insert(), due)


# --- the feed ----------------------------------------------------------------------------------------------------


def publish(connection: sa.Connection) -> int:
    """Assign positions in the feed to unpublished messages, oldest first. Return the number of published messages.

    The counter's row is locked until the commit, so no position becomes visible after a higher one.
    """
    waiting = sa.select(messages.c.id).where(_UNPUBLISHED).order_by(messages.c.at, messages.c.id)
    if connection.execute(waiting.limit(1)).first() is None:
        return 0
    connection.execute(upsert(connection, feed).values(id=1, last=0).on_conflict_do_nothing())
    last = connection.execute(sa.select(feed.c.last).where(feed.c.id == 1).with_for_update()).scalar_one()
    found = list(connection.execute(waiting.limit(_PUBLISH_AT_ONCE)).scalars())
    if found:
        place = messages.update().where(messages.c.id == sa.bindparam("message"), _UNPUBLISHED)
        rows = [{"message": each, "place": last + number} for number, each in enumerate(found, 1)]
        connection.execute(place.values(position=sa.bindparam("place")), rows)
        connection.execute(feed.update().where(feed.c.id == 1).values(last=last + len(found)))
    return len(found)


def load_events(connection: sa.Connection, owner: str, *, after: int, limit: int) -> list[Event]:
    """Return an owner's published messages after a position, in the feed's order."""
    columns = (messages.c[name] for name in Event._fields)
    query = sa.select(*columns).where(messages.c.owner == owner, messages.c.position > after)
    rows = connection.execute(query.order_by(messages.c.position).limit(limit))
    return [Event(*row)._replace(document=decode(row.document)) for row in rows]


# --- sending -----------------------------------------------------------------------------------------------------


def load_endpoint(connection: sa.Connection, name: str, *, lock: bool = False) -> EndpointRow:
    """Return the state of an endpoint. If `lock` is true, no other transaction changes it before the commit."""
    if lock:
        connection.execute(upsert(connection, endpoints).values(name=name).on_conflict_do_nothing())
    columns = (endpoints.c[field] for field in EndpointRow._fields)
    query = sa.select(*columns).where(endpoints.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return EndpointRow(name) if row is None else EndpointRow(*row)


def save_endpoint(connection: sa.Connection, row: EndpointRow) -> None:
    """Save the state of a locked endpoint."""
    connection.execute(endpoints.update().where(endpoints.c.name == row.name).values(row._asdict()))


def count_failing(connection: sa.Connection, names: Collection[str]) -> int:
    """Return the number of these endpoints that did not accept the last message because they fail, refuse or are
    disabled."""
    bad = endpoints.c.last_error.is_not(None) & endpoints.c.name.in_(names)
    query = sa.select(sa.func.count()).select_from(endpoints).where(bad)
    return connection.execute(query).scalar_one()


def claim_deliveries(
    connection: sa.Connection, endpoint: str, now: float, limit: int, hide_seconds: float
) -> list[DeliveryClaim]:
    """Claim the due messages of an endpoint, the longest due first. They are hidden from others for `hide_seconds`,
    which is longer than one delivery can take, so that a message is not sent twice concurrently."""
    due = (
        sa.select(deliveries.c.message_id)
        .where(_PENDING, deliveries.c.endpoint == endpoint, deliveries.c.next_try_at <= now)
        .order_by(deliveries.c.next_try_at, deliveries.c.message_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = (
        deliveries.update()
        .where(deliveries.c.endpoint == endpoint, deliveries.c.message_id.in_(due))
        .values(next_try_at=now + hide_seconds, tries=deliveries.c.tries + 1)
        .returning(deliveries.c.message_id, deliveries.c.tries)
    )
    tries = {row.message_id: row.tries for row in connection.execute(claimed)}
    query = sa.select(*(messages.c[name] for name in ("id", "recording_id", "type", "at", "document")))
    found = connection.execute(query.where(messages.c.id.in_(tries))) if tries else ()
    claims = [DeliveryClaim(row.id, row.recording_id, row.type, row.at, tries[row.id], row.document) for row in found]
    return sorted(claims, key=lambda claim: (claim.at, claim.message_id))


def end_delivery(
    connection: sa.Connection,
    endpoint: str,
    message_id: str,
    state: str,
    now: float,
    *,
    status: int | None = None,
    error: str | None = None,
    answer: bytes | None = None,
) -> None:
    """End a delivery as `delivered`, `skipped` or `dead`. `answer` is the sealed beginning of the answer."""
    values = {"state": state, "ended_at": now, "last_status": status, "last_error": error, "answer": answer}
    connection.execute(_one(endpoint, message_id).values(values))


def retry_delivery(
    connection: sa.Connection,
    endpoint: str,
    message_id: str,
    at: float,
    *,
    status: int | None,
    error: str,
    answer: bytes | None = None,
) -> None:
    """Let a delivery be retried at `at`. For `answer`, see `end_delivery`."""
    values = {"next_try_at": at, "last_status": status, "last_error": error, "answer": answer}
    connection.execute(_one(endpoint, message_id).values(values))


def _one(endpoint: str, message_id: str) -> sa.Update:
    """Update one pending delivery. A delivery that has ended is not changed."""
    this = (deliveries.c.message_id == message_id, deliveries.c.endpoint == endpoint)
    return deliveries.update().where(*this, _PENDING)


def hasten_deliveries(connection: sa.Connection, endpoint: str, now: float, hide_seconds: float) -> None:
    """Make an endpoint's waiting deliveries due now, because it answers again, except for those that may be running."""
    later = deliveries.c.next_try_at > now + hide_seconds
    query = deliveries.update().where(_PENDING, deliveries.c.endpoint == endpoint, later)
    connection.execute(query.values(next_try_at=now))


def restart_deliveries(connection: sa.Connection, endpoint: str, now: float, hide_seconds: float) -> None:
    """Make an endpoint's waiting deliveries due as in `hasten_deliveries`, but on a user's request, and restart their
    schedule so that earlier failures do not count."""
    hasten_deliveries(connection, endpoint, now, hide_seconds)
    query = deliveries.update().where(_PENDING, deliveries.c.endpoint == endpoint)
    connection.execute(query.values(tries=0, at=now))


def bury_deliveries(connection: sa.Connection, before_at: float, now: float, limit: int) -> int:
    """Abandon at most `limit` deliveries that have waited since before `before_at`. Return the number of abandoned
    deliveries."""
    old = sa.select(deliveries.c.message_id, deliveries.c.endpoint).where(_PENDING, deliveries.c.at < before_at)
    rows = connection.execute(old.limit(limit)).all()
    for row in rows:
        ended = {"state": "dead", "ended_at": now, "last_error": DeliveryError.TOO_OLD}
        connection.execute(_one(row.endpoint, row.message_id).values(ended))
    return len(rows)


# --- for people --------------------------------------------------------------------------------------------------


def list_deliveries(
    connection: sa.Connection,
    owner: str,
    *,
    state: str | None,
    endpoint: str | None,
    before: tuple[float, str, str] | None,
    limit: int,
) -> list[DeliveryRow]:
    """Return an owner's deliveries, newest message first. `before` is the timestamp, message and endpoint of the last
    delivery seen."""
    order = (deliveries.c.at, deliveries.c.message_id, deliveries.c.endpoint)
    of_message = ("recording_id", "type", "document")
    columns = [(messages if name in of_message else deliveries).c[name] for name in DeliveryRow._fields]
    query = sa.select(*columns).join(messages, messages.c.id == deliveries.c.message_id)
    query = query.where(deliveries.c.owner == owner)
    for column, wanted in ((deliveries.c.state, state), (deliveries.c.endpoint, endpoint)):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(sa.tuple_(*order) < sa.tuple_(*map(sa.literal, before)))
    rows = connection.execute(query.order_by(*(column.desc() for column in order)).limit(limit))
    return [DeliveryRow(*row)._replace(document=decode(row.document)) for row in rows]


def redrive(
    connection: sa.Connection, owner: str, now: float, *, endpoint: str | None, message_ids: list[str] | None
) -> int:
    """Retry an owner's dead deliveries from the start. Return the number of retried deliveries."""
    query = deliveries.update().where(deliveries.c.owner == owner, deliveries.c.state == "dead")
    if endpoint is not None:
        query = query.where(deliveries.c.endpoint == endpoint)
    if message_ids is not None:
        query = query.where(deliveries.c.message_id.in_(message_ids))
    fresh = {"state": "pending", "tries": 0, "next_try_at": now, "at": now, "ended_at": None}
    return connection.execute(query.values(fresh)).rowcount


def count_deliveries(connection: sa.Connection, owner: str | None = None) -> dict[tuple[str, str], int]:
    """Return the numbers of pending and dead deliveries by endpoint and state, of one owner or of all owners."""
    query = sa.select(deliveries.c.endpoint, deliveries.c.state, sa.func.count())
    query = query.where(deliveries.c.state.in_(("pending", "dead")))
    if owner is not None:
        query = query.where(deliveries.c.owner == owner)
    rows = connection.execute(query.group_by(deliveries.c.endpoint, deliveries.c.state))
    return {(endpoint, state): count for endpoint, state, count in rows}


def oldest_pending(connection: sa.Connection) -> float | None:
    """Return the time since which the oldest pending delivery has been waiting."""
    query = sa.select(sa.func.min(deliveries.c.at)).where(_PENDING)
    oldest: float | None = connection.execute(query).scalar_one()
    return oldest


def prune_messages(connection: sa.Connection, before_at: float, limit: int) -> int:
    """Delete at most `limit` messages from before `before_at` without pending deliveries. Return the number of deleted
    messages."""
    waited_for = sa.exists().where(deliveries.c.message_id == messages.c.id, _PENDING)
    old = sa.select(messages.c.id).where(messages.c.at < before_at, ~waited_for).order_by(messages.c.at).limit(limit)
    return connection.execute(messages.delete().where(messages.c.id.in_(old))).rowcount
