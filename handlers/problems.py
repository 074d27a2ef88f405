"""Answers other than success: one table from error to HTTP status, and one format (RFC 9457). Pure.

Answers never contain the caller's values, because an invalid value can be a page URL with a log-in in it.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Final

import orjson
from pydantic import BaseModel, Field

from service.errors import Code, ServiceError
from service.recording import State

MEDIA_TYPE: Final = "application/problem+json"

UNREADABLE: Final = "unreadable"
"""`ServiceError.detail` of a body that is not JSON. The status of such a body is 400, and that of every other invalid
value 422."""

STATUS: Final = {
    Code.INVALID: 422,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.LIMITED: 429,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}
_STATUS_BY_DETAIL: Final = {UNREADABLE: 400, "idempotency_mismatch": 422}


@dataclass(frozen=True, slots=True)
class Meaning:
    """One status for callers. `code` is for programs, and `title` and `remedy` are for people."""

    code: str
    title: str
    remedy: str


MEANINGS: Final = {
    400: Meaning("invalid", "Unreadable body", "The body must be one JSON object without duplicate names."),
    401: Meaning("unauthorized", "Not authenticated", "Send a valid token as `Authorization: Bearer`."),
    403: Meaning("forbidden", "Not allowed", "The token lacks the scope, app or storage that this needs."),
    404: Meaning("not_found", "Not found", "It does not exist, or it belongs to another owner."),
    405: Meaning("method_not_allowed", "Method not allowed", "The `Allow` header lists the methods of this path."),
    408: Meaning("timeout", "Body not received in time", "The body did not arrive within the limit; nothing changed."),
    409: Meaning("conflict", "Not possible now", "The `state` of the recording does not allow this; nothing changed."),
    413: Meaning("too_large", "Body too large", "The body exceeds the limit; nothing changed."),
    415: Meaning("unsupported_media_type", "Unsupported media type", "Send `application/json`, not compressed."),
    422: Meaning("invalid", "Invalid request", "`errors` names each wrong field; nothing changed."),
    429: Meaning("limited", "Too much", "Try again after `Retry-After` seconds."),
    500: Meaning("internal", "Internal error", "Pagereel has an internal error. Report it with the id of the request."),
    503: Meaning("unavailable", "Unavailable", "Nothing changed; try again after `Retry-After` seconds."),
}


class FieldProblem(BaseModel):
    """One wrong value."""

    pointer: Annotated[
        str, Field(description="JSON pointer into the body; `?name` for a query parameter; else a header's name")
    ]
    message: str


class Problem(BaseModel):
    """An answer other than success (RFC 9457)."""

    type: Annotated[str, Field(description="Where the documentation explains this kind of problem")]
    title: str
    status: int
    detail: Annotated[str, Field(description="A sentence for a person")]
    code: Annotated[str, Field(description="A stable word for programs", examples=["invalid", "conflict"])]
    request_id: Annotated[str, Field(description="The same as in the `X-Request-Id` header")]
    reason: Annotated[str | None, Field(description="A narrower stable word, such as `idempotency_mismatch`")] = None
    state: Annotated[State | None, Field(description="With `conflict` of a recording: where it is")] = None
    errors: Annotated[list[FieldProblem] | None, Field(description="With `invalid`: every wrong field")] = None


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of an error."""
    return _STATUS_BY_DETAIL.get(error.detail or "", STATUS[error.code])


def render_error(error: ServiceError, request_id: str) -> bytes:
    """Return the problem document of a service error."""
    problem = _frame(status_of(error), error.message, request_id, code=error.code)
    if error.detail:
        problem["reason"] = error.detail
    if error.state:
        problem["state"] = error.state
    if error.errors:
        problem["errors"] = [{"pointer": wrong.pointer, "message": wrong.message} for wrong in error.errors]
    return orjson.dumps(problem)


def render_status(status: int, request_id: str) -> bytes:
    """Return the problem document of a bare HTTP status, such as aiohttp's own 404 and 405."""
    meaning = MEANINGS.get(status)
    detail = "There is no such path here." if status == 404 else meaning and meaning.remedy
    return orjson.dumps(_frame(status, detail or "The request is not accepted.", request_id))


def render_too_large(most: int, request_id: str) -> bytes:
    """Return the problem document of a body of more than `most` bytes."""
    return orjson.dumps(_frame(413, f"The body exceeds the limit of {most} bytes; nothing changed.", request_id))


def retry_after(error: ServiceError) -> str | None:
    """Return the `Retry-After` header in whole seconds, or None. The statuses 429 and 503 always have one."""
    if error.retry_after_seconds is not None:
        return str(max(1, math.ceil(error.retry_after_seconds)))
    return "5" if error.code in (Code.LIMITED, Code.UNAVAILABLE) else None


def _frame(status: int, detail: str, request_id: str, code: str | None = None) -> dict[str, object]:
    meaning = MEANINGS.get(status, MEANINGS[422])
    return {
        "type": f"/docs#problem-{status}",
        "title": meaning.title,
        "status": status,
        "detail": detail,
        "code": code or meaning.code,
        "request_id": request_id,
    }
