"""The delivery of notices: order, resends, the second route, and the result of each delivery (agora-reference §7.2).

It does not interpret notices.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import aiohttp

from emulator.faults.registry import Copy
from emulator.notifications.wire import DEADLINE_SECONDS, Envelope, Notice, Receiver, encode, post
from emulator.process.background import Group
from emulator.process.clock import Clock

logger = logging.getLogger(__name__)

FORGED_SECRET = "not-the-secret"  # noqa: S105 - intentionally wrong


@dataclass(slots=True)
class Delivery:
    """One copy of a notice to one receiver, with the time and status of each attempt. The status is None if there was
    no answer."""

    host: str
    notice_id: str
    way: Literal["notice", "copy", "redundant", "forged"]
    fate: Literal["pending", "delivered", "given_up"] = "pending"
    tries: list[tuple[float, int | None]] = field(default_factory=list)


@dataclass(slots=True)
class Said:
    """A notice and its deliveries. Without deliveries it was lost, or no receiver is subscribed to it."""

    notice: Notice
    deliveries: list[Delivery] = field(default_factory=list)


class Sender:
    """Delivers notices over keep-alive connections.

    The first deliveries of one task's notices to one receiver keep their order. Resends and delayed copies do not.
    """

    def __init__(self, clock: Clock, group: Group, envelope: Envelope, gaps: Sequence[float]) -> None:
        self._clock, self._group, self._envelope = clock, group, envelope
        self._gaps = gaps
        self._routes: list[aiohttp.ClientSession] = []
        self._last: dict[tuple[str, str], asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        self._routes = [
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=DEADLINE_SECONDS),
                connector=aiohttp.TCPConnector(limit=200, limit_per_host=100),
                headers={"User-Agent": f"pagereel-emulator/route-{route}"},
            )
            for route in (1, 2)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._routes:
            await session.close()

    def send(self, notice: Notice, receivers: Sequence[Receiver], copies: Sequence[Copy]) -> Said:
        """Deliver copies of a notice in the background, each after its delay (real seconds)."""
        said = Said(notice)
        for receiver in receivers:
            notice_id = uuid.uuid4().hex
            for number, copy in enumerate(copies):
                way: Literal["forged", "copy", "notice"] = "forged" if copy.forged else "copy" if number else "notice"
                self._deliver(said, Delivery(_host(receiver), notice_id, way), receiver, copy)
                if receiver.redundant and not copy.forged:
                    second = uuid.uuid4().hex if self._envelope.own_redundant_id else notice_id
                    self._deliver(said, Delivery(_host(receiver), second, "redundant"), receiver, copy)
        return said

    def forget(self, sid: str) -> None:
        """Remove the ordering state of a task that sends no more notices."""
        for line in [line for line in self._last if line[0] == sid]:
            del self._last[line]

    def _deliver(self, said: Said, delivery: Delivery, receiver: Receiver, copy: Copy) -> None:
        said.deliveries.append(delivery)
        if copy.delay or delivery.way != "notice":
            work = self._late(said.notice, delivery, receiver, copy.delay)
        else:
            work = self._next(said.notice, delivery, receiver)
        self._group.spawn(work, f"notice-{said.notice.event}-{said.notice.sid[:8]}")

    def _next(self, notice: Notice, delivery: Delivery, receiver: Receiver) -> Coroutine[Any, Any, None]:
        """Queue a delivery behind the previous notice. Its position is taken at once, not when the delivery begins."""
        line = (notice.sid, receiver.url)
        before, done = self._last.get(line), asyncio.Event()
        self._last[line] = done
        return self._in_turn(notice, delivery, receiver, before, done)

    async def _in_turn(
        self, notice: Notice, delivery: Delivery, receiver: Receiver, before: asyncio.Event | None, done: asyncio.Event
    ) -> None:
        try:
            if before is not None:
                await before.wait()
            await self._post(notice, delivery, receiver)
        finally:
            done.set()
        await self._resend(notice, delivery, receiver)

    async def _late(self, notice: Notice, delivery: Delivery, receiver: Receiver, delay: float) -> None:
        await asyncio.sleep(delay)
        await self._post(notice, delivery, receiver)
        await self._resend(notice, delivery, receiver)

    async def _resend(self, notice: Notice, delivery: Delivery, receiver: Receiver) -> None:
        """Resend until the notice is delivered or abandoned (agora-reference §7.2). Forged notices are sent once."""
        gaps = () if delivery.way == "forged" else self._gaps
        for gap in gaps:
            if delivery.fate == "delivered":
                return
            await asyncio.sleep(self._clock.shrink(gap))
            await self._post(notice, delivery, receiver)
        if delivery.fate != "delivered":
            delivery.fate = "given_up"
            logger.warning("notice %d of task %s was given up", notice.event, notice.sid)

    async def _post(self, notice: Notice, delivery: Delivery, receiver: Receiver) -> None:
        """Send once. The delivery succeeds if it is answered with 200 in time."""
        now = self._clock.now()
        if delivery.way == "forged":
            receiver = Receiver(receiver.url, FORGED_SECRET)
        body = encode(notice, delivery.notice_id, now, self._envelope)
        status = await post(self._routes[delivery.way == "redundant"], receiver, body)
        delivery.tries.append((now, status))
        if status == 200:
            delivery.fate = "delivered"


def _host(receiver: Receiver) -> str:
    return urlsplit(receiver.url).netloc.rpartition("@")[2]
