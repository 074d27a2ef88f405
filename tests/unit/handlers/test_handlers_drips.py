"""Requests that come in drips are read in few pieces; those that come whole are not held back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from emulator.app import close
from handlers.slow_requests import DripRunner

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def connection() -> AsyncIterator[Stream]:
    """A connection to a server that answers with the number of pieces and of bytes that a body came in."""

    async def count(request: web.Request) -> web.Response:
        pieces = [piece async for piece in request.content.iter_any()]
        return web.Response(text=f"{len(pieces)} {sum(map(len, pieces))}")

    app = web.Application()
    app.router.add_post("/", count)
    runner = DripRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    yield reader, writer
    writer.close()
    await writer.wait_closed()
    await close(runner)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    pieces, size = (await reader.readexactly(length)).split()
    return int(pieces), int(size)


async def test_a_body_in_two_hundred_drips_is_read_in_a_few_pieces(connection: Stream) -> None:
    reader, writer = connection
    writer.write(HEAD % 200)
    for _ in range(200):
        writer.write(b"x")
        await asyncio.sleep(0.002)
    pieces, size = await _answer(reader)
    assert size == 200
    assert pieces <= 5


async def test_a_head_in_drips_is_read_too(connection: Stream) -> None:
    reader, writer = connection
    for byte in HEAD % 3 + b"abc":
        writer.write(bytes([byte]))
        await asyncio.sleep(0.001)
    assert (await _answer(reader))[1] == 3


async def test_whole_requests_follow_each_other_and_an_unfinished_one_is_finished(connection: Stream) -> None:
    reader, writer = connection
    whole = HEAD % 3 + b"abc"
    writer.write(whole + whole + whole[:-2])
    assert [await _answer(reader) for _ in range(2)] == [(1, 3), (1, 3)]
    writer.write(b"bc" + whole)
    assert [(await _answer(reader))[1] for _ in range(2)] == [3, 3]


async def test_a_long_body_comes_through(connection: Stream) -> None:
    reader, writer = connection
    writer.write(HEAD % 1_000_000 + b"x" * 1_000_000)
    assert (await _answer(reader))[1] == 1_000_000
