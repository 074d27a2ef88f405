"""The check that the caller of a request still waits for the answer.

When a process that was stopped (SIGSTOP, a paused machine) continues, it finds requests in its sockets. A caller that
has disconnected in the meantime may have requested the opposite from another process, so the older request must not
take effect.
"""

import asyncio
from typing import Final

import structlog
from aiohttp import web

# The end of a connection follows the request in the socket. One iteration of the loop finds it, and the next reads it.
# If tasks begin at once (Python 3.12), a handler can get here in the iteration that has read the request.
_TURNS: Final = 2
_log = structlog.get_logger(__name__)


async def refuse_the_gone(request: web.Request) -> None:
    """Raise aiohttp's 408, which no client receives, if the caller has closed the connection.

    A caller that has closed only its own direction also counts as disconnected, because aiohttp closes the other
    direction and cannot answer.
    """
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    if request.transport is None or request.transport.is_closing():
        _log.info("caller_gone", method=request.method)
        raise web.HTTPRequestTimeout
