"""Stands between a bucket and its real store: passes everything on, and fails where a test says so.

What is signed stays signed: the Host header goes through as it came. Counts what crosses it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

Fault = Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]]
"""Given a request and the store's own body, another answer; None: the store's own."""


class StoreProxy:
    """Serves on a loopback port while its `async with` block lasts. `fault` may be set at any time."""

    def __init__(self, target: str, *, latency_seconds: float = 0) -> None:
        self._target = URL(target)
        self._latency_seconds = latency_seconds
        self.fault: Fault | None = None
        self.requests = 0
        self.bytes_sent = 0
        self.under_way = 0
        self.most_under_way = 0
        self.endpoint = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._http = aiohttp.ClientSession(auto_decompress=False)
        self._server = TestServer(app)
        await self._server.start_server()
        self.endpoint = str(self._server.make_url("/")).rstrip("/")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.close()
        await self._http.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._answer(request)
        finally:
            self.under_way -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._latency_seconds)
        url = URL(str(self._target) + request.raw_path, encoded=True)
        headers = {name: text for name, text in request.headers.items() if name.lower() != "transfer-encoding"}
        given = await request.read()
        async with self._http.request(
            request.method, url, headers=headers, data=given or None, allow_redirects=False
        ) as answer:
            body = await answer.read()
            if self.fault is not None and (other := await self.fault(request, body)) is not None:
                return other
            self.bytes_sent += len(body)
            dropped = {"transfer-encoding", "connection", "content-length"}
            kept = [(name, text) for name, text in answer.headers.items() if name.lower() not in dropped]
            if request.method == "HEAD":
                kept += [("Content-Length", answer.headers.get("Content-Length", "0"))]
            return web.Response(status=answer.status, headers=kept, body=body)


def refusing(status: int, code: str, part: str = "", **headers: str) -> Fault:
    """Answers requests whose path holds `part` with an error in the store's own words."""

    async def fault(request: web.Request, _: bytes) -> web.StreamResponse | None:
        if part not in request.path:
            return None
        return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>", headers=headers)

    return fault


def resetting(part: str = "") -> Fault:
    """Begins the answer to requests whose path holds `part`, and resets the connection in the middle of its body."""

    async def fault(request: web.Request, body: bytes) -> web.StreamResponse | None:
        if part not in request.path:
            return None
        response = web.StreamResponse(headers={"Content-Length": str(len(body) + 1)})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response

    return fault
