"""What callers are told, and what could not be told them: deliveries, dead letters, sending them again."""

from typing import Final

import structlog
from aiohttp import web

from handlers.console.door import need
from handlers.console.pages import redirect, render
from handlers.decoding import decode_query
from handlers.keys import CALLER, OPERATIONS
from handlers.payloads import DeliveriesQuery, page_of
from service.operations import Scope

_STATES: Final = {
    "": "all",
    "pending": "waiting",
    "delivered": "delivered",
    "dead": "given up",
    "skipped": "not for it",
}
_log = structlog.get_logger(__name__)


async def listing(request: web.Request) -> web.Response:
    """The owner's endpoints and how each does, and the deliveries to them, newest first."""
    need(request, Scope.READ)
    query = decode_query(request.query, DeliveriesQuery, filled=True)
    cursor, limit = page_of(query)
    outgoing, caller = request.app[OPERATIONS].outgoing, request[CALLER]
    page = await outgoing.deliveries(
        caller, state=query.get("state"), endpoint=query.get("endpoint"), cursor=cursor, limit=limit
    )
    known = {
        "page": page,
        "endpoints": await outgoing.endpoints(caller),
        "states": _STATES,
        "query": query,
        "following": request.rel_url.update_query(cursor=page.next) if page.next else None,
    }
    return await render(request, "messages.html", lambda: known)


async def redrive(request: web.Request) -> web.Response:
    """Send a dead message again, from the start of its schedule."""
    need(request, Scope.OPERATE)
    message = request.match_info["id"]
    count = await request.app[OPERATIONS].outgoing.redrive(request[CALLER], endpoint=None, message_ids=[message])
    _log.info("console_action", action="redrive", message=message[:64], count=count, token_id=request[CALLER].token_id)
    return redirect("/console/messages")
