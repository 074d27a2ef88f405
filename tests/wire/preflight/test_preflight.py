"""The preflight against real servers on loopback: what it lets through, and where it never goes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from emulator.app import close
from service.errors import Code, ServiceError
from service.settings import Urls
from service.urls.preflight import check_page
from service.urls.resolver import CheckedResolver
from service.urls.rules import ParsedUrl, parse_page_url
from tests.nasty import NASTY_VALUES, header_bytes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server whose pages are set by the test; `asked` are the paths that were asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        return await self.pages[request.path](request)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.port = runner.addresses[0][1]
    yield site
    await close(runner)


def says(status: int, **headers: str) -> Handler:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return page


async def visit(site: Site, path: str, *, deadline_seconds: float = 5) -> None:
    rules = Urls(allow_http_hosts=("127.0.0.1",), allow_private_hosts=("127.0.0.1",))
    page = parse_page_url(f"http://127.0.0.1:{site.port}{path}", rules)
    await check_page(page, rules, deadline_seconds=deadline_seconds)


async def refusal(site: Site, path: str, *, deadline_seconds: float = 5) -> str:
    with pytest.raises(ServiceError) as caught:
        await visit(site, path, deadline_seconds=deadline_seconds)
    assert caught.value.code is Code.INVALID
    assert caught.value.errors[0].pointer == "/url"
    return caught.value.message


async def test_a_page_that_answers_is_let_through(site: Site) -> None:
    site.pages["/room"] = says(200)
    await visit(site, "/room?secret=1")
    assert site.asked == ["/room"]


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
async def test_a_page_that_answers_an_error_is_refused_with_its_status(site: Site, status: int) -> None:
    site.pages["/room"] = says(status)
    assert str(status) in await refusal(site, "/room?secret=canary")


async def test_the_query_of_the_page_is_in_no_error(site: Site) -> None:
    site.pages["/room"] = says(404)
    assert "canary" not in await refusal(site, "/room?secret=canary")


async def test_a_redirect_within_the_host_is_followed(site: Site) -> None:
    site.pages["/room"] = says(302, Location="/lobby")
    site.pages["/lobby"] = says(200)
    await visit(site, "/room")
    assert site.asked == ["/room", "/lobby"]


async def test_a_redirect_to_another_domain_is_refused(site: Site) -> None:
    site.pages["/room"] = says(302, Location="https://elsewhere.example.org/room")
    assert "another domain" in await refusal(site, "/room")


async def test_a_redirect_to_a_private_address_is_refused_before_it_is_asked(site: Site) -> None:
    site.pages["/room"] = says(302, Location="http://169.254.169.254/latest/meta-data")
    await refusal(site, "/room")
    assert site.asked == ["/room"]


async def test_redirects_in_a_circle_come_to_an_end(site: Site) -> None:
    site.pages["/room"] = says(302, Location="/room")
    assert "redirects more than" in await refusal(site, "/room")


async def test_a_redirect_to_any_text_is_refused_or_followed_and_breaks_nothing(site: Site) -> None:
    """aiohttp's own server refuses to send some of these, so the lines are written by hand."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = int((await reader.readuntil(b"\r\n\r\n")).split()[1][1:])
        value = header_bytes(NASTY_VALUES[number])
        writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + value + b"\r\nRetry-After: " + value)
        writer.write(b"\r\nContent-Type: " + value + b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        site.port = server.sockets[0].getsockname()[1]
        for number in range(0, len(NASTY_VALUES), 2):
            await refusal(site, f"/{number}")


async def test_a_name_that_python_cannot_encode_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise UnicodeError("label too long")

    page = parse_page_url("https://a_.example.com/", Urls())
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    with pytest.raises(OSError, match="no host name"):
        await CheckedResolver(page).resolve("a_.example.com")


async def test_a_host_that_cannot_be_reached_is_refused(site: Site) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    site.port = closed
    assert "cannot be reached" in await refusal(site, "/room")


async def test_a_silent_page_is_given_up_on(site: Site) -> None:
    released = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    site.pages["/room"] = silent
    assert "did not answer" in await refusal(site, "/room", deadline_seconds=0.3)
    released.set()


async def test_a_name_that_resolves_to_a_private_address_is_never_connected_to(site: Site) -> None:
    site.pages["/room"] = says(200)
    page = ParsedUrl(f"http://localhost:{site.port}/room", "http", "localhost", site.port, None, private_allowed=False)
    with pytest.raises(ServiceError) as caught:
        await check_page(page, Urls())
    assert "private address" in caught.value.message
    assert site.asked == []
