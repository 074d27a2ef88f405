"""Typed keys of the application and of requests, and the limits of the listeners."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.operations import Caller, Operations

Clock = Callable[[], float]
"""A function that returns Unix seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a request: the number of bytes of its body, and the number of seconds until the body must be
    complete.

    aiohttp itself has no time limit for a body that arrives slowly or not at all.
    """

    max_body_bytes: int = 64 * 1024
    read_seconds: float = 30


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents that are made once from the registry of routes."""

    openapi: bytes
    html: bytes


OPERATIONS: Final = web.AppKey("operations", Operations)
LIMITS: Final = web.AppKey("limits", Limits)
CLOCK: Final[web.AppKey[Clock]] = web.AppKey("clock")
DOCUMENTS: Final = web.AppKey("documents", Documents)

CALLER: Final = web.RequestKey("caller", Caller)
REQUEST_ID: Final = web.RequestKey("request_id", str)
FORM_KEY: Final = web.RequestKey("form_key", str)
"""The value that every form of a session must contain."""
