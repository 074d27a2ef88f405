"""The rows of recordings, with their attempts and labels. Leases are in `claims`, and evidence is in `evidence`.

The document is the recording. The columns are copies for searching; they are written with each save and never read
back.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from functools import cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from service.database.documents import decode_recording, encode
from service.database.tables import attempts, labels, recordings
from service.recording import TERMINAL, Recording, State

_FEW = 1000
# These are literals, not parameters, because SQLite otherwise does not use the partial indexes.
_PLANNED = sa.text("recordings.planned_at IS NOT NULL")
_WARNED = sa.text("recordings.warned")


class LostRace(Exception):
    """The row has changed since it was loaded or claimed. Nothing was written."""


class AttemptRow(NamedTuple):
    """The recording's attempt of an Agora task."""

    recording_id: str
    number: int
    cname: str
    uid: int
    sid: str | None


class SealedRow(NamedTuple):
    """The sealed part of a recording. `has_word` is true if the recording's document contains the word of the query."""

    recording_id: str
    sealed: bytes
    has_word: bool


class Listed(NamedTuple):
    """A recording as it is stored in its row, because decoding a page of recordings takes longer than a transaction
    should."""

    requested_at: float
    id: str
    document: str
    planned_at: float | None = None

    def decode(self) -> Recording:
        return decode_recording(self.document)


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT of this database's dialect, which supports `on_conflict_do_update`."""
    return insert_of(connection.dialect.name, table)


def insert_of(dialect: str, table: sa.Table) -> Any:
    """Return the INSERT by the dialect's name, for statements that are built once."""
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


def insert_recording(
    connection: sa.Connection, recording: Recording, *, due_at: float | None, sealed: bytes | None = None
) -> None:
    """Insert a new recording. `sealed` contains its page and RTMP URLs."""
    connection.execute(
        recordings.insert().values(
            id=recording.id,
            owner=recording.owner,
            app=recording.app,
            storage=recording.storage,
            state=recording.state.value,
            requested_at=recording.requested_at,
            version=recording.version,
            due_at=due_at,
            document=encode(recording),
            sealed=sealed,
            planned_at=recording.planned_at,
            warned=bool(recording.warned),
        )
    )
    _save_attempts(connection, recording)
    _insert_labels(connection, recording)


def load_recording(
    connection: sa.Connection, recording_id: str, *, owner: str | None = None, lock: bool = False
) -> Recording | None:
    """Return the recording, or None if it does not exist or has another owner. If `owner` is None, any owner is
    accepted.

    If `lock` is true, other transactions cannot change the recording until this one ends. Use it before every save.
    """
    asked = {"of_id": recording_id} if owner is None else {"of_id": recording_id, "of_owner": owner}
    document = connection.execute(_load(owned=owner is not None, lock=lock), asked).scalar_one_or_none()
    return None if document is None else decode_recording(document)


@cache
def _load(*, owned: bool, lock: bool) -> sa.Select[Any]:
    """Build the query. It is built once, like `_update`."""
    query = sa.select(recordings.c.document).where(recordings.c.id == sa.bindparam("of_id"))
    if owned:
        query = query.where(recordings.c.owner == sa.bindparam("of_owner"))
    return query.with_for_update() if lock else query


def load_several(connection: sa.Connection, owner: str, recording_ids: Iterable[str]) -> list[Recording]:
    """Return those of these recordings that belong to the owner, in any order."""
    query = sa.select(recordings.c.document).where(
        recordings.c.owner == owner, recordings.c.id.in_(sorted(set(recording_ids)))
    )
    return [decode_recording(document) for document in connection.execute(query).scalars()]


