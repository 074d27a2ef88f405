"""A packed body is never unpacked: a small one could hold the loop for a second."""

import asyncio
import gzip
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from handlers.slow_requests import DripRunner
from pagereel.serving import _listen
from service.settings import Callbacks

BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize("kind", [web.AppRunner, DripRunner])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "nonsense"])
async def test_a_body_reaches_its_handler_as_it_came(kind: type[web.AppRunner], coding: str) -> None:
    taken = asyncio.Queue[bytes]()

    async def take(request: web.Request) -> web.Response:
        taken.put_nowait(await request.read())
        return web.Response(status=401)

    app = web.Application(client_max_size=10**6)
    app.router.add_post("/", take)
    async with AsyncExitStack() as stack:
        line = await _listen(stack, "callbacks", app, Callbacks(host="127.0.0.1", port=0), kind)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        for body in (BOMB, b"abcd"):
            async with http.post(line.rpartition(" ")[2], data=body, headers={"Content-Encoding": coding}) as answer:
                assert answer.status == 401
            assert taken.get_nowait() == body
