"""Usage and cost of an owner's recordings, and the actions of its tokens."""

from datetime import UTC, datetime

from aiohttp import web

from handlers.console.auth import need
from handlers.console.pages import render
from handlers.keys import CALLER, CLOCK, OPERATIONS
from handlers.requests.decoding import decode_query
from handlers.requests.payloads import PageQuery, UsageQuery, page_of
from service.operations import Scope


async def usage(request: web.Request) -> web.Response:
    """Show a month of the owner's usage."""
    need(request, Scope.READ)
    query = decode_query(request.query, UsageQuery, filled=True)
    used = await request.app[OPERATIONS].usage.read(request[CALLER], query.get("month"))
    known = {
        "used": used,
        "before": _month(used.from_at - 1),
        "after": _month(used.to_at) if used.to_at <= request.app[CLOCK]() else None,
    }
    return await render(request, "usage.html", lambda: known)


async def actions(request: web.Request) -> web.Response:
    """List the owner's actions, newest first."""
    need(request, Scope.READ)
    page = await request.app[OPERATIONS].trail.actions(
        request[CALLER], *page_of(decode_query(request.query, PageQuery, filled=True))
    )
    subjects = [one.subject for one in page.items if one.subject.startswith("rec_")]
    known = {
        "page": page,
        "recordings": await request.app[OPERATIONS].several(request[CALLER], subjects),
        "following": request.rel_url.update_query(cursor=page.next) if page.next else None,
    }
    return await render(request, "actions.html", lambda: known)


def _month(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")
