"""The rendering of templates, with the variables and headers that all pages share."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from handlers.console.words import FILTERS
from handlers.keys import CALLER, CLOCK, FORM_KEY

_TEMPLATES: Final = Environment(
    loader=PackageLoader("handlers.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(FILTERS)
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "media-src 'self'{0}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


async def render(
    request: web.Request,
    template: str,
    known: Callable[[], Mapping[str, Any]] = dict,
    *,
    status: int = 200,
    media_from: str | None = None,
) -> web.Response:
    """Render a page. `known` returns the variables of its template. It runs in a thread together with the rendering,
    because the event loop must answer Agora. `media_from` is an additional origin of media."""
    common = {
        "caller": request.get(CALLER),
        "form_key": request.get(FORM_KEY, ""),
        "path": request.path,
        "now": request.app[CLOCK](),
        "status": status,
    }
    text = await asyncio.to_thread(lambda: _TEMPLATES.get_template(template).render(**common, **known()))
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY.format(f" {media_from}" if media_from else ""),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def redirect(to: str) -> web.Response:
    """Redirect with 303, so that a reload does not repeat the request."""
    return web.Response(status=303, headers={"Location": to, "Cache-Control": "no-store"})
