"""Tries a page before Agora is asked to record it, for presets that want that.

The request goes out from our own network, so it is bound by the same rules as the page's URL: the name is resolved
once, every address is checked, and the connection goes to a checked address. Redirects are followed by hand, within
the host only.
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
    """Raises `ServiceError` (invalid, `/url`) where the page cannot be reached, answers an error or leads elsewhere."""
    try:
        async with asyncio.timeout(deadline_seconds):
            await _visit(page, rules)
    except ForbiddenAddressError:
        raise invalid("/url", "the page has a private address") from None
    except TimeoutError as error:
        raise invalid("/url", f"the page did not answer within {deadline_seconds:g} s") from error
    except ServiceError:
        raise
    except Exception as error:  # a library fails at what it was sent with more than its own errors
        raise invalid("/url", "the page cannot be reached") from error


async def _visit(page: ParsedUrl, rules: UrlRules) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        status, target = await _ask(page)
        if status not in _REDIRECTS or target is None:
            if status >= 400:
                raise invalid("/url", f"the page answered with status {status}")
            return
        # A redirect to a private or unlisted place is refused by the same rules as the page itself.
        try:
            following = parse_page_url(urljoin(page.text, target), rules)
        except ValueError:  # of `urljoin`: it is no address
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
