"""A resolver that checks addresses once and before connecting, for requests to hosts that others choose.

The connection uses the checked address, so a name that changes its address in between gains nothing.
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
    """The host has an address that its URL may not lead to."""


def connector_to(target: ParsedUrl) -> aiohttp.TCPConnector:
    """Return a connector to this host that uses only checked addresses."""
    return aiohttp.TCPConnector(resolver=CheckedResolver(target), use_dns_cache=False, force_close=True)


def check_peer(target: ParsedUrl, response: aiohttp.ClientResponse) -> None:
    """Raise `ForbiddenAddressError` if the connection's peer is not allowed. An IP literal bypasses the resolver."""
    transport = response.connection.transport if response.connection is not None else None
    peer: Any = transport.get_extra_info("peername") if transport is not None else None
    if peer is not None and not target.admits(ipaddress.ip_address(peer[0])):
        raise ForbiddenAddressError


class CheckedResolver(AbstractResolver):
    """Resolves a name once. Raises `ForbiddenAddressError` if the URL may not lead to one of its addresses."""

    def __init__(self, target: ParsedUrl) -> None:
        self._target = target

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        except UnicodeError as error:  # raised by Python's own encoding of names
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
        """Refuse a host with any forbidden address, because the next connection might use it."""
        if not all(self._target.admits(ipaddress.ip_address(address)) for address in addresses):
            raise ForbiddenAddressError

    async def close(self) -> None:
        return


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
