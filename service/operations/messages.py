"""Messages for callers: the feed of events, their deliveries, and the endpoints."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from service.database import outbox
from service.database.engine.database import Database
from service.database.outbox import DeliveryRow, EndpointRow, Event
from service.database.sealing import SealError, Seals
from service.errors import Code, ServiceError
from service.operations.pagination import cut_page, decode_cursor, encode_cursor
from service.operations.recordings.admission import refuse_unknown, there_is
from service.operations.trail import ActionKind, note_action
from service.operations.types import Caller, Page
from service.settings import Endpoint, Settings
from service.urls.rules import redact_path

POLL_SECONDS = 0.5
HIDE_MARGIN_SECONDS = 10.0
ANSWER_PURPOSE = "deliveries.answer"
"""The purpose under which the beginning of an endpoint's answer is sealed."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state of an endpoint as shown to a caller; `pending` and `dead` count the caller's own messages."""

    name: str
    url: str
    state: str
    failing_since: float | None
    next_try_at: float | None
    last_error: str | None
    pending: int
    dead: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of one message to one endpoint. `document` is the body that is sent. `last_answer` is the beginning
    of the last answer, or None if the endpoint has not answered."""

    message_id: str
    recording_id: str
    type: str
    endpoint: str
    state: str
    at: float
    tries: int
    next_try_at: float | None
    last_status: int | None
    last_error: str | None
    last_answer: str | None = field(repr=False)
    ended_at: float | None
    document: dict[str, Any]