def load_open(connection: sa.Connection, before_at: float, after: str, limit: int) -> list[Recording]:
    """Return unfinished recordings requested before a timestamp, ordered by id, after `after`. An unreadable row is
    omitted, because no step can be taken on it; claiming it reports the error."""
    open_states = sorted(set(State) - TERMINAL)
    query = sa.select(recordings.c.document).where(
        recordings.c.state.in_(open_states), recordings.c.requested_at < before_at, recordings.c.id > after
    )
    documents = connection.execute(query.order_by(recordings.c.id).limit(limit)).scalars()
    return [one for one in map(_decoded, documents) if one is not None]


def _decoded(document: str) -> Recording | None:
    try:
        return decode_recording(document)
    except Exception:  # a corrupt document may raise any exception
        return None


def load_owners(connection: sa.Connection, recording_ids: Set[str]) -> dict[str | None, str]:
    """Return the owner of each of these recordings, without recordings that do not exist."""
    if not recording_ids:
        return {}
    query = sa.select(recordings.c.id, recordings.c.owner).where(recordings.c.id.in_(sorted(recording_ids)))
    return {row.id: row.owner for row in connection.execute(query)}


def save_recording(
    connection: sa.Connection,
    recording: Recording,
    *,
    due_at: float | None,
    fence: int | None = None,
    release: bool = False,
    sealed: bytes | None = None,
    before: Recording | None = None,
) -> Recording:
    """Save a recording that was loaded at `recording.version`. Return it with the next version.

    `due_at` is the time of the worker's next step, or None for never. With `fence`, save only while the claim with this
    fence is held. `release` ends that claim. `sealed` replaces the sealed part. `before` is the recording as it was
    loaded; its attempts are not written again. Raise `LostRace`.
    """
    saved = replace(recording, version=recording.version + 1)
    values: dict[str, Any] = {
        "state": saved.state.value,
        "version": saved.version,
        "due_at": due_at,
        "document": encode(saved),
        "planned_at": saved.planned_at,
        "warned": bool(saved.warned),
    }
    if release:
        values |= {"lease_owner": None, "lease_until": None}
    if sealed is not None:
        values["sealed"] = sealed
    held = {"of_id": saved.id, "of_version": recording.version}
    if fence is not None:
        held["of_fence"] = fence
    if connection.execute(_update(frozenset(values), fenced=fence is not None), {**values, **held}).rowcount != 1:
        raise LostRace(saved.id)
    _save_attempts(connection, saved, before)
    return saved


def correct_recording(connection: sa.Connection, recording: Recording, *, due_at: float | None) -> Recording:
    """Save a recording that was stored with wrong values, including values that no other save changes. A running claim
    is lost, because its step concerns the wrong task. Raise `LostRace`."""
    saved = save_recording(connection, recording, due_at=due_at, release=True)
    values = {"app": saved.app, "storage": saved.storage, "fence": recordings.c.fence + 1}
    connection.execute(recordings.update().where(recordings.c.id == saved.id).values(values))
    for attempt in saved.attempts:
        this = (attempts.c.recording_id == saved.id, attempts.c.number == attempt.number)
        connection.execute(attempts.update().where(*this).values(uid=attempt.uid))
    return saved


@cache
def _update(columns: frozenset[str], *, fenced: bool) -> sa.Update:
    """Build the update. It is built once for each set of columns, because building it takes longer than executing
    it."""
    query = recordings.update().where(
        recordings.c.id == sa.bindparam("of_id"), recordings.c.version == sa.bindparam("of_version")
    )
    if fenced:
        query = query.where(recordings.c.fence == sa.bindparam("of_fence"))
    return query.values({name: sa.bindparam(name) for name in sorted(columns)})


def replace_labels(connection: sa.Connection, recording: Recording) -> None:
    """Replace the searchable labels of the recording. Call this after saving changed labels."""
    connection.execute(labels.delete().where(labels.c.recording_id == recording.id))
    _insert_labels(connection, recording)


def _insert_labels(connection: sa.Connection, recording: Recording) -> None:
    if recording.labels:
        own = {"owner": recording.owner, "requested_at": recording.requested_at, "recording_id": recording.id}
        rows = [own | {"name": name, "value": value} for name, value in recording.labels.items()]
        connection.execute(labels.insert(), rows)


