"""One message on the wire: receivers of every kind, and places that must never be reached."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from emulator.app import close
from service.delivery.sender import MOST_ANSWER_BYTES, Outcome, Post, Response, send_post, shown_location
from service.messages import DeliveryError
from service.settings import Urls
from service.urls.rules import parse_endpoint_url

LOCAL = Urls(allow_http_hosts=("127.0.0.1", "localhost"), allow_private_hosts=("127.0.0.1",))
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """A server that says what it likes, byte by byte."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def post(url: str, seconds: float = 5) -> Response:
    target = parse_endpoint_url(url, LOCAL)
    return await send_post(Post(target, {"Content-Type": "application/json"}, b'{"a":1}', seconds))


async def test_a_message_arrives_as_it_is() -> None:
    heard = []

    async def hear(request: web.Request) -> web.Response:
        heard.append((request.raw_path, request.headers["Content-Type"], await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        response = await post(f"http://127.0.0.1:{runner.addresses[0][1]}/hook?key=1%2F2")
    finally:
        await close(runner)
    assert response == Response(Outcome.DELIVERED, 204)
    assert heard == [("/hook?key=1%2F2", "application/json", b'{"a":1}')]


async def test_no_redirect_is_followed() -> None:
    reached = asyncio.Event()

    async def secret(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()

    async with talking(secret) as inner:

        async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 307 Over\r\nLocation: {inner}/\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

        async with talking(lead) as outer:
            body = f"Location: {inner}/\n".encode()
            assert await post(outer) == Response(Outcome.REFUSED, 307, "redirect", body=body)
    assert not reached.is_set()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://me:secret@example.org:8443/new?key=secret#secret", "https://example.org:8443/new"),
        ("/new?key=secret", "/new"),
        ("//example.org/new", "//example.org/new"),
        ("https://example.org/" + "a" * 300, "https://example.org/" + "a" * 180),
        ("mailto:me@example.org", "mailto:me@example.org"),
        ("http://[", None),
        ("?key=secret", None),
        (None, None),
    ],
)
def test_where_a_redirect_leads_is_kept_without_its_secrets(given: str | None, kept: str | None) -> None:
    assert shown_location(given) == (b"" if kept is None else f"Location: {kept}\n".encode())


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX-Drip: " + b"a" * 1000:
        writer.write(bytes([letter]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.transport.abort()


async def _garbled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    await writer.drain()


async def _no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def test_a_receiver_without_tls_is_named_as_such() -> None:
    async with talking(_no_tls) as url:
        assert await post(url.replace("http://", "https://")) == Response(Outcome.FAILING, error=DeliveryError.TLS)


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def _never_ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbu")
    await writer.drain()
    await reader.read()


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        (_silent, Response(Outcome.FAILING, error="timeout")),
        (_dripping, Response(Outcome.FAILING, error="timeout")),
        (_resetting, Response(Outcome.FAILING, error="no_answer")),
        (_garbled, Response(Outcome.FAILING, error="bad_answer")),
        (_endless, Response(Outcome.DELIVERED, 200, body=b"x" * MOST_ANSWER_BYTES)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_hostile_receiver_costs_no_more_than_the_time_it_has(talk: Talk, expected: Response) -> None:
    began = asyncio.get_running_loop().time()
    async with talking(talk) as url:
        assert await post(url, seconds=0.5) == expected
    assert asyncio.get_running_loop().time() - began < 3


async def test_the_beginning_of_an_answer_is_kept_and_decides_nothing() -> None:
    """Also where the rest of the body never comes, however little time the endpoint has."""
    for seconds in (0.5, 30):
        async with talking(_never_ending) as url:
            assert await post(url, seconds) == Response(Outcome.FAILING, 503, "server_error", body=b"bu")
    assert "bu" not in repr(Response(Outcome.FAILING, 503, "server_error", body=b"bu"))


async def test_nobody_there_is_a_failing_endpoint() -> None:
    async with talking(_silent) as url:
        pass
    assert await post(url) == Response(Outcome.FAILING, error="no_connection")


PRIVATE_NAMES = Urls(allow_http_hosts=("localhost",))
BYPASSES = (
    *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/"),
    *("https://user@example.com/", "https://example.com@127.0.0.1/", "https:///nohost", "https://:443/"),
    *("https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/"),
    *("https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0/", "https://0.0.0.0/", "https://127.0.0.1./"),
    *(
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.1.1/",
    ),
    *("https://169.254.169.254/latest/meta-data/", "https://metadata.google.internal/", "https://100.100.100.200/"),
    *(
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1]/",
    ),
    *("https://[fc00::1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fd00:ec2::254]/"),
    *(
        "https://[fe80::1%25eth0]/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://x.localhost/",
        "https://printer.local/",
    ),
    *(
        "https://intranet/",
        "https://service.internal/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://1.1.1.1:0/",
    ),
    *("https://exam ple.com/", "https://example.com\\@127.0.0.1/", "https://example.com\t/", "https://example.com\n/"),
    *("https://224.0.0.1/", "https://255.255.255.255/", "https://198.18.0.1/", "https://192.0.2.1/"),
)


@pytest.mark.parametrize("url", BYPASSES)
def test_a_place_that_must_not_be_reached_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(should|names|has) "):
        parse_endpoint_url(url, Urls())


async def test_a_name_that_resolves_to_a_private_address_is_not_called() -> None:
    """`localhost` stands for any name whose owner points it inward; the rules alone would let this one through."""
    reached = asyncio.Event()

    async def inside(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()

    async with talking(inside) as url:
        target = parse_endpoint_url(
            url.replace("127.0.0.1", "localhost"), LOCAL.model_copy(update={"allow_private_hosts": ("localhost",)})
        )
        forbidden = type(target)(
            **{name: getattr(target, name) for name in target.__slots__} | {"private_allowed": False}
        )
        answer = await send_post(Post(forbidden, {}, b"{}", 5))
    assert answer == Response(Outcome.FAILING, error="forbidden_address")
    assert not reached.is_set()
