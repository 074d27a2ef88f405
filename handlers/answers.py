"""Successful answers of handlers, and the parsing of ids in paths."""

import re
from collections.abc import Mapping

from aiohttp import web
from pydantic import BaseModel

from handlers.keys import CLOCK
from handlers.resources.recordings import render_recording
from handlers.resources.view import render
from service.errors import Code, ServiceError
from service.recording import Recording

_RECORDING_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
_ENDPOINT = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_NUMBER = re.compile(r"[0-9]{1,18}")


def json_answer(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON answer that must not be cached."""
    return web.Response(
        status=status,
        body=body,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def view_answer(view: BaseModel, *, status: int = 200) -> web.Response:
    """Return a view as JSON."""
    return json_answer(render(view), status=status)


def recording_answer(
    request: web.Request, recording: Recording, *, status: int = 202, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the current state of the recording. Status 202 means that a request is stored and takes effect later."""
    return json_answer(render_recording(recording, request.app[CLOCK]()), status=status, headers=headers)


def recording_id(request: web.Request) -> str:
    """Return the path's recording id. Raise `not_found`, without a database query, if it cannot be valid."""
    given = request.match_info["id"]
    if not _RECORDING_ID.fullmatch(given):
        raise ServiceError(Code.NOT_FOUND, "There is no such recording.")
    return given


def notice_number(request: web.Request) -> int:
    """Return the path's number of a stored notification, or raise `not_found`."""
    given = request.match_info["id"]
    if not _NUMBER.fullmatch(given):
        raise ServiceError(Code.NOT_FOUND, "There is no such notification.")
    return int(given)


def endpoint_name(request: web.Request) -> str:
    """Return the path's endpoint name, or raise `not_found`."""
    given = request.match_info["name"]
    if not _ENDPOINT.fullmatch(given):
        raise ServiceError(Code.NOT_FOUND, "There is no such endpoint.")
    return given
