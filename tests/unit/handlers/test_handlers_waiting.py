"""Who has hung up before the request is carried out gets nothing done, except for a stop."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from handlers_stand_in import ID, NOW, StandIn

from handlers import Limits, build_api
from handlers.routes import ROUTES

Serve = Callable[..., Awaitable[TestServer]]
BODIES: dict[str, Any] = {
    "start": {"url": "https://example.org/"},
    "change": {"labels": {"a": "b"}},
    "set_rtmp": {"rtmp_url": "rtmp://live.example.org/app/key"},
}


class Held(StandIn):
    """Knows the token only when `go_on` is set, as a process does that has stood still."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def authenticate(self, token: str) -> Any:
        self.asked.set()
        await self.go_on.wait()
        return await super().authenticate(token)

    async def resume_session(self, cookie: str) -> Any:
        return await self.authenticate("all"), "form-key"


def api_request(act: str) -> bytes:
    route = next(route for route in ROUTES if route.name == f"recordings.{act}")
    content = json.dumps(BODIES[act]).encode() if act in BODIES else b""
    return request(route.method, route.path.replace("{id}", ID), "application/json", content)


def form(act: str) -> bytes:
    kind = "application/x-www-form-urlencoded"
    return request("POST", f"/console/recordings/{ID}/{act}", kind, b"form_key=form-key")


def request(method: str, path: str, kind: str, content: bytes) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer all\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def called(sent: bytes, aiohttp_server: Serve, *, hang_up: bool, at_once: bool = False) -> list[str]:
    """The use cases that were called for one request. `at_once`: the request and its end are read in one go."""
    held = Held()
    if at_once:
        held.go_on.set()
    app = build_api(held, Limits(read_seconds=1), clock=lambda: NOW, console=True)  # type: ignore[arg-type]
    server = await aiohttp_server(app)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(sent)
    if not at_once:
        await held.asked.wait()
    if hang_up:
        writer.close()
        await writer.wait_closed()
    held.go_on.set()
    await held.asked.wait()
    if not hang_up:
        assert (await reader.readline()).split()[1] in (b"200", b"202", b"303")
        writer.close()
        await writer.wait_closed()
    await server.close()  # it waits for what is under way
    return [name for name, _ in held.calls]


@pytest.mark.parametrize("act", ["start", "change", "pause", "resume", "set_rtmp", "verify"])
async def test_what_a_caller_who_hung_up_asked_for_is_not_done(aiohttp_server: Serve, act: str) -> None:
    assert await called(api_request(act), aiohttp_server, hang_up=True) == []
    assert await called(api_request(act), aiohttp_server, hang_up=True, at_once=True) == []
    assert await called(api_request(act), aiohttp_server, hang_up=False) == [act]


async def test_a_form_of_the_console_is_not_done_either(aiohttp_server: Serve) -> None:
    assert await called(form("pause"), aiohttp_server, hang_up=True) == []
    assert await called(form("pause"), aiohttp_server, hang_up=False) == ["pause"]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("sent", [api_request("stop"), form("stop")], ids=["api", "console"])
async def test_a_stop_is_done_also_for_a_caller_who_hung_up(aiohttp_server: Serve, sent: bytes, at_once: bool) -> None:
    assert await called(sent, aiohttp_server, hang_up=True, at_once=at_once) == ["stop"]
