"""Agora's endpoint on its own listener. It contains the only route that is open to the Internet, and is the hot path.

It does not parse the notification, but passes the raw bytes to one operation, which returns when they are durable. To
save time, the endpoint has no middleware, no model and no log line per notification, and its answer is prepared once.
"""

import asyncio
from time import perf_counter
from typing import Final

import structlog
from aiohttp import web
from multidict import CIMultiDict

from handlers.keys import LIMITS, OPERATIONS, Limits
from handlers.problems import MEANINGS, STATUS, retry_after
from handlers.requests.decoding import refuse_oversize
from metrics.http import RouteMeter
from service.errors import ServiceError
from service.operations import Operations

PATH: Final = "/agora/{app}/notifications"
_HEADERS: Final = CIMultiDict({"Content-Type": "application/json", "Server": "pagereel"})
_METER: Final = RouteMeter(PATH, "POST")
_log = structlog.get_logger(__name__)


def build_callbacks(operations: Operations, limits: Limits) -> web.Application:
    """Return the callback listener's application: `POST /agora/{app}/notifications` and `GET /healthz` only."""
    app = web.Application(client_max_size=limits.max_body_bytes)
    app[OPERATIONS] = operations
    app[LIMITS] = limits
    app.router.add_post(PATH, receive)
    app.router.add_get("/healthz", healthz)
    app.router.add_route("*", "/{path:.*}", nothing)
    return app


async def receive(request: web.Request) -> web.Response:
    """Store one notification. Answer 200 when it is durable, otherwise 401, 404, 408, 413 or 5xx, because Agora may
    repeat it."""
    began = perf_counter()
    headers = request.headers
    try:
        body = await _read(request)
        await request.app[OPERATIONS].receiving.receive(
            request.match_info["app"],
            body,
            headers.get("Agora-Signature-V2"),
            headers.get("Agora-Signature"),
            request.remote,
        )
        response = web.Response(body=b"{}", headers=_HEADERS)
    except Exception as error:
        response = _refusal(request, error)
    _METER.observe(response.status, perf_counter() - began)
    return response


async def healthz(request: web.Request) -> web.Response:
    """Answer that the process is running, without accessing anything else."""
    return web.Response(body=b'{"status":"ok"}', headers=_HEADERS)


async def nothing(request: web.Request) -> web.Response:
    """Answer 404 for every other path and method, without information about the service."""
    return web.Response(status=404, body=b'{"code":"not_found"}', headers=_HEADERS)


async def _read(request: web.Request) -> bytes:
    refuse_oversize(request)
    if request.content.is_eof():  # in the usual case the body came with the head, so no timer is needed
        return await request.read()
    try:
        async with asyncio.timeout(request.app[LIMITS].read_seconds):
            return await request.read()
    except (TimeoutError, ConnectionError):  # silent or disconnected; aiohttp itself would log the latter as an error
        raise web.HTTPRequestTimeout from None


def _refusal(request: web.Request, error: Exception) -> web.Response:
    headers = dict(_HEADERS)
    if isinstance(error, ServiceError):
        status = STATUS[error.code]
        if after := retry_after(error):
            headers["Retry-After"] = after
    elif isinstance(error, web.HTTPException):
        status = error.status
    else:
        status = 500
        _log.error("notice_failed", app=request.match_info["app"][:64], exc_info=error)
    response = web.Response(status=status, body=b'{"code":"%s"}' % MEANINGS[status].code.encode(), headers=headers)
    if not request.content.is_eof():
        response.force_close()  # the rest of the body is not read
    return response
