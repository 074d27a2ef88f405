"""Parser and signature check for one notification of Agora. Pure: bytes in, values out.

No notification is refused for its content. Unknown values become None or empty. A body that is not a JSON object
becomes None and can still be stored by `body_id`.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from service.recording import Notice

# The console's Check sends notices with this cname (agora-reference §7.5); they are stored and not applied.
TEST_CNAME = "test_webhook"
MAX_TEXT = 255
MAX_DEPTH = 32
_MAX_NUMBER = 2**31 - 1
_MAX_MILLISECONDS = 10**14  # the year 5138


def verify_signature(
    body: bytes, v2: str | None, v1: str | None, secrets: Iterable[str], *, accept_sha1: bool = False
) -> bool:
    """Return whether one of the app's secrets signed exactly these bytes (agora-reference §7.3).

    `v2` and `v1` are the headers `Agora-Signature-V2` (HMAC-SHA256) and `Agora-Signature` (HMAC-SHA1), or None if
    absent. The old signature counts only if the new one is absent and `accept_sha1` is on. The time taken does not
    depend on which secret matches.
    """
    if v2 is not None:
        given, algorithm = v2, "sha256"
    elif v1 is not None and accept_sha1:
        given, algorithm = v1, "sha1"
    else:
        return False
    claimed = given.strip().lower().encode("utf-8", "surrogateescape")
    fits = False
    for secret in secrets:
        if secret:  # anyone can sign with an empty key
            fits |= hmac.compare_digest(hmac.digest(secret.encode(), body, algorithm).hex().encode(), claimed)
    return fits


def body_id(body: bytes) -> str:
    """Return the replacement for a missing `noticeId`. Equal bodies are one notification."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Outline(NamedTuple):
    """The fields of a notification that the inbox needs. They are much cheaper to parse than with `parse_notice`."""

    notice_id: str
    event_type: int
    sid: str
    cname: str
    sent_at: float | None


def parse_outline(body: bytes) -> Outline | None:
    """Return the part of `parse_notice` that the inbox needs."""
    opened = _open(body)
    if opened is None:
        return None
    envelope, payload = opened
    return Outline(
        _notice_id(envelope) or body_id(body),
        _number(envelope.get("eventType")) or 0,
        _text(payload.get("sid")) or _text(envelope.get("sid")),
        _text(payload.get("cname")),
        _instant(payload.get("sendts")),
    )


def parse_notice(body: bytes) -> Notice | None:
    """Return the parsed notification (agora-reference §7.4, and the format before API 1.3), or None if the body is not
    a JSON object or is nested deeper than 32 levels. All texts are at most 255 characters, without NUL."""
    opened = _open(body)
    if opened is None:
        return None
    envelope, payload = opened
    details = payload.get("details")
    return Notice(
        notice_id=_notice_id(envelope) or body_id(body),
        event_type=_number(envelope.get("eventType")) or 0,
        notify_at=_instant(envelope.get("notifyMs")),
        sent_at=_instant(payload.get("sendts")),
        cname=_text(payload.get("cname")),
        uid=_text(payload.get("uid")),
        sid=_text(payload.get("sid")) or _text(envelope.get("sid")),
        sequence=_number(payload.get("sequence")),
        service_type=_number(payload.get("serviceType")),
        details=details if isinstance(details, dict) else {},
    )


def _open(body: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the envelope and its payload."""
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(envelope, dict) or _too_deep(body, envelope):
        return None
    payload = envelope.get("payload")
    return envelope, payload if isinstance(payload, dict) else {}


def _notice_id(envelope: dict[str, Any]) -> str:
    given = envelope.get("noticeId", envelope.get("notificationId"))
    if isinstance(given, str) and len(given) > MAX_TEXT:
        return body_id(given.encode())  # truncated ids could collide
    return _text(given)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT and "\0" not in value else value.replace("\0", "\ufffd")[:MAX_TEXT]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _integer(value: object, most: int) -> int | None:
    if type(value) is int:  # the common case
        return value if -most <= value <= most else None
    if isinstance(value, str) and len(value) <= 20:
        value = int(value) if value.isascii() and value.removeprefix("-").isdigit() else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    else:
        return None
    return value if value is not None and -most <= value <= most else None


def _number(value: object) -> int | None:
    return _integer(value, _MAX_NUMBER)


def _instant(value: object) -> float | None:
    milliseconds = _integer(value, _MAX_MILLISECONDS)
    return None if milliseconds is None else milliseconds / 1000


def _too_deep(body: bytes, value: object) -> bool:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return False  # there are too few brackets; most notifications avoid the walk
    level, depth = [value], 0
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
        if depth > MAX_DEPTH:
            return True
    return False
