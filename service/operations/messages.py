"""Messages on their way out: the feed and what callers may do with deliveries, and what the deliverer does to them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from metrics import delivery as meter
from service.database import outbox
from service.database.engine.database import Database
from service.database.outbox import DeliveryClaim, DeliveryRow, EndpointRow, Event
from service.database.sealing import SealError, Seals
from service.delivery.retry import (
    ENDPOINT_MAX_SECONDS,
    GIVE_UP_SECONDS,
    RETRY_AFTER_MAX_SECONDS,
    endpoint_wait,
    message_wait,
)
from service.delivery.sender import Outcome, Response
from service.errors import Code, ServiceError
from service.messages import DeliveryError
from service.operations.pagination import cut_page, decode_cursor, encode_cursor
from service.operations.recordings.admission import refuse_unknown, there_is
from service.operations.trail import ActionKind, note_action
from service.operations.types import Caller, Page
from service.settings import Endpoint, Settings
from service.urls.rules import redact_path

POLL_SECONDS = 0.5
# How much longer than an endpoint's time-out a message stays hidden while it is sent.
HIDE_MARGIN_SECONDS = 10.0
BURY_AT_ONCE = 500
_PURPOSE = "deliveries.answer"


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint of the settings as a caller may see it; `pending` and `dead` are the caller's own."""

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
    """What became of one message at one endpoint. `document` is the body that is sent; `last_answer` is the beginning
    of what was answered last, None where nothing was."""

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


