"""A listener that cannot be opened: `serve` and `check-config --probe` say the same, and name the setting."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from pagereel.listeners import ListenerRefused, refused, try_listener
from pagereel.serving import _listen
from service.settings import Api, Callbacks


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which something else listens that answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        yield port


async def served(name: str, where: Api | Callbacks) -> str:
    """What `serve` says of it."""
    with pytest.raises(ListenerRefused) as raised:
        async with AsyncExitStack() as stack:
            await _listen(stack, name, web.Application(), where)
    return str(raised.value)


async def tried(name: str, where: Api | Callbacks) -> str:
    """What `check-config --probe` says of it."""
    with pytest.raises(ListenerRefused) as raised:
        await try_listener(name, where)
    return str(raised.value)


async def test_a_port_that_is_taken_is_named(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagereel.listeners.ASK_SECONDS", 0.2)
    where = Api(host="127.0.0.1", port=taken)
    said = f"api.port: another process listens at 127.0.0.1:{taken}: stop it, or choose another port"
    assert {await tried("api", where), await served("api", where)} == {said}


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("203.0.113.7", "callbacks.host: 203.0.113.7 is no address of this machine"),
        ("no.such.invalid", "callbacks.host: no.such.invalid cannot be resolved: use an address of this machine"),
    ],
)
async def test_a_host_that_is_not_this_machine_is_named(host: str, said: str) -> None:
    where = Callbacks(host=host, port=0)
    both = {await tried("callbacks", where), await served("callbacks", where)}
    assert len(both) == 1
    assert both.pop().startswith(said)


@pytest.mark.parametrize(
    ("number", "port", "said"),
    [
        (errno.EACCES, 80, "api.port: 80 cannot be used, as only root may listen below 1024: choose another port"),
        (errno.EPERM, 8080, "api.port: 8080 cannot be used, as the system forbids it: choose another port"),
        (errno.EAFNOSUPPORT, 8080, "api.host: this machine has no IPv6, which ::1 needs"),
        (errno.EINVAL, 8080, "api: cannot listen at [::1]:8080: Invalid argument"),
    ],
    ids=["privileged", "forbidden", "no-ipv6", "another"],
)
def test_what_the_system_forbids_is_said_in_words(number: int, port: int, said: str) -> None:
    assert str(refused("api", Api(host="::1", port=port), OSError(number, "x"))) == said


async def test_a_free_port_is_free_afterwards_and_one_of_a_running_pagereel_is_no_fault() -> None:
    where = Api(host="127.0.0.1", port=0)
    assert await try_listener("api", where) is True

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"}, dumps=lambda _: '{"status":"ok"}')

    app = web.Application()
    app.router.add_get("/healthz", alive)
    runner: Any = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        assert await try_listener("api", Api(host="127.0.0.1", port=port)) is False
    finally:
        await runner.cleanup()
    assert await try_listener("api", Api(host="127.0.0.1", port=port)) is True
    await asyncio.sleep(0)
