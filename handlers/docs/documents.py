"""The API's own description, as OpenAPI for programs and as one page for people. Both are made from the registry of
routes at the start. The page works without Internet access, and its script calls only this service."""

from aiohttp import web

from handlers.docs.rendering import SCRIPT_HASH, STYLE_HASH
from handlers.keys import DOCUMENTS

_PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


async def openapi(request: web.Request) -> web.Response:
    """This API as an OpenAPI 3.1 document."""
    return web.Response(body=request.app[DOCUMENTS].openapi, content_type="application/json")


async def docs(request: web.Request) -> web.Response:
    """This API as a page to read, with examples, and forms that send a call. A token typed there is kept nowhere."""
    body = request.app[DOCUMENTS].html
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=_PAGE_HEADERS)
