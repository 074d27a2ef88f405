"""The trail of callers' requests."""

from aiohttp import web

from handlers.answers import view_answer
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import read_query
from handlers.requests.payloads import PageQuery, page_of
from handlers.resources.accounts import ActionPage, ActionView


async def actions(request: web.Request) -> web.Response:
    """Lists what was done with the owner's tokens, newest first: what, to what, when, and which token's id."""
    query = read_query(request, PageQuery)
    page = await request.app[OPERATIONS].trail.actions(request[CALLER], *page_of(query))
    return view_answer(ActionPage(items=tuple(map(ActionView.model_validate, page.items)), next=page.next))
