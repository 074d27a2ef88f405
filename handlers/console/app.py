"""The console's application under `/console`: routes, static files and authentication."""

from pathlib import Path
from typing import Final

from aiohttp import web

from handlers.console import login, messages, notices, playback, recordings
from handlers.console import start_form as starting
from handlers.console import usage as spending
from handlers.console.auth import explain_to_people, guard
from handlers.console.pages import redirect
from handlers.keys import CLOCK, LIMITS, OPERATIONS, Clock, Limits
from handlers.route import Handler
from service.operations import Operations

_STATIC: Final = Path(__file__).parent / "static"
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def build_console(operations: Operations, limits: Limits, clock: Clock) -> web.Application:
    """Return the application to mount under `/console`."""
    app = web.Application(middlewares=[explain_to_people, guard], client_max_size=limits.max_body_bytes)
    app[OPERATIONS], app[LIMITS], app[CLOCK] = operations, limits, clock
    app.router.add_get("", _home)
    app.router.add_get("/", _home)
    app.router.add_get("/login", login.show)
    app.router.add_post("/login", login.log_in)
    app.router.add_post("/logout", login.log_out)
    app.router.add_get("/recordings", recordings.listing)
    app.router.add_get("/recordings/new", starting.ask)
    app.router.add_post("/recordings/new", starting.start)
    app.router.add_get("/recordings/{id}", recordings.show)
    app.router.add_get("/recordings/{id}/poster", playback.poster)
    app.router.add_get("/recordings/{id}/contact-sheet", playback.contact_sheet)
    app.router.add_get("/recordings/{id}/file", playback.file)
    app.router.add_get("/recordings/{id}/playlist.m3u8", playback.playlist)
    app.router.add_get("/recordings/{id}/slice", playback.slice_)
    app.router.add_get("/recordings/{id}/{action}", recordings.confirm)
    app.router.add_post("/recordings/{id}/{action}", recordings.act)
    app.router.add_get("/messages", messages.listing)
    app.router.add_post("/messages/{id}/redrive", messages.redrive)
    app.router.add_post("/endpoints/{name}/enable", messages.enable)
    app.router.add_get("/usage", spending.usage)
    app.router.add_get("/actions", spending.actions)
    app.router.add_get("/notifications", notices.listing)
    app.router.add_post("/notifications/{id}/replay", notices.replay)
    for path in sorted(_STATIC.iterdir()):
        app.router.add_get(f"/static/{path.name}", _file(path.read_bytes(), _KINDS[path.suffix]))
    return app


async def _home(request: web.Request) -> web.Response:
    return redirect("/console/recordings")


def _file(content: bytes, kind: str) -> Handler:
    """Return a handler that answers one static file. The file is read at the start."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, headers={"Cache-Control": "max-age=300"})

    return answer
