"""Files and media of a recording for the console, either by link to the bucket or slice by slice through the
service."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from handlers.answers import recording_id
from handlers.api.proofs import PICTURE_TYPE, PLAYLIST_TYPE
from handlers.console.auth import need
from handlers.keys import CALLER, OPERATIONS
from service.errors import Code, ServiceError
from service.operations import Scope

_MOST_KEY: Final = 1024
_PRIVATE: Final = {"Cache-Control": "no-store"}
_KEPT: Final = {"Cache-Control": "private, max-age=300"}


async def file(request: web.Request) -> web.Response:
    """Redirect to a file in the bucket by a new presigned link, which no page contains."""
    need(request, Scope.READ)
    link = await request.app[OPERATIONS].evidence.link(request[CALLER], recording_id(request), _key(request))
    return web.Response(status=302, headers={"Location": link, "Referrer-Policy": "no-referrer", **_PRIVATE})


async def poster(request: web.Request) -> web.Response:
    """Return the recording's poster. `report` in the query changes the address when the picture may have changed."""
    need(request, Scope.READ)
    pictures = await request.app[OPERATIONS].evidence.pictures(request[CALLER], recording_id(request))
    kept = _KEPT if "report" in request.query else _PRIVATE
    return web.Response(body=pictures.poster, content_type=PICTURE_TYPE, headers=kept)


async def contact_sheet(request: web.Request) -> web.Response:
    """Return the contact sheet of the recording."""
    need(request, Scope.READ)
    pictures = await request.app[OPERATIONS].evidence.pictures(request[CALLER], recording_id(request))
    return web.Response(body=pictures.sheet, content_type=PICTURE_TYPE, headers=_PRIVATE)


async def playlist(request: web.Request) -> web.Response:
    """Return one playlist over all parts. Its slices are served by this service."""
    need(request, Scope.READ)
    identity = recording_id(request)
    text = await request.app[OPERATIONS].evidence.playlist(
        request[CALLER], identity, address=lambda key: f"/console/recordings/{identity}/slice?key={quote(key, safe='')}"
    )
    return web.Response(text=text, content_type=PLAYLIST_TYPE, headers=_PRIVATE)


async def slice_(request: web.Request) -> web.Response:
    """Return one slice."""
    need(request, Scope.READ)
    content = await request.app[OPERATIONS].evidence.read_slice(request[CALLER], recording_id(request), _key(request))
    return web.Response(body=content, content_type="video/mp2t", headers=_KEPT)


def _key(request: web.Request) -> str:
    key = request.query.get("key", "")
    if not key or len(key) > _MOST_KEY or "\0" in key:
        raise ServiceError(Code.NOT_FOUND, "no such file")
    return key
