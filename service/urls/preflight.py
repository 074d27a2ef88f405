"""A check of a page before Agora is called to record it, if the preset requests that.

The request comes from our own network, so the rules for the page's URL apply: the name is resolved once, every address
is checked, and the connection uses a checked address. Redirects are followed explicitly, and only within the host.
"""

import asyncio
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from service.errors import ServiceError, invalid
from service.urls.resolver import ForbiddenAddressError, check_peer, connector_to
from service.urls.rules import ParsedUrl, UrlRules, parse_page_url

DEADLINE_SECONDS = 10
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def check_page(page: ParsedUrl, rules: UrlRules, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Raise `ServiceError` (invalid, `/url`) if the page cannot be reached, answers with an error or redirects to
    another host."""
    try:
        async with asyncio.timeout(deadline_seconds):
            await _visit(page, rules)
    except ForbiddenAddressError:
        raise invalid("/url", "the page has a private address") from None
    except TimeoutError as error:
        raise invalid("/url", f"the page did not answer within {deadline_seconds:g} s") from error
    except ServiceError:
        raise
    except Exception as error:  # the library may raise other errors than its own for invalid data
        raise invalid("/url", "the page cannot be reached") from error


async def _visit(page: ParsedUrl, rules: UrlRules) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        status, target = await _ask(page)
        if status not in _REDIRECTS or target is None:
            if status >= 400:
                raise invalid("/url", f"the page answered with status {status}")
            return
        # The rules for the page also refuse a redirect to a private or unlisted host.
        try:
            following = parse_page_url(urljoin(page.text, target), rules)
        except ValueError:  # from `urljoin`: not an address
            raise invalid("/url", "the page redirects to something that is not an address") from None
        if following.host != page.host:
            raise invalid("/url", "the page redirects to another domain; Agora would not follow")
        page = following
    raise invalid("/url", f"the page redirects more than {MAX_REDIRECTS} times")


async def _ask(page: ParsedUrl) -> tuple[int, str | None]:
    async with (
        aiohttp.ClientSession(connector=connector_to(page), cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.get(URL(page.text, encoded=True), allow_redirects=False) as response,
    ):
        check_peer(page, response)
        return response.status, response.headers.get("Location")
