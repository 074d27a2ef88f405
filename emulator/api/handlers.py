"""Agora's calls over HTTP, from the gateway to the answer, with network faults (agora-reference §1.5, §1.6).

Authenticates, counts and decodes requests, calls `emulator.api.agora` and renders the answer. It does not decide what a
call means.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from emulator.api.agora import Agora
from emulator.api.app_keys import AGORA, GATEWAY
from emulator.faults.model import Endpoint
from emulator.faults.registry import Subject
from emulator.requests import parse as requests
from emulator.requests.error_codes import Failure, failure
from emulator.requests.fields import Refused
from emulator.requests.spelling import check_spelling
from emulator.settings import App

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BODY_DEADLINE_SECONDS = 10.0
_LOGGED_KEYS = 10
_COMMANDS: dict[Endpoint, str] = {
    "acquire": "AcquireResource",
    "start": "StartCloudRecorder",
    "query": "QueryCloudRecorder",
    "update": "UpdateCloudRecorder",
    "stop": "StopCloudRecorder",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the gateway admitted. `use` identifies it among all calls."""

    app: App
    endpoint: Endpoint
    rid: str
    sid: str
    body: Any
    use: str


def handle(endpoint: Endpoint) -> Handler:
    """Return the handler of one of the five calls."""

    async def handled(request: web.Request) -> web.StreamResponse:
        agora, match = request.app[AGORA], request.match_info
        app = request.app[GATEWAY].admit(request, match["appid"], agora.world.clock.now())
        body, use = await _read_body(request), uuid.uuid4().hex
        call = Call(app, endpoint, match.get("rid", ""), match.get("sid", ""), body, use)
        return await _with_faults(request, endpoint, _subject(agora, call), lambda: _answer(agora, call))

    return handled


async def handle_ncs(request: web.Request) -> web.StreamResponse:
    """List the addresses from which notifications are sent (agora-reference §7.6)."""
    request.app[GATEWAY].authenticate(request)
    hosts = [{"primaryIP": address} for address in request.app[AGORA].world.settings.ncs_addresses]

    async def answer() -> tuple[int, dict[str, Any]]:
        return 200, {"data": {"service": {"hosts": hosts}}}

    return await _with_faults(request, "ncs", Subject("", "", 0.0, uuid.uuid4().hex), answer)


async def _with_faults(
    request: web.Request,
    endpoint: Endpoint,
    subject: Subject,
    answer: Callable[[], Awaitable[tuple[int, dict[str, Any]]]],
) -> web.StreamResponse:
    """Return the answer, unless a fault replaces, delays or drops it."""
    faults = request.app[AGORA].world.faults
    if faults.use("reset", subject, endpoint) is not None:
        return _hang_up(request, reset=True)
    delay = faults.use("delay_answer", subject, endpoint)
    if delay is not None:
        await asyncio.sleep(delay.seconds or 0.0)
    planned = faults.use("answer", subject, endpoint)
    if planned is not None and planned.status is not None:
        return web.json_response(planned.body or {}, status=planned.status)
    if planned is not None and planned.code is not None and endpoint != "ncs":
        status, body = _planned(request, endpoint, subject, planned.code)
    else:
        status, body = await answer()
    if faults.use("drop_answer", subject, endpoint) is not None:
        return _hang_up(request, reset=False)
    return web.json_response(body, status=status)


def _planned(request: web.Request, endpoint: Endpoint, subject: Subject, code: int) -> tuple[int, dict[str, Any]]:
    error, match = failure(endpoint, code), request.match_info
    ids = (subject.cname, subject.uid, match.get("rid", ""), match.get("sid", ""))
    return error.status, render_failure(endpoint, error, ids, request.app[AGORA].world.settings.quirks.error_body)


async def _answer(agora: Agora, call: Call) -> tuple[int, dict[str, Any]]:
    """Return the status and body that Agora decides on."""
    quirks = agora.world.settings.quirks
    try:
        return 200, await _perform(agora, call)
    except Refused as refused:
        error = Failure(400, refused.code, refused.reason)
    except Failure as raised:
        error = raised
    subject = _subject(agora, call)
    body = render_failure(call.endpoint, error, (subject.cname, subject.uid, call.rid, call.sid), quirks.error_body)
    if error.status == 201 and quirks.already_started_ids:
        task = next(task for task in agora.tasks.values() if task.resource_id == call.rid)
        body |= {"cname": subject.cname, "uid": subject.uid, "resourceId": call.rid, "sid": task.sid}
    return error.status, body


async def _perform(agora: Agora, call: Call) -> dict[str, Any]:
    quirks = agora.world.settings.quirks
    call = _spelled(call, quirks.misspelt_keys)
    match call.endpoint:
        case "acquire":
            return agora.acquire(call.app, requests.parse_acquire(call.body, quirks))
        case "start":
            return agora.start(call.app, call.rid, requests.parse_start(call.body, quirks))
        case "query":
            return agora.query(call.app, call.rid, call.sid)
        case "update":
            return agora.update(call.app, call.rid, call.sid, requests.parse_update(call.body, quirks))
        case _:
            return await agora.stop(call.app, call.rid, call.sid, requests.parse_stop(call.body, quirks))


def _spelled(call: Call, treatment: str) -> Call:
    """Log unknown keys. Depending on `treatment`, raise Refused, correct them or leave them unchanged."""
    if call.endpoint == "query":
        return call
    unknown, corrected = check_spelling(call.endpoint, call.body)
    for key in unknown[:_LOGGED_KEYS]:
        logger.warning("%s: %s (misspelt_keys: %s)", call.endpoint, key, treatment)
    if unknown and treatment == "refused":
        raise Refused(str(unknown[0]))
    return replace(call, body=corrected) if treatment == "accepted" else call


def render_failure(endpoint: Endpoint, error: Failure, ids: tuple[str, str, str, str], shape: str) -> dict[str, Any]:
    """Return the short or the long body, or the form observed with code 15 (agora-reference §1.5)."""
    cname, uid, rid, sid = ids
    if error.code == 15:
        return {"resourceId": rid, "sid": "", "code": 15}
    if shape == "short":
        return {"code": error.code, "reason": error.reason}
    return {
        "cname": cname,
        "uid": uid,
        "resourceId": rid,
        "sid": sid,
        "code": error.code,
        "serverResponse": {"command": _COMMANDS[endpoint], "payload": {"message": error.reason}},
    }


def _subject(agora: Agora, call: Call) -> Subject:
    """Return the subject that network faults match. This is the task if it exists, otherwise the names in the body."""
    task = agora.tasks.get(call.sid)
    if task is not None:
        return replace(task.subject, use=call.use)
    body = call.body if isinstance(call.body, dict) else {}
    return Subject(str(body.get("cname", "")), str(body.get("uid", "")), 0.0, call.use)


async def _read_body(request: web.Request) -> Any:
    """Return the JSON body, or None for a GET. For malformed JSON, return a string, which every parser refuses."""
    if request.method == "GET":
        return None
    try:
        async with asyncio.timeout(_BODY_DEADLINE_SECONDS):
            return json.loads(await request.read())
    except (ValueError, TimeoutError):
        return "malformed"


def _hang_up(request: web.Request, *, reset: bool) -> web.StreamResponse:
    """Close the connection without an answer. If `reset` is true, use a TCP reset."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
