"""Whether a webhook is Pagereel's, and what it says. For the receiver of an endpoint; pure.

Signed by Standard Webhooks (standardwebhooks.com): HMAC-SHA-256 over id, timestamp and the bytes as they came.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pagereel_client.arguments import listed
from pagereel_client.decoding import decode
from pagereel_client.errors import BadSignature
from pagereel_client.words import Blame, EndReason, Level, MessageType, State, Verdict

TOLERANCE_SECONDS: Final = 300
_LONGEST_STAMP: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The recording as it was right after the fact. Order by `number`, which grows within a recording, with gaps.
    `warned`: codes of its warnings; None in messages of services that did not say them."""

    recording: str
    number: int
    state: State
    end_reason: EndReason | None
    blame: Blame | None
    verdict: Verdict | None
    level: Level | None
    wanted_level: Level | None
    rules_version: int | None
    coverage: float | None
    warned: tuple[str, ...] | None
    labels: dict[str, str]
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. The same may come again: remember the `webhook-id` that it came with."""

    type: MessageType
    timestamp: datetime
    data: News


def read_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    now: float | None = None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> tuple[str, Message]:
    """Id and message of a webhook that is Pagereel's. `body`: the bytes as they came, before anybody parses them.

    `secrets`: `whsec_…`, or several while one is being changed. `now`: Unix seconds. Raises `BadSignature`,
    `ValueError` for a secret that is none or where none is given, and `TypeError` for a body that is not bytes and for
    secrets that are not text.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"body must be the bytes as they came, not {type(body).__name__}")
    if not secrets:
        raise ValueError("no secret is given, so no signature can be checked")
    told = [secrets] if isinstance(secrets, str) else listed("secrets", secrets)
    given = {name.lower(): value for name, value in headers.items()}
    try:
        identity, stamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise BadSignature(f"the header {error.args[0]} is missing") from None
    keys = [_key(each) for each in told]
    _check_age(stamp, time.time() if now is None else now, tolerance_seconds)
    signed = f"{identity}.{stamp}.".encode("utf-8", "surrogatepass") + bytes(body)
    offered = [each.removeprefix("v1,") for each in signatures.split() if each.startswith("v1,")]
    expected = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    if not any(
        hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other) for one in offered for other in expected
    ):
        raise BadSignature("no signature is by one of the secrets")
    try:
        return identity, decode(Message, json.loads(body))
    except (ValueError, RecursionError) as error:
        raise BadSignature(f"signed well, and no message: {error}") from None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:  # with an empty key anybody can sign
        raise ValueError("a secret is whsec_ and base64") from None
    return key


def _check_age(stamp: str, now: float, tolerance_seconds: float) -> None:
    if (
        not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP)
        or abs(now - int(stamp)) > tolerance_seconds
    ):
        raise BadSignature("it is too old, or from the future")
