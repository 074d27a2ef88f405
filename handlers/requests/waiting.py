"""Whether the caller of a request still waits for the answer.

A process that stood still (SIGSTOP, a paused machine) finds requests in its sockets when it goes on. A caller who has
hung up meanwhile may have asked another process for the opposite; what it asked for here must not come after that.
"""

import asyncio
from typing import Final

import structlog
from aiohttp import web

# The end of a connection lies behind the request in the socket. One turn of the loop finds it, the next reads it. Where
# tasks begin at once (Python 3.12) a handler can come this far in the turn that has read the request.
_TURNS: Final = 2
_log = structlog.get_logger(__name__)


async def refuse_the_gone(request: web.Request) -> None:
    """Raise aiohttp's 408, which nobody reads, where the caller has closed the connection.

    Who has closed only its own direction counts as gone too: aiohttp closes the other one and cannot answer.
    """
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    if request.transport is None or request.transport.is_closing():
        _log.info("caller_gone", method=request.method)
        raise web.HTTPRequestTimeout
