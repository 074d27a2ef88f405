"""Stored notifications from Agora: their list, outcomes and replay."""

from typing import Final

from aiohttp import web

from handlers.answers import notice_number
from handlers.console.auth import need
from handlers.console.pages import redirect, render
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import decode_query
from handlers.requests.payloads import NoticesQuery, page_of
from service.operations import Scope

OUTCOMES: Final = {
    "": "all",
    "unmatched": "unmatched",
    "foreign": "foreign (another system)",
    "parked": "parked",
    "broken": "broken",
    "new": "not processed yet",
    "applied": "applied",
    "test": "test from Agora's console",
}


async def listing(request: web.Request) -> web.Response:
    """List stored notifications, newest first."""
    need(request, Scope.OPERATE)
    query = decode_query(request.query, NoticesQuery, filled=True)
    cursor, limit = page_of(query)
    page = await request.app[OPERATIONS].incoming.notices(
        request[CALLER],
        sid=query.get("sid"),
        event_type=query.get("type"),
        outcome=query.get("outcome"),
        cursor=cursor,
        limit=limit,
    )
    following = request.rel_url.update_query(cursor=page.next) if page.next else None
    known = {"page": page, "outcomes": OUTCOMES, "query": query, "following": following}
    return await render(request, "notices.html", lambda: known)


async def replay(request: web.Request) -> web.Response:
    """Process a stored notification again."""
    need(request, Scope.OPERATE)
    number = notice_number(request)
    await request.app[OPERATIONS].incoming.replay(request[CALLER], number)
    return redirect("/console/notifications")
