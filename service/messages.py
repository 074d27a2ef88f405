"""The messages that callers receive about their recordings: which facts produce a message, and its content. Pure.

Each fact produces one message. Its id is derived from the recording and the number in the history, and its body is
fixed when the fact is recorded, so all deliveries are identical. `number` increases within a recording, and consumers
use it to order messages.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, get_args

from service.recording import Recording, State
from service.report import rules_of

MessageType = Literal[
    "recording.started",
    "recording.paused",
    "recording.resumed",
    "recording.warning",
    "recording.stopped",
    "recording.uploaded",
    "recording.verified",
    "recording.incomplete",
    "recording.defective",
    "recording.unproven",
    "recording.failed",
    "recording.cancelled",
    "recording.changed",
]
MESSAGE_TYPES: Final[tuple[str, ...]] = get_args(MessageType)
MIN_SECRET_BYTES: Final = 24

# The message for each state that a recording enters. `requested` and `starting` produce no message.
_STATES: Final[dict[State, MessageType]] = {
    State.RECORDING: "recording.started",
    State.UPLOADING: "recording.stopped",
    State.VERIFIED: "recording.verified",
    State.INCOMPLETE: "recording.incomplete",
    State.DEFECTIVE: "recording.defective",
    State.UNPROVEN: "recording.unproven",
    State.FAILED: "recording.failed",
    State.CANCELLED: "recording.cancelled",
}
_KINDS: Final[dict[str, MessageType]] = {
    "paused": "recording.paused",
    "resumed": "recording.resumed",
    "warning": "recording.warning",
    "notice_uploaded": "recording.uploaded",
    "changed": "recording.changed",
}


class DeliveryError(StrEnum):
    """Why a delivery failed. `docs/messages.md` describes the remedy for each value."""

    NO_SUCH_HOST = "no_such_host"
    NO_CONNECTION = "no_connection"
    TLS = "tls"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"
    BAD_ANSWER = "bad_answer"
    SERVER_ERROR = "server_error"
    BUSY = "busy"
    REFUSED = "refused"
    REDIRECT = "redirect"
    GONE = "gone"
    FORBIDDEN_ADDRESS = "forbidden_address"
    FORBIDDEN_URL = "forbidden_url"
    TOO_OLD = "too_old"
    UNEXPECTED_ERROR = "unexpected_error"


class Message(NamedTuple):
    """A message about one recording. `document` is the delivered body before its encoding as JSON."""

    number: int
    id: str
    at: float
    type: MessageType
    document: dict[str, Any]


def message_of(recording: Recording, number: int, at: float, kind: str, detail: Mapping[str, Any]) -> Message | None:
    """Return the message for one line of the history, or None if the line produces no message. `recording` is the state
    after the line."""
    state = detail.get("state")
    news = _STATES.get(State(state)) if kind == "state" and isinstance(state, str) else _KINDS.get(kind)
    if news is None:
        return None
    report = recording.latest_report
    data: dict[str, Any] = {
        "recording": recording.id,
        "number": number,
        "state": recording.state,
        "end_reason": recording.end_reason,
        "blame": recording.blame,
        "verdict": recording.verdict,
        "level": report and report.level,
        "wanted_level": report and report.wanted_level,
        "rules_version": report and rules_of(report),
        "coverage": report.coverage.share if report and report.coverage else None,
        "warned": recording.warned,
        "labels": recording.labels,
        "detail": dict(detail),
    }
    document = {"type": news, "timestamp": rfc3339(at), "data": data}
    return Message(number, f"msg_{recording.id[4:]}_{number}", at, news, document)


def rfc3339(at: float) -> str:
    """Return a timestamp in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


MAKE_SECRET: Final = 'echo "whsec_$(openssl rand -base64 24)"'  # noqa: S105 - a command


def check_signing_secret(text: str) -> None:
    """Raise `ValueError` unless the text is a Standard Webhooks secret: `whsec_` and the base64 of 24 bytes or more."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith("whsec_") or len(key) < MIN_SECRET_BYTES:
        shape = f"whsec_ and the base64 of at least {MIN_SECRET_BYTES} random bytes"
        raise ValueError(f"should be {shape}; `{MAKE_SECRET}` makes one")
