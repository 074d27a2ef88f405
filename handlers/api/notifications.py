"""Stored notifications from Agora: listing and replay, for operators. Raw bytes are never shown."""

from aiohttp import web

from handlers.answers import notice_number, view_answer
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import read_query
from handlers.requests.payloads import NoticesQuery, page_of
from handlers.resources.accounts import NoticePage, NoticeView


async def listing(request: web.Request) -> web.Response:
    """Lists stored notifications from Agora, page by page, and what became of each."""
    query = read_query(request, NoticesQuery)
    cursor, limit = page_of(query)
    page = await request.app[OPERATIONS].incoming.notices(
        request[CALLER],
        sid=query.get("sid"),
        event_type=query.get("type"),
        outcome=query.get("outcome"),
        cursor=cursor,
        limit=limit,
    )
    return view_answer(NoticePage(items=tuple(map(NoticeView.model_validate, page.items)), next=page.next))


async def replay(request: web.Request) -> web.Response:
    """Lets a stored notification be understood once more. Effects that it already had are not repeated."""
    notice = await request.app[OPERATIONS].incoming.replay(request[CALLER], notice_number(request))
    return view_answer(NoticeView.model_validate(notice), status=202)
