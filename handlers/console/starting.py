"""Asking for a recording at the console."""

from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from handlers.console.door import need
from handlers.console.pages import redirect, render
from handlers.decoding import decode_form
from handlers.keys import CALLER, CLOCK, OPERATIONS
from handlers.payloads import StartBody, wish_of
from handlers.resources.recordings import render_recording
from service.errors import Code, ServiceError, invalid
from service.operations import Idempotency, Scope

_FIELDS: Final = ("url", "app", "storage", "preset")
_LONGEST_MINUTES: Final = 719 * 60


async def ask(request: web.Request) -> web.Response:
    """The form."""
    need(request, Scope.START)
    return await _form(request, {}, None)


async def start(request: web.Request) -> web.Response:
    """Ask for it, and lead to it; the form again where something is wrong. Sent twice it is the same recording."""
    need(request, Scope.START)
    form = {name: value.strip() for name, value in (await request.post()).items() if isinstance(value, str)}
    now = request.app[CLOCK]()
    try:
        wish = wish_of(decode_form(_body(form), StartBody))
        asked = Idempotency(f"console-{form.get('once', '')[:64]}", orjson.dumps(form, option=orjson.OPT_SORT_KEYS))
        answer = await request.app[OPERATIONS].start(
            request[CALLER], wish, asked, lambda recording: render_recording(recording, now)
        )
    except ServiceError as error:
        if error.code not in (Code.INVALID, Code.LIMITED):
            raise
        return await _form(request, form, error)
    return redirect(f"/console/recordings/{answer.recording_id}?done=start")


def _body(form: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {name: form[name] for name in _FIELDS if form.get(name)}
    if minutes := form.get("minutes", ""):
        if not (minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:9]) <= _LONGEST_MINUTES):
            raise invalid("/minutes", "must be a whole number of minutes")
        body["record_for_seconds"] = 60 * int(minutes)
    if label := form.get("label", ""):
        pairs = (line.partition(":") for line in label.splitlines() if line.strip())
        body["labels"] = {name.strip(): value.strip() for name, _, value in pairs}
    return body


async def _form(request: web.Request, form: dict[str, str], error: ServiceError | None) -> web.Response:
    wrong = {} if error is None else {_field(each.pointer): each.message for each in error.errors}
    choices = request.app[OPERATIONS].choices(request[CALLER])
    known = {"form": form, "wrong": wrong, "error": error, "once": uuid4().hex, "choices": choices}
    return await render(request, "start.html", lambda: known, status=422 if error else 200)


def _field(pointer: str) -> str:
    """The form's name for what the API's pointer leads to."""
    name = pointer.split("/")[1] if "/" in pointer else ""
    return {"labels": "label", "record_for_seconds": "minutes"}.get(name, name)
