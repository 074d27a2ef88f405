"""Messages to callers: deliveries, dead letters and redelivery."""

import re
from typing import Final

from aiohttp import web

from handlers.answers import endpoint_name
from handlers.console.auth import need
from handlers.console.pages import redirect, render
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import decode_query
from handlers.requests.payloads import DeliveriesQuery, page_of
from service.errors import Code, ServiceError
from service.operations import Scope

_MESSAGE = re.compile(r"msg_[A-Za-z0-9_]{1,64}", re.ASCII)
_STATES: Final = {
    "": "all",
    "pending": "waiting",
    "delivered": "delivered",
    "dead": "given up",
    "skipped": "not wanted",
}


async def listing(request: web.Request) -> web.Response:
    """List the owner's endpoints with their states, and the deliveries to them, newest first."""
    need(request, Scope.READ)
    query = decode_query(request.query, DeliveriesQuery, filled=True)
    cursor, limit = page_of(query)
    messages, caller = request.app[OPERATIONS].messages, request[CALLER]
    page = await messages.deliveries(
        caller, state=query.get("state"), endpoint=query.get("endpoint"), cursor=cursor, limit=limit
    )
    known = {
        "page": page,
        "endpoints": await messages.endpoints(caller),
        "states": _STATES,
        "query": query,
        "following": request.rel_url.update_query(cursor=page.next) if page.next else None,
    }
    return await render(request, "messages.html", lambda: known)


async def redrive(request: web.Request) -> web.Response:
    """Send a dead message again, from the start of its schedule."""
    need(request, Scope.OPERATE)
    message = request.match_info["id"]
    if not _MESSAGE.fullmatch(message):
        raise ServiceError(Code.NOT_FOUND, "There is no such message.")
    await request.app[OPERATIONS].messages.redrive(request[CALLER], endpoint=None, message_ids=[message])
    return redirect("/console/messages")


async def enable(request: web.Request) -> web.Response:
    """Enable an endpoint that was disabled or failing."""
    need(request, Scope.OPERATE)
    await request.app[OPERATIONS].messages.enable(request[CALLER], endpoint_name(request))
    return redirect("/console/messages")