class Messages:
    """The operations on messages. Methods raise `ServiceError`."""

    def __init__(self, settings: Settings, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._clock = clock

    async def events(self, caller: Caller, cursor: str | None, limit: int, wait_seconds: float) -> Page[Event]:
        """Return the owner's messages after the cursor, in the feed's order. If none exists, wait for one for up to
        `wait_seconds`. `next` is always set, because the feed has no end."""
        after: int = (decode_cursor(cursor, (int,), "?after") or (0,))[0]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds

        def transaction(connection: sa.Connection) -> list[Event]:
            outbox.publish(connection)
            return outbox.load_events(connection, caller.owner, after=after, limit=limit)

        while True:
            found = await self._database.run(transaction)
            left = deadline - loop.time()
            if found or left <= 0:
                return Page(tuple(found), encode_cursor(found[-1].position if found else after))
            await asyncio.sleep(min(POLL_SECONDS, left))

    async def deliveries(
        self, caller: Caller, *, state: str | None, endpoint: str | None, cursor: str | None, limit: int
    ) -> Page[Delivery]:
        """Return the deliveries of the owner's messages to all endpoints, newest first."""
        before = decode_cursor(cursor, (float, str, str))

        def transaction(connection: sa.Connection) -> list[tuple[DeliveryRow, float | None]]:
            self._check_known(connection, caller, "?endpoint", endpoint)
            now = self._clock()
            found = outbox.list_deliveries(
                connection, caller.owner, state=state, endpoint=endpoint, before=before, limit=limit + 1
            )
            known = {row.endpoint for row in found} & self._settings.endpoints.keys()
            endpoints = {name: outbox.load_endpoint(connection, name) for name in known}
            return [(row, _next_try_at(row, endpoints.get(row.endpoint), now)) for row in found]

        shown = [_delivery(self._seals, row, next_at) for row, next_at in await self._database.run(transaction)]
        return cut_page(shown, limit, lambda last: (last.at, last.message_id, last.endpoint))

    async def redrive(self, caller: Caller, *, endpoint: str | None, message_ids: list[str] | None) -> int:
        """Retry the owner's dead deliveries from the start of the schedule. Return the number of deliveries."""

        def transaction(connection: sa.Connection) -> int:
            self._check_known(connection, caller, "/endpoint", endpoint)
            now = self._clock()
            for subject in message_ids or [endpoint or "all"]:
                note_action(connection, caller, ActionKind.REDRIVE, subject, now)
            return outbox.redrive(connection, caller.owner, now, endpoint=endpoint, message_ids=message_ids)

        return await self._database.run(transaction)

    async def endpoints(self, caller: Caller) -> tuple[EndpointState, ...]:
        """Return the endpoints that the owner may name, with their states."""

        def transaction(connection: sa.Connection) -> tuple[EndpointState, ...]:
            counts = outbox.count_deliveries(connection, caller.owner)
            return tuple(
                _shown(endpoint, outbox.load_endpoint(connection, name), counts, self._clock())
                for name, endpoint in sorted(self._own(caller).items())
            )

        return await self._database.run(transaction)

    async def enable(self, caller: Caller, name: str) -> EndpointState:
        """Clear an endpoint's failures and send its pending messages from the start of the schedule."""
        own = self._own(caller)
        if name not in own:
            raise ServiceError(Code.NOT_FOUND, f"no such endpoint; {there_is(own)}")
        endpoint = own[name]

        def transaction(connection: sa.Connection) -> EndpointState:
            row = EndpointRow(outbox.load_endpoint(connection, name, lock=True).name)
            now = self._clock()
            outbox.save_endpoint(connection, row)
            outbox.restart_deliveries(connection, name, now, hide_seconds(endpoint))
            note_action(connection, caller, ActionKind.ENABLE, name, now)
            return _shown(endpoint, row, outbox.count_deliveries(connection, caller.owner), now)

        return await self._database.run(transaction)

    def _own(self, caller: Caller) -> dict[str, Endpoint]:
        """Return the endpoints that the owner may name. Others do not exist for the owner."""
        return {
            name: endpoint
            for name, endpoint in self._settings.endpoints.items()
            if endpoint.owners is None or caller.owner in endpoint.owners
        }

    def _check_known(self, connection: sa.Connection, caller: Caller, pointer: str, name: str | None) -> None:
        """Refuse an endpoint that is not in the settings and has no message of the owner."""
        own = self._own(caller)
        if name is None or name in own:
            return
        if not outbox.list_deliveries(connection, caller.owner, state=None, endpoint=name, before=None, limit=1):
            refuse_unknown(pointer, own)


def _next_try_at(row: DeliveryRow, endpoint: EndpointRow | None, now: float) -> float | None:
    """Return the time of a message's next try, which is not before that of its endpoint. Return None if nothing will be
    sent, because the delivery is not pending or its endpoint is disabled or no longer in the settings."""
    if row.state != "pending" or endpoint is None or endpoint.disabled_at is not None:
        return None
    return max(row.next_try_at, endpoint.next_try_at, now)


def _delivery(seals: Seals, row: DeliveryRow, next_try_at: float | None) -> Delivery:
    fields = row._asdict()
    sealed = fields.pop("answer")
    return Delivery(**fields | {"next_try_at": next_try_at}, last_answer=_open(seals, sealed))


def _open(seals: Seals, sealed: bytes | None) -> str | None:
    """Return the answer as text, or None if its sealing key no longer exists. The answer is only a diagnostic aid."""
    if sealed is None:
        return None
    try:
        return seals.open(sealed, ANSWER_PURPOSE).decode(errors="replace")
    except SealError:
        return None


def _state_of(row: EndpointRow) -> str:
    if row.disabled_at is not None:
        return "disabled"
    if row.failing_since is not None:
        return "failing"
    return "ok" if row.last_error is None else "refusing"


def _shown(endpoint: Endpoint, row: EndpointRow, counts: dict[tuple[str, str], int], now: float) -> EndpointState:
    pending, state = counts.get((row.name, "pending"), 0), _state_of(row)
    return EndpointState(
        name=row.name,
        url=redact_path(endpoint.url.get()),
        state=state,
        failing_since=row.failing_since,
        next_try_at=max(row.next_try_at, now) if state == "failing" and pending else None,
        last_error=row.last_error,
        pending=pending,
        dead=counts.get((row.name, "dead"), 0),
    )


def hide_seconds(endpoint: Endpoint) -> float:
    """Return how long a claimed delivery stays hidden from other claims, which is longer than its endpoint's
    time-out."""
    return endpoint.timeout_seconds + HIDE_MARGIN_SECONDS
