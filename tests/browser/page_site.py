"""A site whose pages keep or break the rules for recorded pages: static files, and what only a server can do wrong."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.app import close

PAGES = Path(__file__).parent / "pages"


async def _bytes(request: web.Request) -> web.Response:
    return web.Response(body=b"x" * int(request.match_info["count"]), headers={"Cache-Control": "no-store"})


async def _sink(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text="thanks")


async def _socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        assert message.type is WSMsgType.BINARY
    return socket


def _held() -> web.Application:
    """A picture that comes when its page says so: the page is loaded only then."""
    app, released = web.Application(), asyncio.Event()

    async def picture(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response(status=204)

    async def release(_: web.Request) -> web.Response:
        released.set()
        return web.Response(status=204)

    app.router.add_get("/", picture)
    app.router.add_post("/", release)
    return app


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["status"]), text="<h1>no</h1>", content_type="text/html")


async def _hop(request: web.Request) -> web.Response:
    raise web.HTTPFound("/clean.html")


async def _hop_to_program(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "example-app:join"})


async def _away(request: web.Request) -> web.Response:
    raise web.HTTPFound(f"http://localhost:{request.url.port}/clean.html")


async def _drips(request: web.Request) -> web.StreamResponse:
    """A page that never ends."""
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b"<p>And more.")
            await asyncio.sleep(0.2)
    return response


def _once() -> web.Application:
    """A page whose token works once."""
    app, used = web.Application(), []

    async def once(request: web.Request) -> web.StreamResponse:
        used.append(request.path)
        return web.FileResponse(PAGES / "clean.html") if len(used) == 1 else web.Response(status=403, text="used up")

    app.router.add_get("/page", once)
    return app


@asynccontextmanager
async def serving_pages(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The site's address."""
    app = web.Application()
    app.router.add_get("/bytes/{count}", _bytes)
    app.router.add_post("/sink", _sink)
    app.router.add_get("/socket", _socket)
    app.router.add_get("/status/{status}", _status)
    app.router.add_get("/hop", _hop)
    app.router.add_get("/away", _away)
    app.router.add_get("/hop_to_program", _hop_to_program)
    app.router.add_get("/drips", _drips)
    app.add_subapp("/once", _once())
    app.add_subapp("/rtc_opens/", _held())
    app.add_subapp("/socket_opens/", _held())
    app.router.add_static("/", PAGES)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await close(runner)


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that no browser trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, plain) + made.public_bytes(serialization.Encoding.PEM)
    (folder / "site.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem")
    return context
