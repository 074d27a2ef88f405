"""The middleware of the API listener: a request id, one log line, metrics, and errors as problem documents.

It also contains admission (token and scope), which `routes` calls before a handler. It reads no body. Its log lines
contain no query or header, because these may contain secrets. The callback listener does not use it.
"""

import re
from collections.abc import Mapping
from time import perf_counter
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handlers import problems
from handlers.keys import CALLER, LIMITS, OPERATIONS, REQUEST_ID
from metrics.http import OTHER, RouteMeter
from service.errors import Code, ServiceError
from service.operations import Caller, Scope

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BEARER = re.compile(r"bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)
_log = structlog.get_logger(__name__)


def account(meters: Mapping[tuple[str, str], RouteMeter]) -> Middleware:
    """Return the outermost middleware, which sets the request id, writes one log line and counts by the route's
    template.

    A valid `X-Request-Id` is kept. Otherwise the request gets a new id.
    """

    @web.middleware
    async def accounted(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        given = request.headers.get("X-Request-Id", "")
        request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
            response = await handler(request)
            response.headers["X-Request-Id"] = request[REQUEST_ID]
            response.headers["Server"] = "pagereel"
            response.headers["X-Content-Type-Options"] = "nosniff"
            seconds = perf_counter() - began
            _log_request(request, response.status, seconds)
        method = "GET" if request.method == "HEAD" else request.method
        meters.get((_template(request), method), OTHER).observe(response.status, seconds)
        return response

    return accounted


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error, including aiohttp's own, into a problem document. Unexpected errors reveal no details."""
    try:
        return await handler(request)
    except ServiceError as error:
        headers = _challenge(error)
        if after := problems.retry_after(error):
            headers["Retry-After"] = after
        return _problem(request, problems.status_of(error), problems.render_error(error, request[REQUEST_ID]), headers)
    except web.HTTPRequestEntityTooLarge:
        most = request.app[LIMITS].max_body_bytes
        return _problem(request, 413, problems.render_too_large(most, request[REQUEST_ID]), {})
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _problem(request, error.status, problems.render_status(error.status, request[REQUEST_ID]), headers)
    except Exception:
        _log.exception("request_failed", route=_template(request), method=request.method)
        return _problem(request, 500, problems.render_status(500, request[REQUEST_ID]), {})


async def admit(request: web.Request, scope: Scope) -> None:
    """Authenticate a token with `scope` and set `request[CALLER]`. Raise `unauthorized` or `forbidden`."""
    match = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if match is None:
        raise ServiceError(Code.UNAUTHORIZED, "A token is required: Authorization: Bearer.")
    caller: Caller = await request.app[OPERATIONS].access.authenticate(match[1])
    if scope not in caller.scopes:
        raise ServiceError(Code.FORBIDDEN, f'The token lacks the scope "{scope}".')
    request[CALLER] = caller


def _challenge(error: ServiceError) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="pagereel"'} if error.code is Code.UNAUTHORIZED else {}


def _problem(request: web.Request, status: int, body: bytes, headers: dict[str, str]) -> web.Response:
    response = web.Response(
        status=status, body=body, content_type=problems.MEDIA_TYPE, headers=headers | {"Cache-Control": "no-store"}
    )
    if not request.content.is_eof():
        response.force_close()  # the rest of the body is not read
    return response


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "other"


def _log_request(request: web.Request, status: int, seconds: float) -> None:
    caller = request.get(CALLER)
    _log.info(
        "request",
        method=request.method,
        route=_template(request),
        path=request.path[:200],
        status=status,
        seconds=round(seconds, 4),
        token_id=caller.token_id if caller else None,
        owner=caller.owner if caller else None,
    )
