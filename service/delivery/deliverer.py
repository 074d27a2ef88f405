"""Delivers messages: for each endpoint a loop of its own, so that a dead one holds up nobody else.

Nothing is remembered here: a message whose sender died is claimed again, so every one arrives at least once.
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
    """`run()` delivers until it is cancelled; `drain()` before that lets what is under way arrive."""

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
        """The loops of all endpoints. Each keeps an error that nobody expected to the message in which it came."""
        async with asyncio.TaskGroup() as group:
            for name, endpoint in self._settings.endpoints.items():
                group.create_task(self._serve(name, endpoint), name=f"endpoint {name}")
            group.create_task(self.measure(), name="deliveries measured")
            group.create_task(self._every(BURY_SECONDS, self._sending.bury), name="deliveries buried")

    async def measure(self) -> None:
        """Feed the gauges of messages until it is cancelled, also alone in a process that delivers none."""
        await self._every(GAUGES_SECONDS, self._sending.measure)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, and wait for the answers to what was sent."""
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
        """Send one message. Where that breaks unexpectedly, it is sent again by its own schedule, at whose end it is a
        dead letter; its endpoint is not blamed."""
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
        await self._sending.report(name, claim, response)  # where the database is away, it is sent again

    async def _try(self, endpoint: Endpoint, claim: DeliveryClaim) -> Response:
        try:
            target = parse_endpoint_url(endpoint.url.get(), self._settings.urls)
        except ValueError:  # its file was changed to something that may not be called
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
