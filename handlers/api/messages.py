"""Messages to callers: the feed of events, deliveries to endpoints, and the endpoints."""

from aiohttp import web

from handlers.answers import endpoint_name, view_answer
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import read_body, read_query
from handlers.requests.payloads import DEFAULT_PAGE, DeliveriesQuery, EventsQuery, RedriveBody, page_of
from handlers.resources.accounts import (
    DeliveryPage,
    DeliveryView,
    EndpointList,
    EndpointView,
    EventPage,
    EventView,
    RedrivenView,
)


async def events(request: web.Request) -> web.Response:
    """Lists what happened to the owner's recordings, in an order that never changes.

    `next` is never null: ask again with it as `after`, with `wait` to be answered as soon as there is more. The same
    events are delivered to endpoints; `id` is the same there.
    """
    query = read_query(request, EventsQuery)
    page = await request.app[OPERATIONS].messages.events(
        request[CALLER], query.get("after"), query.get("limit", DEFAULT_PAGE), query.get("wait", 0)
    )
    return view_answer(EventPage(items=tuple(map(EventView.model_validate, page.items)), next=page.next or ""))


async def deliveries(request: web.Request) -> web.Response:
    """Lists the owner's messages and what became of each at each endpoint, newest first. `dead`: given up."""
    query = read_query(request, DeliveriesQuery)
    cursor, limit = page_of(query)
    page = await request.app[OPERATIONS].messages.deliveries(
        request[CALLER], state=query.get("state"), endpoint=query.get("endpoint"), cursor=cursor, limit=limit
    )
    return view_answer(DeliveryPage(items=tuple(map(DeliveryView.model_validate, page.items)), next=page.next))


async def redrive(request: web.Request) -> web.Response:
    """Tries dead deliveries again, from the start of their schedule: those that are named, or without a body all."""
    body = await read_body(request, RedriveBody, optional=True)
    count = await request.app[OPERATIONS].messages.redrive(
        request[CALLER], endpoint=body.get("endpoint"), message_ids=body.get("messages")
    )
    return view_answer(RedrivenView(redriven=count), status=202)


async def endpoints(request: web.Request) -> web.Response:
    """Lists the endpoints that recordings may name in `notify`, and how each does."""
    found = await request.app[OPERATIONS].messages.endpoints(request[CALLER])
    return view_answer(EndpointList(items=tuple(map(EndpointView.model_validate, found))))


async def enable(request: web.Request) -> web.Response:
    """Forgets that an endpoint was gone or failing, and sends what waits for it, from the start of the schedule."""
    state = await request.app[OPERATIONS].messages.enable(request[CALLER], endpoint_name(request))
    return view_answer(EndpointView.model_validate(state), status=202)
