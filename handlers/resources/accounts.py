"""What is no one recording's: notifications, messages, actions, usage, a sign of life."""

from typing import Annotated, Any, Literal

from pydantic import Field

from handlers.requests.instants import InstantOut
from handlers.resources.view import PageView, View
from service.messages import MessageType
from service.operations import ActionKind
from service.recording import Blame, EndReason, State
from service.report import Level, Verdict


class NoticeView(View):
    """A notification from Agora as stored, without its raw bytes."""

    id: int
    app: str
    notice_id: str
    received_at: InstantOut
    event_type: int | None
    sid: str | None
    cname: str | None
    outcome: str
    recording_id: str | None
    tries: int


class NoticePage(PageView[NoticeView]):
    """Stored notifications, newest first."""


class EventView(View):
    """One event for a caller. `document` is what endpoints get as the body."""

    id: str
    type: MessageType
    recording_id: str
    at: InstantOut
    document: dict[str, Any]


class EventPage(View):
    """Events in the order of the feed. `next` goes on behind them, also where there is none yet."""

    items: tuple[EventView, ...]
    next: str


class NewsView(View):
    """A recording as it was right after the fact that a message tells of."""

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
    warned: Annotated[
        tuple[str, ...] | None, Field(description="Codes of its warnings; null in messages of earlier versions")
    ]
    labels: dict[str, str]
    detail: dict[str, Any]


class MessageView(View):
    """The body of a message: one fact of one recording."""

    type: MessageType
    timestamp: InstantOut
    data: NewsView


class DeliveryView(View):
    """What became of one message at one endpoint. `last_error` is a word of ours, `last_answer` text of theirs."""

    message_id: str
    recording_id: str
    type: MessageType
    endpoint: str
    state: Annotated[str, Field(description="`pending`, `delivered`, `dead` or `skipped`")]
    at: InstantOut
    tries: int
    next_try_at: Annotated[InstantOut | None, Field(description="null: it is not tried again")]
    last_status: Annotated[int | None, Field(description="HTTP status of the last answer")]
    last_error: str | None
    last_answer: Annotated[
        str | None, Field(description="The first 1,024 bytes of the last answer's body; null where there was none")
    ]
    ended_at: InstantOut | None
    document: Annotated[dict[str, Any], Field(description="The body that is sent")]


class DeliveryPage(PageView[DeliveryView]):
    """Deliveries, newest message first."""


class EndpointView(View):
    """An endpoint and how it does; `pending` and `dead` count the caller's own messages."""

    name: str
    url: Annotated[str, Field(description="Scheme and host")]
    state: Annotated[
        str,
        Field(
            description="`ok`; `refusing`: 3xx or 4xx to the last message; `failing`; or `disabled`: it answered 410"
        ),
    ]
    failing_since: InstantOut | None
    next_try_at: InstantOut | None
    last_error: str | None
    pending: int
    dead: int


class EndpointList(View):
    """Endpoints by name."""

    items: tuple[EndpointView, ...]


class RedrivenView(View):
    """How many deliveries are tried again."""

    redriven: int


class ActionView(View):
    """One thing that was asked for. `subject`: the id of a recording, notification or message, or an endpoint's name
    (`all`: every endpoint)."""

    at: InstantOut
    action: ActionKind
    subject: str
    token_id: Annotated[str, Field(description="Which token asked; `pagereel token list` shows them")]


class ActionPage(PageView[ActionView]):
    """What was asked for, newest first."""


class UsageItemView(View):
    """One app and price class. `cost` is its share of the whole; only whole classes are rounded up to minutes."""

    app: str
    resolution: Literal["hd", "full_hd"]
    tasks: int
    seconds: float
    cost: float


class UsageView(View):
    """A month's use. `cost` has the minutes of each price class rounded up, as Agora bills them."""

    month: str
    from_at: InstantOut
    to_at: InstantOut
    currency: str
    seconds: float
    cost: float
    minutes_per_month: Annotated[float | None, Field(description="The owner's limit, if there is one")]
    items: tuple[UsageItemView, ...]


class StatusView(View):
    """A sign of life."""

    status: str
