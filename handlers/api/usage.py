"""Usage and cost of a caller's recordings."""

from aiohttp import web

from handlers.answers import view_answer
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import read_query
from handlers.requests.payloads import UsageQuery
from handlers.resources.accounts import UsageView


async def usage(request: web.Request) -> web.Response:
    """Shows how long the caller's recordings ran in a month, and what that costs by the prices of the settings.

    Time counts from the start of each of Agora's tasks to its end, pauses included: that is what Agora bills. What runs
    counts up to now.
    """
    query = read_query(request, UsageQuery)
    found = await request.app[OPERATIONS].usage.read(request[CALLER], query.get("month"))
    return view_answer(UsageView.model_validate(found))
