"""Agora's Notification Center Service: building, signing and sending notices (reference 7, 8).

For: everything that goes to a callback URL. It must not know the life of a task: it is told what happened.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from emulator.clock import Clock
from emulator.group import Group

logger = logging.getLogger(__name__)

PRODUCT_CLOUD_RECORDING = 3
DEADLINE_SECONDS = 10.0
# serviceType of each event type (reference 8.1): 0 service, 2 uploader, 6 web page recording
_SERVICE_TYPES = {30: 2, 31: 2, 32: 2, 33: 2, 70: 6, 71: 6, 72: 6, 73: 6, 100: 6}
_EVENT_NAMES = {
    **{1: "cloud_recording_error", 2: "cloud_recording_warning", 4: "cloud_recording_file_infos"},
    **{11: "session_exit", 12: "session_failover", 30: "uploader_started", 31: "uploaded", 32: "backuped"},
    **{33: "uploading_progress", 70: "web_recorder_started", 71: "web_recorder_stopped"},
    **{72: "web_recorder_capability_limit", 73: "web_recorder_reload", 100: "rtmp_publish_status"},
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened in one task. `sent_at` is the event's time in Unix seconds."""

    event: int
    cname: str
    uid: str
    sid: str
    sequence: int
    sent_at: float
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where notices go and how they are signed; no secret, no signature."""

    url: str
    secret: str | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Fields that Agora's documents leave open."""

    sid: bool = True
    service_scene: bool = True


def sign(body: bytes, secret: str) -> dict[str, str]:
    """Both signature headers over the raw body (reference 7.3)."""
    key = secret.encode()
    return {
        "Agora-Signature": hmac.new(key, body, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(key, body, hashlib.sha256).hexdigest(),
    }


def encode(notice: Notice, notice_id: str, notify_at: float, envelope: Envelope) -> bytes:
    """The body of one delivery (reference 7.4)."""
    payload: dict[str, Any] = {
        "cname": notice.cname,
        "uid": notice.uid,
        "sid": notice.sid,
        "sequence": notice.sequence,
        "sendts": round(notice.sent_at * 1000),
        "serviceType": _SERVICE_TYPES.get(notice.event, 0),
    }
    if envelope.service_scene:
        payload["serviceScene"] = "web_record"
    payload["details"] = {"msgName": _EVENT_NAMES[notice.event], **notice.details}
    body: dict[str, Any] = {
        "noticeId": notice_id,
        "productId": PRODUCT_CLOUD_RECORDING,
        "eventType": notice.event,
        "notifyMs": round(notify_at * 1000),
    }
    if envelope.sid:
        body["sid"] = notice.sid
    return json.dumps({**body, "payload": payload}, ensure_ascii=False, separators=(",", ":")).encode()


class Sender:
    """Delivers notices over one keep-alive session.

    The first deliveries of one task's notices to one receiver keep their order; resends and delayed copies do not.
    """

    def __init__(self, clock: Clock, group: Group, envelope: Envelope, gaps: Sequence[float]) -> None:
        self._clock, self._group, self._envelope = clock, group, envelope
        self._gaps = gaps
        self._session: aiohttp.ClientSession | None = None
        self._last: dict[tuple[str, str], asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=DEADLINE_SECONDS),
            connector=aiohttp.TCPConnector(limit=200, limit_per_host=100),
            headers={"User-Agent": "pagereel-emulator"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def send(self, notice: Notice, receivers: Sequence[Receiver], delays: Sequence[float]) -> None:
        """Deliver copies of a notice in the background, each after its delay (real seconds)."""
        for receiver in receivers:
            notice_id = uuid.uuid4().hex
            for delay in delays:
                work = (
                    self._late(notice, notice_id, receiver, delay) if delay else self._next(notice, notice_id, receiver)
                )
                self._group.spawn(work, f"notice-{notice.event}-{notice.sid[:8]}")

    def forget(self, sid: str) -> None:
        """Drop what keeps a task's notices in order, when no more will come."""
        for line in [line for line in self._last if line[0] == sid]:
            del self._last[line]

    def _next(self, notice: Notice, notice_id: str, receiver: Receiver) -> Any:
        """Take the place behind the notice before; the place is taken now, not when the work begins."""
        line = (notice.sid, receiver.url)
        before, done = self._last.get(line), asyncio.Event()
        self._last[line] = done
        return self._in_turn(notice, notice_id, receiver, before, done)

    async def _in_turn(
        self, notice: Notice, notice_id: str, receiver: Receiver, before: asyncio.Event | None, done: asyncio.Event
    ) -> None:
        try:
            if before is not None:
                await before.wait()
            delivered = await self._post(notice, notice_id, receiver)
        finally:
            done.set()
        if not delivered:
            await self._resend(notice, notice_id, receiver)

    async def _late(self, notice: Notice, notice_id: str, receiver: Receiver, delay: float) -> None:
        await asyncio.sleep(delay)
        if not await self._post(notice, notice_id, receiver):
            await self._resend(notice, notice_id, receiver)

    async def _resend(self, notice: Notice, notice_id: str, receiver: Receiver) -> None:
        for gap in self._gaps:
            await asyncio.sleep(self._clock.shrink(gap))
            if await self._post(notice, notice_id, receiver):
                return
        logger.warning("notice %d of task %s was given up", notice.event, notice.sid)

    async def _post(self, notice: Notice, notice_id: str, receiver: Receiver) -> bool:
        """One delivery; True when it was answered with 200 in time."""
        assert self._session is not None
        body = encode(notice, notice_id, self._clock.now(), self._envelope)
        return await post(self._session, receiver, body) == 200


async def post(session: aiohttp.ClientSession, receiver: Receiver, body: bytes) -> int | None:
    """Send one signed body; the status, or None when there was no answer in time."""
    headers = {"Content-Type": "application/json"}
    if receiver.secret is not None:
        headers |= sign(body, receiver.secret)
    try:
        async with session.post(receiver.url, data=body, headers=headers, allow_redirects=False) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        logger.info("no answer to a notice: %s", type(error).__name__)
        return None
