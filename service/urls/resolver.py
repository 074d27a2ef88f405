"""Names resolved once and checked before anything connects: for requests that go to places which others name.

What was checked is what is connected to, so a name that changes its address between two looks gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from service.urls.rules import ParsedUrl


class ForbiddenAddressError(Exception):
    """The host is at an address that its URL may not lead to."""


def connector_to(target: ParsedUrl) -> aiohttp.TCPConnector:
    """Connections to this one host, each to an address that was checked for it."""
    return aiohttp.TCPConnector(resolver=CheckedResolver(target), use_dns_cache=False, force_close=True)


def check_peer(target: ParsedUrl, response: aiohttp.ClientResponse) -> None:
    """An IP literal needs no resolver, so the connection itself is looked at as well."""
    transport = response.connection.transport if response.connection is not None else None
    peer: Any = transport.get_extra_info("peername") if transport is not None else None
    if peer is not None and not target.admits(ipaddress.ip_address(peer[0])):
        raise ForbiddenAddressError


class CheckedResolver(AbstractResolver):
    """Resolves once; an address that the URL may not lead to is no address. Raises `ForbiddenAddressError`."""

    def __init__(self, target: ParsedUrl) -> None:
        self._target = target

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        except UnicodeError as error:  # of Python's own encoding of names
            raise OSError(socket.EAI_NONAME, "it is no host name") from error
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
        if not all(self._target.admits(ipaddress.ip_address(address)) for address in addresses):
            raise ForbiddenAddressError

    async def close(self) -> None:
        return


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
