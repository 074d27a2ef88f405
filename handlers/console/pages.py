"""Templates to answers: what every page knows, and the headers that every page has."""

from collections.abc import Iterable
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
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'{0}; "
    "media-src 'self'{0}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def render(
    request: web.Request, template: str, *, status: int = 200, media_from: Iterable[str] = (), **known: Any
) -> web.Response:
    """A page. `media_from`: the origins its pictures and videos come from, beside our own."""
    caller = request.get(CALLER)
    text = _TEMPLATES.get_template(template).render(
        caller=caller,
        form_key=request.get(FORM_KEY, ""),
        path=request.path,
        now=request.app[CLOCK](),
        **{"status": status, **known},
    )
    origins = "".join(f" {origin}" for origin in sorted(set(media_from)))
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY.format(origins),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def redirect(to: str) -> web.Response:
    """Go on there; a reload of that page repeats nothing."""
    return web.Response(status=303, headers={"Location": to, "Cache-Control": "no-store"})
