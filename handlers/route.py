"""The definition of a route, and the error statuses and the name that follow from its fields. Pure.

Both the router and the documents are made from `Route` objects, so they contain the same routes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from service.operations import Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a route reads or sends."""

    name: str
    text: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. The handler's docstring is the description for callers.

    If `scope` is None, no token is needed. `answer` is the model of a success or the media type of a document. `errors`
    are statuses in addition to those that follow from the other fields. If `body_optional` is true, a missing body
    means `{}`. If `however_late` is true, the call is performed even if the caller has disconnected, unlike every other
    call that changes something.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    answer: type[BaseModel] | str
    status: int = 200
    scope: Scope | None = None
    body: type[Any] | None = None
    body_optional: bool = field(default=False, kw_only=True)
    query: type[Any] | None = None
    headers: tuple[Header, ...] = ()
    answer_headers: tuple[Header, ...] = ()
    errors: tuple[int, ...] = ()
    however_late: bool = False

    @property
    def name(self) -> str:
        """Return the operation's id: the handler's module and name."""
        return f"{self.handler.__module__.rpartition('.')[2]}.{self.handler.__name__}"

    @property
    def description(self) -> str:
        return cleandoc(self.handler.__doc__ or "")

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names in braces of the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def needs_caller(self) -> bool:
        """Return True if the call is performed only while the caller waits."""
        return self.method != "GET" and not self.however_late

    @property
    def error_statuses(self) -> tuple[int, ...]:
        """Return every status other than success that the route can answer, except 405, which belongs to a path."""
        statuses = {500, *self.errors}
        if self.scope is not None:
            # This also applies to calls without a body, because a body with fields is refused.
            statuses |= {400, 401, 403, 408, 413, 415, 422, 429, 503}
        if self.variables:
            statuses |= {404}
        return tuple(sorted(statuses))