class Outgoing:
    """What callers may do with messages. Methods raise `ServiceError`."""

    def __init__(self, settings: Settings, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._clock = clock

    async def events(self, caller: Caller, cursor: str | None, limit: int, wait_seconds: float) -> Page[Event]:
        """The owner's messages behind the cursor, in the feed's order; where there is none, as soon as there is one,
        or none after `wait_seconds`. `next` is always set: the feed has no end."""
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
        """What became of the owner's messages at each endpoint, newest first."""
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
        """Try the owner's dead deliveries again, from the start of the schedule; how many."""

        def transaction(connection: sa.Connection) -> int:
            self._check_known(connection, caller, "/endpoint", endpoint)
            now = self._clock()
            for subject in message_ids or [endpoint or "all"]:
                note_action(connection, caller, ActionKind.REDRIVE, subject, now)
            return outbox.redrive(connection, caller.owner, now, endpoint=endpoint, message_ids=message_ids)

        return await self._database.run(transaction)

    async def endpoints(self, caller: Caller) -> tuple[EndpointState, ...]:
        """The endpoints that the owner may name, and how each does."""

        def transaction(connection: sa.Connection) -> tuple[EndpointState, ...]:
            counts = outbox.count_deliveries(connection, caller.owner)
            return tuple(
                _shown(endpoint, outbox.load_endpoint(connection, name), counts, self._clock())
                for name, endpoint in sorted(self._own(caller).items())
            )

        return await self._database.run(transaction)

    async def enable(self, caller: Caller, name: str) -> EndpointState:
        """Forget that an endpoint was gone or failing, and send what waits for it, from the start of the schedule."""
        own = self._own(caller)
        if name not in own:
            raise ServiceError(Code.NOT_FOUND, f"no such endpoint; {there_is(own)}")
        endpoint = own[name]

        def transaction(connection: sa.Connection) -> EndpointState:
            row = EndpointRow(outbox.load_endpoint(connection, name, lock=True).name)
            now = self._clock()
            outbox.save_endpoint(connection, row)
            outbox.restart_deliveries(connection, name, now, _hide_seconds(endpoint))
            note_action(connection, caller, ActionKind.ENABLE, name, now)
            return _shown(endpoint, row, outbox.count_deliveries(connection, caller.owner), now)

        return await self._database.run(transaction)

    def _own(self, caller: Caller) -> dict[str, Endpoint]:
        """The endpoints that the owner may name. Others do not exist for it."""
        return {
            name: endpoint
            for name, endpoint in self._settings.endpoints.items()
            if endpoint.owners is None or caller.owner in endpoint.owners
        }

    def _check_known(self, connection: sa.Connection, caller: Caller, pointer: str, name: str | None) -> None:
        """Refuse an endpoint that is neither in the settings nor has a message of the owner."""
        own = self._own(caller)
        if name is None or name in own:
            return
        if not outbox.list_deliveries(connection, caller.owner, state=None, endpoint=name, before=None, limit=1):
            refuse_unknown(pointer, own)


def _next_try_at(row: DeliveryRow, endpoint: EndpointRow | None, now: float) -> float | None:
    """When a message is tried next, at the earliest: not before its endpoint is asked again. None where nothing is
    sent: it is not pending, or its endpoint is disabled or no longer in the settings."""
    if row.state != "pending" or endpoint is None or endpoint.disabled_at is not None:
        return None
    return max(row.next_try_at, endpoint.next_try_at, now)


def _delivery(seals: Seals, row: DeliveryRow, next_try_at: float | None) -> Delivery:
    fields = row._asdict()
    sealed = fields.pop("answer")
    return Delivery(**fields | {"next_try_at": next_try_at}, last_answer=_open(seals, sealed))


def _open(seals: Seals, sealed: bytes | None) -> str | None:
    """The answer as text. One that was sealed with a key that is gone is shown as none: it is only a help."""
    if sealed is None:
        return None
    try:
        return seals.open(sealed, _PURPOSE).decode(errors="replace")
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


class Sending:
    """What the deliverer does with the database."""

    def __init__(self, settings: Settings, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
        self._endpoints = settings.endpoints
        self._database = database
        self._seals = seals
        self._clock = clock

    async def claim(self, endpoint: str) -> list[DeliveryClaim]:
        """Messages to send to an endpoint now. One that fails gets a single one, and by one process alone."""
        limit, hide = self._endpoints[endpoint].concurrency, _hide_seconds(self._endpoints[endpoint])

        def transaction(connection: sa.Connection) -> list[DeliveryClaim]:
            now = self._clock()
            row = outbox.load_endpoint(connection, endpoint)
            if row.disabled_at is not None or row.next_try_at > now:
                return []
            if not row.failures:
                return outbox.claim_deliveries(connection, endpoint, now, limit, hide)
            row = outbox.load_endpoint(connection, endpoint, lock=True)
            if row.disabled_at is not None or row.next_try_at > now:
                return []
            claims = outbox.claim_deliveries(connection, endpoint, now, 1, hide)
            if claims:  # where no message is due, nothing is sent, and the next one that is due need not wait
                outbox.save_endpoint(connection, row._replace(next_try_at=now + hide))
            return claims

        return await self._database.run(transaction)

    async def skip(self, endpoint: str, claim: DeliveryClaim) -> None:
        """The endpoint does not want this type."""
        await self._database.run(
            lambda connection: outbox.end_delivery(connection, endpoint, claim.message_id, "skipped", self._clock())
        )
        meter.ended("skipped")

    async def set_aside(self, endpoint: str, claim: DeliveryClaim) -> None:
        """Sending it failed by an error of ours: it is tried again by its schedule, and is dead at its end."""
        unsent = Response(Outcome.REFUSED, error=DeliveryError.UNEXPECTED_ERROR)

        def transaction(connection: sa.Connection) -> bool:
            return self._end_or_retry(connection, endpoint, claim, unsent, self._clock())

        if await self._database.run(transaction):
            meter.ended("dead")

    async def report(self, endpoint: str, claim: DeliveryClaim, response: Response) -> None:
        """What came of sending one message."""
        dead, now = await self._database.run(lambda connection: self._note(connection, endpoint, claim, response))
        if dead:
            meter.ended("dead")
        if response.outcome is Outcome.DELIVERED:
            meter.delivered_after(now - claim.at)

    def _note(
        self, connection: sa.Connection, endpoint: str, claim: DeliveryClaim, response: Response
    ) -> tuple[bool, float]:
        now = self._clock()
        before = outbox.load_endpoint(connection, endpoint)
        after = _endpoint_after(before, response, now)
        if after != before:
            before = outbox.load_endpoint(connection, endpoint, lock=True)
            outbox.save_endpoint(connection, _endpoint_after(before, response, now))
        if response.outcome is Outcome.DELIVERED:
            if before.failures:
                outbox.hasten_deliveries(connection, endpoint, now, _hide_seconds(self._endpoints[endpoint]))
            outbox.end_delivery(
                connection,
                endpoint,
                claim.message_id,
                "delivered",
                now,
                status=response.status,
                answer=self._sealed_body(response),
            )
            return False, now
        return self._end_or_retry(connection, endpoint, claim, response, now), now

    def _end_or_retry(
        self, connection: sa.Connection, endpoint: str, claim: DeliveryClaim, response: Response, now: float
    ) -> bool:
        """Whether it is dead now, at the end of its schedule."""
        error, answer = response.error or response.outcome, self._sealed_body(response)
        wait = message_wait(claim.tries, f"{claim.message_id}/{endpoint}")
        if wait is None:
            outbox.end_delivery(
                connection, endpoint, claim.message_id, "dead", now, status=response.status, error=error, answer=answer
            )
            return True
        at = now + max(wait, _bounded(response.retry_after_seconds))
        outbox.retry_delivery(
            connection, endpoint, claim.message_id, at, status=response.status, error=error, answer=answer
        )
        return False

    def _sealed_body(self, response: Response) -> bytes | None:
        return self._seals.seal(response.body, _PURPOSE) if response.body else None

    async def bury(self) -> None:
        """Give up what has waited too long without its turn."""

        def transaction(connection: sa.Connection) -> int:
            now = self._clock()
            return outbox.bury_deliveries(connection, now - GIVE_UP_SECONDS, now, BURY_AT_ONCE)

        for _ in range(await self._database.run(transaction)):
            meter.ended("dead")

    async def measure(self) -> None:
        """Feed the gauges with what waits."""

        def transaction(connection: sa.Connection) -> tuple[dict[tuple[str, str], int], float | None, int]:
            counts, oldest = outbox.count_deliveries(connection), outbox.oldest_pending(connection)
            return counts, oldest, outbox.count_failing(connection, self._endpoints)

        counts, oldest_at, failing = await self._database.run(transaction)
        by_state = {
            wanted: sum(count for (_, state), count in counts.items() if state == wanted)
            for wanted in ("pending", "dead")
        }
        meter.measured(by_state["pending"], by_state["dead"], oldest_at, failing)


def _endpoint_after(row: EndpointRow, response: Response, now: float) -> EndpointRow:
    """How an endpoint does after an answer. One that refuses a message is there: the others are sent as before."""
    if response.outcome is Outcome.GONE:
        return row._replace(disabled_at=row.disabled_at or now, last_error=response.error)
    if response.outcome is not Outcome.FAILING:
        return row._replace(failures=0, failing_since=None, next_try_at=0.0, last_error=response.error)
    failures = row.failures + 1
    # The message itself waits as long as it was told; others are tried one at a time meanwhile.
    asked = min(response.retry_after_seconds or 0.0, ENDPOINT_MAX_SECONDS)
    wait = max(endpoint_wait(failures, row.name), asked)
    return row._replace(
        failures=failures,
        failing_since=row.failing_since or now,
        next_try_at=now + wait,
        last_error=response.error,
    )


def _hide_seconds(endpoint: Endpoint) -> float:
    return endpoint.timeout_seconds + HIDE_MARGIN_SECONDS


def _bounded(seconds: float | None) -> float:
    return min(seconds or 0.0, RETRY_AFTER_MAX_SECONDS)