def _save_attempts(connection: sa.Connection, recording: Recording, before: Recording | None = None) -> None:
    known = [] if before is None else _attempt_rows(before)
    rows = [row for row in _attempt_rows(recording) if row not in known]
    if rows:
        connection.execute(_attempts_upsert(connection.dialect.name), rows)


def _attempt_rows(recording: Recording) -> list[dict[str, Any]]:
    return [
        {"recording_id": recording.id, "number": it.number, "cname": it.cname, "uid": it.uid, "sid": it.sid}
        for it in recording.attempts
    ]


@cache
def _attempts_upsert(dialect: str) -> Any:
    query = insert_of(dialect, attempts)
    return query.on_conflict_do_update(
        index_elements=["recording_id", "number"],
        set_={"sid": query.excluded.sid},
        where=attempts.c.sid.is_distinct_from(query.excluded.sid),
    )


def list_recordings(
    connection: sa.Connection,
    *,
    owner: str,
    limit: int,
    states: Set[State] = frozenset(),
    app: str | None = None,
    with_labels: Mapping[str, str] | None = None,
    from_at: float | None = None,
    to_at: float | None = None,
    planned: bool | None = None,
    warned: bool | None = None,
    after: tuple[float, str] | None = None,
) -> list[Listed]:
    """Return an owner's recordings that match all filters, newest request first and not yet decoded. If only `planned`
    recordings are requested, order them by their start. `after` is (`requested_at`, or `planned_at`, and id) of the
    last recording seen."""
    wanted = dict(with_labels or {})
    rare = _rare_label(connection, owner, wanted)
    found = sa.select(recordings.c.id, recordings.c.requested_at)
    if rare is None:
        found = found.where(recordings.c.owner == owner)
    else:
        found = found.join(labels, labels.c.recording_id == recordings.c.id)
        found = found.where(_labelled(owner, rare, wanted.pop(rare)))
    for name, value in wanted.items():
        found = found.where(_has_label(owner, name, value))
    if states:
        found = found.where(recordings.c.state.in_(sorted(states)))
    if app is not None:
        found = found.where(recordings.c.app == app)
    if from_at is not None:
        found = found.where(recordings.c.requested_at >= from_at)
    if to_at is not None:
        found = found.where(recordings.c.requested_at < to_at)
    if planned is not None:
        found = found.where(_PLANNED if planned else recordings.c.planned_at.is_(None))
    if warned is not None:
        found = found.where(_WARNED if warned else ~recordings.c.warned)
    order = (recordings.c.planned_at if planned else recordings.c.requested_at, recordings.c.id)
    place = sa.tuple_(*order)
    if after is not None:
        seen = sa.tuple_(sa.literal(after[0], sa.Double), sa.literal(after[1]))
        found = found.where(place > seen if planned else place < seen)
    found = found.order_by(*(column if planned else column.desc() for column in order)).limit(limit)
    # The documents are fetched for the page alone, and the search above stays within an index.
    page = found.subquery()
    query = sa.select(*(recordings.c[name] for name in Listed._fields)).join(page, page.c.id == recordings.c.id)
    rows = connection.execute(query.order_by(*(column if planned else column.desc() for column in order)))
    return [Listed(*row) for row in rows]


def count_recordings(
    connection: sa.Connection,
    owner: str,
    limit: int,
    *,
    states: Set[State] = frozenset(),
    planned: bool | None = None,
    warned: bool | None = None,
) -> int:
    """Return the number of an owner's recordings that match all filters, at most `limit`."""
    found = sa.select(sa.literal(1)).select_from(recordings).where(recordings.c.owner == owner)
    if states:
        found = found.where(recordings.c.state.in_(sorted(states)))
    if planned is not None:
        found = found.where(_PLANNED if planned else recordings.c.planned_at.is_(None))
    if warned is not None:
        found = found.where(_WARNED if warned else ~recordings.c.warned)
    return connection.execute(sa.select(sa.func.count()).select_from(found.limit(limit).subquery())).scalar_one()


