"""What an owner's account holds beside recordings: events, deliveries, endpoints, notifications, actions, usage."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pagereel_client.words import ActionKind, MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a caller is told. `document` is what endpoints get as the body."""

    id: str
    type: MessageType
    recording_id: str
    at: datetime
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in the order of the feed. `next` goes on behind them, also where there is none yet."""

    items: tuple[Event, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one message at one endpoint. `last_error` is a word of ours, `last_answer` text of theirs."""

    message_id: str
    recording_id: str
    type: MessageType
    endpoint: str
    state: str
    at: datetime
    tries: int
    next_try_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_answer: str | None
    ended_at: datetime | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """How many deliveries are tried again."""

    redriven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint and how it does; `pending` and `dead` count the caller's own messages."""

    name: str
    url: str
    state: str
    failing_since: datetime | None
    next_try_at: datetime | None
    last_error: str | None
    pending: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointList:
    """Endpoints by name."""

    items: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification from Agora as stored, without its raw bytes."""

    id: int
    app: str
    notice_id: str
    received_at: datetime
    event_type: int | None
    sid: str | None
    cname: str | None
    outcome: str
    recording_id: str | None
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that was asked for. `subject`: the id of a recording, notification or message, or an endpoint."""

    at: datetime
    action: ActionKind
    subject: str
    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageItem:
    """One app and price class. `cost` is its share of the whole; only whole classes are rounded up to minutes."""

    app: str
    resolution: Literal["hd", "full_hd"]
    tasks: int
    seconds: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A month's use. `cost` has the minutes of each price class rounded up, as Agora bills them."""

    month: str
    from_at: datetime
    to_at: datetime
    currency: str
    seconds: float
    cost: float
    minutes_per_month: float | None
    items: tuple[UsageItem, ...]
