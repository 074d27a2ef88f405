"""A server that stands where Agora stands and says what a test scripted; it knows none of Agora's rules."""

import asyncio
import json
from dataclasses import dataclass, field

from aiohttp import web

from emulator.app import close

SID = "0123456789abcdef0123456789abcdef"


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: object


@dataclass
class Said:
    """One scripted answer. `fault`: hang, reset, half."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    fault: str | None = None


class ScriptedAgora:
    """Answers requests in the order of `script`; an exhausted script is a 500 with no body."""

    def __init__(self) -> None:
        self.script: list[Said] = []
        self.seen: list[Seen] = []
        self.arrived = asyncio.Event()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""

    def says(self, status=200, body=None, fault=None, **headers) -> None:
        self.script.append(Said(status, {} if body is None else body, headers, fault))

    async def __aenter__(self) -> "ScriptedAgora":
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc) -> None:
        self._released.set()
        assert self._runner is not None
        await close(self._runner)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.seen.append(
            Seen(request.method, request.raw_path, dict(request.headers), json.loads(text) if text else None)
        )
        self.arrived.set()
        said = self.script.pop(0) if self.script else Said(500, b"")
        if said.fault == "hang":
            await self._released.wait()
        if said.fault == "reset":
            assert request.transport is not None
            request.transport.abort()
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        if said.fault == "half":
            response = web.StreamResponse(status=said.status, headers={"Content-Length": str(len(body) + 10)})
            await response.prepare(request)
            await response.write(body)
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(status=said.status, body=body, headers=said.headers)
