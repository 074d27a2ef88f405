"""The queue of deliveries: claims the due ones, records their outcomes, and schedules retries."""

from collections.abc import Callable

import sqlalchemy as sa

from metrics import delivery as meter
from service.database import outbox
from service.database.engine.database import Database
from service.database.outbox import DeliveryClaim, EndpointRow
from service.database.sealing import Seals
from service.delivery.retry import (
    ENDPOINT_MAX_SECONDS,
    GIVE_UP_SECONDS,
    RETRY_AFTER_MAX_SECONDS,
    endpoint_wait,
    message_wait,
)
from service.delivery.sender import Outcome, Response
from service.messages import DeliveryError
from service.operations.messages import ANSWER_PURPOSE, hide_seconds
from service.settings import Settings

BURY_AT_ONCE = 500


class DeliveryQueue:
    """The pending deliveries in the database."""

    def __init__(self, settings: Settings, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
        self._endpoints = settings.endpoints
        self._database = database
        self._seals = seals
        self._clock = clock

    async def claim(self, endpoint: str) -> list[DeliveryClaim]:
        """Claim the messages to send to an endpoint now. A failing endpoint receives one at a time, from one process
        only."""
        limit, hide = self._endpoints[endpoint].concurrency, hide_seconds(self._endpoints[endpoint])

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
            if claims:  # without a due message nothing is sent, and the next due one need not wait
                outbox.save_endpoint(connection, row._replace(next_try_at=now + hide))
            return claims

        return await self._database.run(transaction)

    async def skip(self, endpoint: str, claim: DeliveryClaim) -> None:
        """End a delivery whose type the endpoint does not accept."""
        await self._database.run(
            lambda connection: outbox.end_delivery(connection, endpoint, claim.message_id, "skipped", self._clock())
        )
        meter.ended("skipped")

    async def set_aside(self, endpoint: str, claim: DeliveryClaim) -> None:
        """Retry a delivery after an internal error by its schedule; it is dead at the end of it."""
        unsent = Response(Outcome.REFUSED, error=DeliveryError.UNEXPECTED_ERROR)

        def transaction(connection: sa.Connection) -> bool:
            return self._end_or_retry(connection, endpoint, claim, unsent, self._clock())

        if await self._database.run(transaction):
            meter.ended("dead")

    async def report(self, endpoint: str, claim: DeliveryClaim, response: Response) -> None:
        """Record the result of sending one message."""
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
                outbox.hasten_deliveries(connection, endpoint, now, hide_seconds(self._endpoints[endpoint]))
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
        """Retry the delivery or end it as dead; return whether it is dead."""
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
        return self._seals.seal(response.body, ANSWER_PURPOSE) if response.body else None

    async def bury(self) -> None:
        """End deliveries that have waited too long as dead."""

        def transaction(connection: sa.Connection) -> int:
            now = self._clock()
            return outbox.bury_deliveries(connection, now - GIVE_UP_SECONDS, now, BURY_AT_ONCE)

        for _ in range(await self._database.run(transaction)):
            meter.ended("dead")

    async def measure(self) -> None:
        """Update the gauges of pending and dead deliveries."""

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
    """Return the state of an endpoint after an answer. One that refuses a message is available, so others are sent as
    before."""
    if response.outcome is Outcome.GONE:
        return row._replace(disabled_at=row.disabled_at or now, last_error=response.error)
    if response.outcome is not Outcome.FAILING:
        return row._replace(failures=0, failing_since=None, next_try_at=0.0, last_error=response.error)
    failures = row.failures + 1
    # The message itself waits as long as the answer requested; others are tried one at a time in the meantime.
    asked = min(response.retry_after_seconds or 0.0, ENDPOINT_MAX_SECONDS)
    wait = max(endpoint_wait(failures, row.name), asked)
    return row._replace(
        failures=failures,
        failing_since=row.failing_since or now,
        next_try_at=now + wait,
        last_error=response.error,
    )


def _bounded(seconds: float | None) -> float:
    return min(seconds or 0.0, RETRY_AFTER_MAX_SECONDS)
