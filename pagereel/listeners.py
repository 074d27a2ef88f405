"""The listeners' addresses: opening them, testing them, and errors that name the setting."""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import Final

import aiohttp

from service.settings import Api, Callbacks

ASK_SECONDS: Final = 3
_PRIVILEGED: Final = 1024
_ALIVE: Final = b'{"status":"ok"}'


class ListenerRefused(Exception):
    """A listener cannot be opened. The text contains the setting, the reason and the remedy."""


def refused(name: str, where: Api | Callbacks, error: OSError) -> ListenerRefused:
    """Return the error for a listener of the section `name` that cannot be opened."""
    host, port = where.host, where.port
    match error:
        case socket.gaierror():
            return ListenerRefused(f"{name}.host: {host} cannot be resolved: use an address of this machine")
        case OSError(errno=errno.EADDRINUSE):
            return ListenerRefused(
                f"{name}.port: another process listens at {address(host, port)}: stop it, or choose another port"
            )
        case OSError(errno=errno.EADDRNOTAVAIL):
            return ListenerRefused(
                f"{name}.host: {host} is no address of this machine: use one of its own, 127.0.0.1 or 0.0.0.0"
            )
        case OSError(errno=errno.EACCES | errno.EPERM):
            why = "only root may listen below 1024" if port < _PRIVILEGED else "the system forbids it"
            return ListenerRefused(f"{name}.port: {port} cannot be used, as {why}: choose another port")
        case OSError(errno=errno.EAFNOSUPPORT):
            return ListenerRefused(f"{name}.host: this machine has no IPv6, which {host} needs")
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return ListenerRefused(f"{name}: cannot listen at {address(host, port)}: {reason}")


def address(host: str, port: int) -> str:
    """Return host and port as in a URL, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def try_listener(name: str, where: Api | Callbacks) -> bool:
    """Open and close the listener. Return False if a running Pagereel uses the address. Raise `ListenerRefused`."""
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(asyncio.Protocol, where.host, where.port, start_serving=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and await _is_pagereel(where):
            return False
        raise refused(name, where, error) from error
    server.close()
    await server.wait_closed()
    return True


async def _is_pagereel(where: Api | Callbacks) -> bool:
    """Return True if the program at that address answers like Pagereel."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(where.host, where.host)  # noqa: S104 - compared only, not bound
    with suppress(aiohttp.ClientError, OSError, ValueError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ASK_SECONDS)) as http,
            http.get(f"http://{address(host, where.port)}/healthz", allow_redirects=False) as response,
        ):
            return response.status == 200 and await response.content.read(len(_ALIVE) + 1) == _ALIVE
    return False
