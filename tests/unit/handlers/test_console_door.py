"""The console's door where a browser is not needed: forms that drip, that are too large, or from nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from handlers_stand_in import NOW, StandIn

from handlers import Limits, build_api

Client = TestClient[Any, Any]


@pytest.fixture
async def console(operations: StandIn, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    limits = Limits(max_body_bytes=4096, read_seconds=1)
    return await aiohttp_client(build_api(operations, limits, clock=lambda: NOW, console=True))  # type: ignore[arg-type]


async def test_a_form_that_drips_is_given_up_in_time(console: Client) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b"token="
        await asyncio.sleep(60)

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with asyncio.timeout(30):
        answer = await console.post("/console/login", data=dripping(), headers=headers)
    assert answer.status == 408
    assert "Body not received in time" in await answer.text()


async def test_a_form_that_is_too_large_is_refused_as_a_page(console: Client) -> None:
    answer = await console.post("/console/login", data={"token": "x" * 5000})
    assert answer.status == 413
    assert answer.content_type == "text/html"


async def test_a_form_that_says_itself_that_it_is_huge_is_refused_before_it_comes(console: Client) -> None:
    reader, writer = await asyncio.open_connection(console.host, console.port)
    kind = "Content-Type: application/x-www-form-urlencoded"
    writer.write(f"POST /console/login HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: 10000000000\r\n\r\na".encode())
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_the_process_that_only_works_has_no_console(
    operations: StandIn, aiohttp_client: Callable[..., Awaitable[Client]]
) -> None:
    client = await aiohttp_client(build_api(operations, Limits()))  # type: ignore[arg-type]
    assert (await client.get("/console/login")).status == 404
