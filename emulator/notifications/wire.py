"""One notice of Agora's Notification Center Service as sent: body, signatures, one POST (agora-reference §7).

It does not handle a task's lifecycle or the schedule of resends.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass
from typing import Any

import aiohttp

logger = logging.getLogger(__name__)

PRODUCT_CLOUD_RECORDING = 3
DEADLINE_SECONDS = 10.0
# serviceType of each event type (agora-reference §8.1): 0 service, 2 uploader, 6 web page recording
SERVICE_TYPES = {30: 2, 31: 2, 32: 2, 33: 2, 34: 2, 40: 1, 70: 6, 71: 6, 72: 6, 73: 6, 100: 6}
_EVENT_NAMES = {
    **{1: "cloud_recording_error", 2: "cloud_recording_warning", 3: "cloud_recording_status_update"},
    **{4: "cloud_recording_file_infos", 11: "session_exit", 12: "session_failover", 13: "high_availability_register"},
    **{30: "uploader_started", 31: "uploaded", 32: "backuped", 33: "uploading_progress", 34: "STSExpired"},
    **{40: "recorder_started", 70: "web_recorder_started", 71: "web_recorder_stopped"},
    **{72: "web_recorder_capability_limit", 73: "web_recorder_reload", 100: "rtmp_publish_status"},
}


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of one task. `sent_at` is the event's time in Unix seconds."""

    event: int
    cname: str
    uid: str
    sid: str
    sequence: int
    sent_at: float
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receiver:
    """The address of a receiver and its signing secret. Without a secret, notices are not signed. If `redundant` is
    true, they are sent by a second route too."""

    url: str
    secret: str | None
    redundant: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """Fields that Agora's documents leave open."""

    sid: bool = True
    service_scene: bool = True
    own_redundant_id: bool = False
    rtc_names: bool = False


def sign(body: bytes, secret: str) -> dict[str, str]:
    """Return both signature headers over the raw body (agora-reference §7.3)."""
    key = secret.encode()
    return {
        "Agora-Signature": hmac.new(key, body, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(key, body, hashlib.sha256).hexdigest(),
    }


def encode(notice: Notice, notice_id: str, notify_at: float, envelope: Envelope) -> bytes:
    """Return the body of one delivery (agora-reference §7.4)."""
    names: dict[str, Any] = {"cname": notice.cname, "uid": notice.uid}
    if envelope.rtc_names:
        names = {"channelName": notice.cname, "uid": int(notice.uid)}
    payload: dict[str, Any] = {
        **names,
        "sid": notice.sid,
        "sequence": notice.sequence,
        "sendts": round(notice.sent_at * 1000),
        "serviceType": SERVICE_TYPES.get(notice.event, 0),
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


async def post(session: aiohttp.ClientSession, receiver: Receiver, body: bytes) -> int | None:
    """Send one signed body. Return the status, or None if no answer arrived in time."""
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
