"""Health checks and metrics for monitoring. They need no token."""

import asyncio
import gzip

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from handlers.answers import view_answer
from handlers.keys import OPERATIONS
from handlers.resources.accounts import StatusView
from metrics import REGISTRY


async def healthz(request: web.Request) -> web.Response:
    """Returns 200 while the process answers. It uses no database, so a broken one does not get the process killed."""
    return view_answer(StatusView(status="ok"))


async def readyz(request: web.Request) -> web.Response:
    """Returns 200 while the process can do its work, and 503 while it cannot."""
    await request.app[OPERATIONS].ready()
    return view_answer(StatusView(status="ready"))


async def exposition(request: web.Request) -> web.Response:
    """The metrics for Prometheus, as text or OpenMetrics, compressed where the scraper takes gzip."""
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    # Rendering thousands of series takes tens of milliseconds, which would delay answers to Agora on the event loop.
    body, media_type = await asyncio.to_thread(_expose, request.headers.get("Accept", ""), zipped)
    headers = {"Content-Type": media_type, "Vary": "Accept, Accept-Encoding"}
    return web.Response(body=body, headers=headers | ({"Content-Encoding": "gzip"} if zipped else {}))


def _expose(accept: str, zipped: bool) -> tuple[bytes, str]:
    encode, media_type = choose_encoder(accept)
    text = encode(REGISTRY)
    return (gzip.compress(text, compresslevel=1) if zipped else text), media_type
