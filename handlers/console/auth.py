"""The console's authentication: sessions, protection of forms, and error pages.

A session is an encrypted cookie (HttpOnly, SameSite=Strict, for `/console` only). A form is accepted only from the same
origin and with the session's form key. The headers of every answer restrict what a page may load and who may frame it.
"""

import asyncio
from hmac import compare_digest
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from handlers import problems
from handlers.console.pages import redirect, render
from handlers.keys import CALLER, FORM_KEY, LIMITS, OPERATIONS, REQUEST_ID
from handlers.requests.decoding import refuse_oversize
from handlers.requests.waiting import refuse_the_gone
from service.errors import Code, ServiceError
from service.operations import Scope

COOKIE: Final = "pagereel_console"
_OPEN: Final = ("/console/login", "/console/static/")
_log = structlog.get_logger(__name__)


@web.middleware
async def explain_to_people(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Render every error as a page. Without a session, redirect to the log-in."""
    try:
        return await handler(request)
    except ServiceError as error:
        if error.code is Code.UNAUTHORIZED and not request.path.startswith(_OPEN):
            return _to_login()
        return await _problem(request, problems.status_of(error), str(error))
    except web.HTTPException as error:
        return await _problem(request, error.status, "")
    except Exception:
        _log.exception("console_failed", path=request.path[:200], method=request.method)
        return await _problem(request, 500, "")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Require a session, and accept forms only from the console's own pages."""
    if request.method == "POST":
        await _read_form(request)
    if not request.path.startswith(_OPEN):
        caller, form_key = await request.app[OPERATIONS].access.resume_session(request.cookies.get(COOKIE, ""))
        request[CALLER], request[FORM_KEY] = caller, form_key
        if request.method == "POST":
            given = (await request.post()).get("form_key", "")
            if not isinstance(given, str) or not compare_digest(given.encode(), form_key.encode()):
                raise ServiceError(
                    Code.FORBIDDEN, "this form does not belong to your session; go back and send it again"
                )
            if request.match_info.get("action") != "stop":
                await refuse_the_gone(request)
    return await handler(request)


def need(request: web.Request, scope: Scope) -> None:
    """Raise `forbidden` if the session's token does not have the scope."""
    if scope not in request[CALLER].scopes:
        raise ServiceError(Code.FORBIDDEN, f'your token lacks the scope "{scope}"')


async def _read_form(request: web.Request) -> None:
    """Read the form within the time limit, so that `request.post()` returns it at once. Raise `forbidden` if it came
    from another origin."""
    if not _same_origin(request):
        raise ServiceError(Code.FORBIDDEN, "this form did not come from the console")
    refuse_oversize(request)
    try:
        async with asyncio.timeout(request.app[LIMITS].read_seconds):
            await request.post()
    except (TimeoutError, ConnectionError):
        raise web.HTTPRequestTimeout from None


def _same_origin(request: web.Request) -> bool:
    """Return True unless the browser reports another origin. If it reports none, only the form key decides."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _to_login() -> web.Response:
    leave = redirect("/console/login")
    leave.del_cookie(COOKIE, path="/console")
    return leave


async def _problem(request: web.Request, status: int, text: str) -> web.Response:
    meaning = problems.MEANINGS[status]
    known = {"title": meaning.title, "text": text or meaning.remedy, "request_id": request.get(REQUEST_ID)}
    response = await render(request, "problem.html", lambda: known, status=status)
    if not request.content.is_eof():
        response.force_close()  # the rest of the body is not read
    return response
