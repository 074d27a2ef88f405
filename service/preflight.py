"""Tries a page before Agora is asked to record it, for presets that want that.

The request goes out from our own network, so it is bound by the same rules as the page's URL: the name is resolved
once, every address is checked, and the connection goes to a checked address. Redirects are followed by hand, within
the host only.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from typing import Any
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from service.errors import invalid
from service.page_url import ParsedUrl, UrlRules, parse_page_url

DEADLINE_SECONDS = 10
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def check_page(page: ParsedUrl, rules: UrlRules, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Raises `ServiceError` (invalid, `/url`) where the page cannot be reached, answers an error or leads elsewhere."""
    try:
        async with asyncio.timeout(deadline_seconds):
            await _visit(page, rules)
    except TimeoutError as error:
        raise invalid("/url", f"the page did not answer within {deadline_seconds:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise invalid("/url", "the page cannot be reached") from error


async def _visit(page: ParsedUrl, rules: UrlRules) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        status, target = await _ask(page)
        if status not in _REDIRECTS or target is None:
            if status >= 400:
                raise invalid("/url", f"the page answers with status {status}")
            return
        # A redirect to a private or unlisted place is refused by the same rules as the page itself.
        following = parse_page_url(urljoin(page.text, target), rules)
        if following.host != page.host:
            raise invalid("/url", "the page redirects to another domain; Agora would not follow")
        page = following
    raise invalid("/url", f"the page redirects more than {MAX_REDIRECTS} times")


async def _ask(page: ParsedUrl) -> tuple[int, str | None]:
    connector = aiohttp.TCPConnector(resolver=_CheckedResolver(page), use_dns_cache=False, force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.get(page.text, allow_redirects=False) as response,
    ):
        _check_address(page, response)
        return response.status, response.headers.get("Location")


def _check_address(page: ParsedUrl, response: aiohttp.ClientResponse) -> None:
    """An IP literal needs no resolver, so the connection itself is looked at as well."""
    transport = response.connection.transport if response.connection is not None else None
    peer: Any = transport.get_extra_info("peername") if transport is not None else None
    if peer is not None and not page.admits(ipaddress.ip_address(peer[0])):
        raise invalid("/url", "the page is at a private address")


class _CheckedResolver(AbstractResolver):
    """Resolves once; an address that the page may not have is no address."""

    def __init__(self, page: ParsedUrl) -> None:
        self._page = page

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = {str(each[4][0]) for each in found}
        self._check(addresses)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=_family(address), proto=0, flags=socket.AI_NUMERICHOST
            )
            for address in sorted(addresses)
        ]

    def _check(self, addresses: Collection[str]) -> None:
        """One private address among public ones is enough to refuse: the next connection might take it."""
        if not all(self._page.admits(ipaddress.ip_address(address)) for address in addresses):
            raise invalid("/url", "the page is at a private address")

    async def close(self) -> None:
        return


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
