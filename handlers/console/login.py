"""Log-in and log-out of the console, with an API token."""

from aiohttp import web

from handlers.console.auth import COOKIE
from handlers.console.pages import redirect, render
from handlers.keys import OPERATIONS
from service.errors import Code, ServiceError

_MOST = 512


async def show(request: web.Request) -> web.Response:
    """Show the log-in form."""
    return await render(request, "login.html", lambda: {"wrong": False})


async def log_in(request: web.Request) -> web.Response:
    """Open a session for a valid token, or show the form again."""
    token = (await request.post()).get("token", "")
    try:
        if not isinstance(token, str) or len(token) > _MOST:
            raise ServiceError(Code.UNAUTHORIZED, "the token is not valid")
        session = await request.app[OPERATIONS].access.log_in(token.strip())
    except ServiceError as error:
        if error.code is not Code.UNAUTHORIZED:
            raise
        return await render(request, "login.html", lambda: {"wrong": True}, status=401)
    leave = redirect("/console/recordings")
    secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    leave.set_cookie(COOKIE, session, path="/console", httponly=True, samesite="Strict", secure=secure)
    return leave


async def log_out(request: web.Request) -> web.Response:
    """End the session."""
    leave = redirect("/console/login")
    leave.del_cookie(COOKIE, path="/console")
    return leave
