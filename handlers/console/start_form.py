"""The console's form for a new recording."""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from handlers.console.auth import need
from handlers.console.pages import redirect, render
from handlers.keys import CALLER, CLOCK, OPERATIONS
from handlers.requests.decoding import decode_form
from handlers.requests.payloads import StartBody, wish_of
from handlers.resources.recordings import render_recording
from service.errors import Code, FieldError, ServiceError
from service.operations import Idempotency, Scope

_FIELDS: Final = ("url", "app", "storage", "preset")
# In the order of the form.
_SHOWN: Final = ("url", "minutes", "sound", "label", "app", "storage", "preset")
_SOUND: Final = {"expected": True, "none": False}
_LONGEST_MINUTES: Final = 719 * 60
_PAIR: Final = re.compile(r"\s*([^:=\s]+)\s*[:=](.*)")


async def ask(request: web.Request) -> web.Response:
    """Show the form."""
    need(request, Scope.START)
    return await _form(request, {}, None)


async def start(request: web.Request) -> web.Response:
    """Start the recording and redirect to it, or show the form's errors. A form sent twice starts one recording."""
    need(request, Scope.START)
    form = {name: value.strip() for name, value in (await request.post()).items() if isinstance(value, str)}
    now, caller, operations = request.app[CLOCK](), request[CALLER], request.app[OPERATIONS]
    body, wrong = _read(form)
    try:
        if wrong:
            raise ServiceError(Code.INVALID, "the form is not valid", errors=tuple(wrong))
        wish = wish_of(decode_form(body, StartBody))
        asked = Idempotency(f"console-{form.get('once', '')[:64]}", orjson.dumps(form, option=orjson.OPT_SORT_KEYS))
        answer = await operations.start(caller, wish, asked, lambda recording: render_recording(recording, now))
    except ServiceError as error:
        if error.code not in (Code.INVALID, Code.LIMITED):
            raise
        also = _more_wrong(request, body) if error.errors else []
        return await _form(request, form, error, [*error.errors, *also])
    return redirect(f"/console/recordings/{answer.recording_id}?done=start")


def _read(form: dict[str, str]) -> tuple[dict[str, Any], list[FieldError]]:
    """Return the form as a body of the API without unreadable fields, and the errors of the unreadable fields."""
    body: dict[str, Any] = {name: form[name] for name in _FIELDS if form.get(name)}
    wrong = []
    if minutes := form.get("minutes", ""):
        if minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:9]) <= _LONGEST_MINUTES:
            body["record_for_seconds"] = 60 * int(minutes)
        else:
            wrong.append(FieldError("/minutes", f"must be a whole number of minutes, 1 to {_LONGEST_MINUTES}"))
    if sound := form.get("sound", ""):
        if sound in _SOUND:
            body["sound"] = _SOUND[sound]
        else:
            wrong.append(FieldError("/sound", "must be one of " + ", ".join(_SOUND)))
    labels: dict[str, str] = {}
    for line in filter(str.strip, form.get("label", "").splitlines()):
        pair = _PAIR.fullmatch(line)
        if pair is None or pair[1] in labels:
            fault = "is not name=value" if pair is None else "names a label a second time"
            wrong.append(FieldError("/labels", f"the line “{line.strip()[:40]}” {fault}"))
            return body, wrong
        labels[pair[1]] = pair[2].strip()
    return body | ({"labels": labels} if labels else {}), wrong


def _more_wrong(request: web.Request, body: dict[str, Any]) -> list[FieldError]:
    """Return the errors of the other fields, so that a person can correct all errors at once."""
    errors: list[FieldError] = []
    for _ in range(2):  # the second time without the unreadable fields
        try:
            return [
                *errors,
                *request.app[OPERATIONS].find_wrong(request[CALLER], wish_of(decode_form(body, StartBody))),
            ]
        except ServiceError as error:
            errors += error.errors
            unread = {each.pointer.split("/")[1] for each in error.errors if each.pointer.startswith("/")}
            body = {name: value for name, value in body.items() if name not in unread}
    return errors


async def _form(
    request: web.Request, form: dict[str, str], error: ServiceError | None, errors: Sequence[FieldError] = ()
) -> web.Response:
    wrong: dict[str, str] = {}
    for each in errors:
        wrong.setdefault(_field(each.pointer), _said(each))
    known = {
        "form": form,
        "wrong": wrong,
        "focus": next((name for name in _SHOWN if name in wrong), "url"),
        "error": error,
        "once": uuid4().hex,
        "choices": request.app[OPERATIONS].choices(request[CALLER]),
    }
    return await render(request, "start.html", lambda: known, status=422 if error else 200)


def _said(error: FieldError) -> str:
    """Return the message, with the label's name if it refers to one."""
    _, _, name = error.pointer.removeprefix("/").partition("/")
    return f"“{name}” {error.message}" if name else error.message


def _field(pointer: str) -> str:
    """Return the form's field for a JSON pointer of the API."""
    name = pointer.split("/")[1] if "/" in pointer else ""
    return {"labels": "label", "record_for_seconds": "minutes"}.get(name, name)