def _rare_label(connection: sa.Connection, owner: str, wanted: Mapping[str, str]) -> str | None:
    """Return the label to search from, if a label has few enough recordings to check all of them.

    Otherwise the recordings are read in order and checked for their labels. Neither database's planner knows the
    frequency of a pair of name and value, so without this choice they need up to 100 ms among 100,000 recordings.
    """
    counts = {}
    for name, value in wanted.items():
        some = sa.select(labels.c.recording_id).where(_labelled(owner, name, value)).limit(_FEW + 1)
        counts[name] = connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()
    rarest = min(counts, key=counts.__getitem__, default=None)
    return rarest if rarest is not None and counts[rarest] <= _FEW else None


def _labelled(owner: str, name: str, value: str) -> sa.ColumnElement[bool]:
    return sa.and_(labels.c.owner == owner, labels.c.name == name, labels.c.value == value)


def _has_label(owner: str, name: str, value: str) -> sa.ColumnElement[bool]:
    """Return a probe of the current recording. It is not EXISTS, because PostgreSQL may turn that into another join."""
    probed = labels.alias()
    found = sa.select(probed.c.name).where(
        probed.c.owner == owner,
        probed.c.name == name,
        probed.c.value == value,
        probed.c.requested_at == recordings.c.requested_at,
        probed.c.recording_id == recordings.c.id,
    )
    return found.scalar_subquery().is_not(None)


def count_by_state(connection: sa.Connection) -> dict[State, int]:
    """Return the number of recordings in each state, including zeros."""
    query = sa.select(recordings.c.state, sa.func.count()).group_by(recordings.c.state)
    return dict.fromkeys(State, 0) | {State(state): count for state, count in connection.execute(query)}


def load_sealed(connection: sa.Connection, recording_id: str) -> bytes | None:
    """Return the value that is stored as `sealed`."""
    query = sa.select(recordings.c.sealed).where(recordings.c.id == recording_id)
    return connection.execute(query).scalar_one_or_none()


def count_open_by(
    connection: sa.Connection, column: Literal["app", "storage"], states: Iterable[State]
) -> dict[str, int]:
    """Return the number of recordings in these states by app or by storage profile."""
    query = sa.select(recordings.c[column], sa.func.count()).where(
        recordings.c.state.in_([state.value for state in states])
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(recordings.c[column])).all()}


def load_all_sealed(connection: sa.Connection, states: Iterable[State], word: str) -> list[SealedRow]:
    """Return the `sealed` values of all recordings in these states. For `word`, see `SealedRow`."""
    columns = (recordings.c.id, recordings.c.sealed, recordings.c.document.contains(word, autoescape=True))
    query = sa.select(*columns).where(recordings.c.state.in_([state.value for state in states]))
    return [SealedRow(*row) for row in connection.execute(query.where(recordings.c.sealed.is_not(None)))]


def find_by_sid(connection: sa.Connection, owner: str, sid: str) -> str | None:
    """Return the owner's recording with this task, or None."""
    query = sa.select(recordings.c.id).join(attempts, attempts.c.recording_id == recordings.c.id)
    found = connection.execute(query.where(attempts.c.sid == sid, recordings.c.owner == owner).limit(1))
    return found.scalar_one_or_none()


def find_by_cname(connection: sa.Connection, cname: str) -> list[AttemptRow]:
    """Return all attempts with this channel name, oldest first."""
    return _find(connection, attempts.c.cname == cname)


def _find(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[AttemptRow]:
    columns = (attempts.c[name] for name in AttemptRow._fields)
    rows = connection.execute(sa.select(*columns).where(where).order_by(attempts.c.number))
    return [AttemptRow(*row) for row in rows]
