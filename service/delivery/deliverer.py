"""The loops that deliver messages, one for each endpoint, so that an unavailable one does not delay others.

All state is in the database: a message whose sender died is claimed again, so each arrives at least once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from metrics import delivery as meter
from service.database.outbox import DeliveryClaim
from service.delivery.queue import DeliveryQueue
from service.delivery.sender import Outcome, Post, Response, SendPost, send_post, signed_headers
from service.errors import ServiceError
from service.isolation import isolate, note_error
from service.messages import DeliveryError
from service.settings import Endpoint, Settings
from service.urls.rules import parse_endpoint_url

GAUGES_SECONDS = 15.0
BURY_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class Deliverer:
    """Delivers messages until `run()` is cancelled. Call `drain()` first to let deliveries under way finish."""

    def __init__(
        self,
        settings: Settings,
        sending: DeliveryQueue,
        *,
        send: SendPost = send_post,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._sending = sending
        self._send = send
        self._clock = clock
        self._stopping = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run the loops of all endpoints. An unexpected error affects only the message in which it occurs."""
        async with asyncio.TaskGroup() as group:
            for name, endpoint in self._settings.endpoints.items():
                group.create_task(self._serve(name, endpoint), name=f"endpoint {name}")
            group.create_task(self.measure(), name="deliveries measured")
            group.create_task(self._every(BURY_SECONDS, self._sending.bury), name="deliveries buried")

    async def measure(self) -> None:
        """Update the gauges of messages until cancelled. It also runs on its own in a process that delivers none."""
        await self._every(GAUGES_SECONDS, self._sending.measure)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, and wait up to `seconds` for the answers to sent messages."""
        self._stopping.set()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def _serve(self, name: str, endpoint: Endpoint) -> None:
        while not self._stopping.is_set():
            claims = await isolate("deliveries", self._sending.claim(name), [])
            if not claims:
                await asyncio.sleep(self._settings.worker.poll_seconds)
                continue
            tasks = {asyncio.create_task(self._deliver(name, endpoint, claim)) for claim in claims}
            self._under_way |= tasks
            await asyncio.wait(tasks)
            self._under_way -= tasks

    async def _deliver(self, name: str, endpoint: Endpoint, claim: DeliveryClaim) -> None:
        """Send one message. After an unexpected error it is retried by its own schedule, at the end of which it is
        dead; the endpoint does not count as failing."""
        try:
            await self._send_one(name, endpoint, claim)
        except Exception as error:
            note_error("deliveries", error, recording_id=claim.recording_id, message_id=claim.message_id)
            if not isinstance(error, ServiceError):
                await isolate("deliveries", self._sending.set_aside(name, claim), None)

    async def _send_one(self, name: str, endpoint: Endpoint, claim: DeliveryClaim) -> None:
        if endpoint.types is not None and claim.type not in endpoint.types:
            await self._sending.skip(name, claim)
            return
        began = time.perf_counter()
        response = await self._try(endpoint, claim)
        seconds = time.perf_counter() - began
        meter.tried(response.outcome, seconds)
        _log_delivery(name, claim, response, seconds)
        await self._sending.report(name, claim, response)  # if the database is unavailable, it is sent again

    async def _try(self, endpoint: Endpoint, claim: DeliveryClaim) -> Response:
        try:
            target = parse_endpoint_url(endpoint.url.get(), self._settings.urls)
        except ValueError:  # its file now contains a forbidden URL
            return Response(Outcome.FAILING, error=DeliveryError.FORBIDDEN_URL)
        secrets = [secret.get() for secret in endpoint.secrets]
        headers = signed_headers(claim.message_id, claim.body, secrets, self._clock())
        return await self._send(Post(target, headers, claim.body.encode(), endpoint.timeout_seconds))

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await isolate("deliveries", act(), None)
            await asyncio.sleep(seconds)


def _log_delivery(endpoint: str, claim: DeliveryClaim, response: Response, seconds: float) -> None:
    _log.info(
        "delivery",
        endpoint=endpoint,
        message_id=claim.message_id,
        recording_id=claim.recording_id,
        type=claim.type,
        outcome=response.outcome,
        error=response.error,
        seconds=round(seconds, 4),
    )
