"""What handlers find in the application and in a request: typed keys, and the limits of the door.

Nothing else: no behaviour, and no default that is not a limit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.operations import Caller, Operations

Clock = Callable[[], float]
"""Unix seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a request a listener takes: bytes of a body, and seconds until all of it must be there.

    aiohttp itself never gives up on a body that drips or stays silent.
    """

    max_body_bytes: int = 64 * 1024
    read_seconds: float = 30


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents made once from the registry of routes."""

    openapi: bytes
    html: bytes


OPERATIONS: Final = web.AppKey("operations", Operations)
LIMITS: Final = web.AppKey("limits", Limits)
CLOCK: Final[web.AppKey[Clock]] = web.AppKey("clock")
DOCUMENTS: Final = web.AppKey("documents", Documents)

CALLER: Final = web.RequestKey("caller", Caller)
REQUEST_ID: Final = web.RequestKey("request_id", str)
FORM_KEY: Final = web.RequestKey("form_key", str)
"""What must come back with every form of a person's session."""
