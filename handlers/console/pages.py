"""Templates to answers: what every page knows, and the headers that every page has."""

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
    """A page. `known` gives what its template needs; like the rendering it runs on a thread, off the loop that answers
    Agora. `media_from`: the origin its films come from, beside our own."""
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
    """Go on there; a reload of that page repeats nothing."""
    return web.Response(status=303, headers={"Location": to, "Cache-Control": "no-store"})
