"""A recording's files and films for the console's pages: from the bucket by link, or slice by slice through us."""

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
    """Lead to a file in the bucket, by a link of its own; no page has the link in it."""
    need(request, Scope.READ)
    link = await request.app[OPERATIONS].evidence.link(request[CALLER], recording_id(request), _key(request))
    return web.Response(status=302, headers={"Location": link, "Referrer-Policy": "no-referrer", **_PRIVATE})


async def poster(request: web.Request) -> web.Response:
    """One picture of it. `report` in the query makes the address another one when there may be another picture."""
    need(request, Scope.READ)
    pictures = await request.app[OPERATIONS].evidence.pictures(request[CALLER], recording_id(request))
    kept = _KEPT if "report" in request.query else _PRIVATE
    return web.Response(body=pictures.poster, content_type=PICTURE_TYPE, headers=kept)


async def contact_sheet(request: web.Request) -> web.Response:
    """Small pictures from all over it."""
    need(request, Scope.READ)
    pictures = await request.app[OPERATIONS].evidence.pictures(request[CALLER], recording_id(request))
    return web.Response(body=pictures.sheet, content_type=PICTURE_TYPE, headers=_PRIVATE)


async def playlist(request: web.Request) -> web.Response:
    """One playlist over all parts, whose slices come through this service."""
    need(request, Scope.READ)
    identity = recording_id(request)
    text = await request.app[OPERATIONS].evidence.playlist(
        request[CALLER], identity, address=lambda key: f"/console/recordings/{identity}/slice?key={quote(key, safe='')}"
    )
    return web.Response(text=text, content_type=PLAYLIST_TYPE, headers=_PRIVATE)


async def slice_(request: web.Request) -> web.Response:
    """One slice."""
    need(request, Scope.READ)
    content = await request.app[OPERATIONS].evidence.read_slice(request[CALLER], recording_id(request), _key(request))
    return web.Response(body=content, content_type="video/mp2t", headers=_KEPT)


def _key(request: web.Request) -> str:
    key = request.query.get("key", "")
    if not key or len(key) > _MOST_KEY or "\0" in key:
        raise ServiceError(Code.NOT_FOUND, "no such file")
    return key
