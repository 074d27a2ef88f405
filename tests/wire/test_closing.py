"""A listener that closes forgets nobody: not even who is let in with the loop's last turns before."""

import asyncio
import gc
import socket
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from emulator.app import running
from emulator.settings import Settings
from pagereel import serving
from service.settings import Api, Callbacks


async def knock(address: tuple[str, int]) -> list[socket.socket]:
    """Somebody connects at every turn of the loop, until nobody is let in any more."""
    came = []
    while True:
        try:
            came.append(socket.create_connection(address))
        except ConnectionRefusedError:
            return came
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("host", "origin"),
    [("127.0.0.1", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080"), ("::", "http://[::]:8080")],
)
def test_an_ipv6_address_stands_in_brackets(host: str, origin: str) -> None:
    assert serving.origin_of(host, 8080) == origin


HOSTS = [
    "127.0.0.1",
    "127.0.0.2",
    "localhost",
    "0.0.0.0",
    "::1",
    "::",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::0.0.0.1",
    "0::1",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_the_url_of_the_start_line_can_be_opened(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(serving, "ASK_SECONDS", 0)
    app = web.Application()
    app.router.add_get("/", _here)
    for where in (Api(host=host, port=0), Callbacks(host=host, port=0)):
        async with AsyncExitStack() as stack, aiohttp.ClientSession() as http:
            line = await serving._listen(stack, "api", app, where)
            name, _, url = line.partition(" listening on ")
            assert name == "api"
            async with http.get(url, headers={"Connection": "close"}) as answer:
                assert await answer.text() == "here"


async def _here(_: web.Request) -> web.Response:
    return web.Response(text="here")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_the_url_of_the_emulators_start_line_can_be_opened(host: str) -> None:
    app = {"app_id": "a", "customer_id": "c", "customer_secret": "s"}
    settings = Settings.model_validate({"apps": [app], "host": host, "port": 0, "engine": "loop"})
    async with running(settings) as url, aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 404


async def test_the_service_answers_all_that_it_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CALM_SECONDS", 0.002)
    monkeypatch.setattr(serving, "ASK_SECONDS", 30)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="answered")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    knocking = asyncio.create_task(knock(runner.addresses[0][:2]))
    closing = asyncio.create_task(serving.close(runner))
    came = await knocking
    let_in = len(runner.server.connections)
    assert 0 < let_in <= len(came)
    loop = asyncio.get_running_loop()
    answers = []
    for client in came:
        client.setblocking(False)
        with client:
            try:
                await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answers.append(await asyncio.wait_for(loop.sock_recv(client, 12), 10))
            except ConnectionError:  # who was in the backlog
                continue
    assert answers == [b"HTTP/1.1 200"] * let_in
    await closing
    gc.collect()  # what was not closed says so now, which is an error


async def test_the_emulator_hangs_up_on_all_that_it_let_in() -> None:
    app = {"app_id": "a", "customer_id": "c", "customer_secret": "s"}
    async with running(Settings.model_validate({"apps": [app], "port": 0, "engine": "loop"})) as url:
        knocking = asyncio.create_task(knock(("127.0.0.1", int(url.rpartition(":")[2]))))
        await asyncio.sleep(0)
    for client in await knocking:
        client.settimeout(5)
        with client:
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:  # who was in the backlog
                continue
    gc.collect()  # what was not closed says so now, which is an error
