"""A typed client of Pagereel's API, and what a receiver of its webhooks needs. aiohttp is all it needs itself."""

from pagereel_client.client import Client, Wishes
from pagereel_client.errors import (
    BadAnswer,
    BadSignature,
    BodyTooSlow,
    ConfigurationError,
    Conflict,
    FieldProblem,
    Forbidden,
    InternalProblem,
    Invalid,
    Limited,
    MethodNotAllowed,
    NotFound,
    PagereelError,
    Problem,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownOutcome,
    Unreachable,
    UnsupportedMediaType,
    WaitedTooLong,
)
from pagereel_client.models import Event, EventPage, Explanation, Finding, RecordedFile, Recording
from pagereel_client.sync import SyncClient
from pagereel_client.transport import Patience
from pagereel_client.webhooks import Message, News, read_webhook
from pagereel_client.words import TERMINAL

__all__ = [
    "TERMINAL",
    "BadAnswer",
    "BadSignature",
    "BodyTooSlow",
    "Client",
    "ConfigurationError",
    "Conflict",
    "Event",
    "EventPage",
    "Explanation",
    "FieldProblem",
    "Finding",
    "Forbidden",
    "InternalProblem",
    "Invalid",
    "Limited",
    "Message",
    "MethodNotAllowed",
    "News",
    "NotFound",
    "PagereelError",
    "Patience",
    "Problem",
    "RecordedFile",
    "Recording",
    "SyncClient",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnknownOutcome",
    "Unreachable",
    "UnsupportedMediaType",
    "WaitedTooLong",
    "Wishes",
    "read_webhook",
]
