"""What stands before the callback listener: the nginx file of deploy/ in a real nginx, and the addresses it lets in."""

import asyncio
import datetime
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from house import House, eventually, signed, toml

from emulator.app import close
from pagereel.cli import main
from service.settings import Callbacks
from tests.ports import free_port

CONFIG = Path(__file__).parents[2] / "deploy/nginx/callbacks.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
BODY = '{"noticeId":"n-é-1","productId":3,"eventType":4,"notifyMs":1735689999000,"payload":{"cname":"x"}}'.encode()


def _certificate(place: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (place / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (place / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@asynccontextmanager
async def proxied(place: Path, callbacks: str, sources: str) -> AsyncIterator[str]:
    """The file of deploy/ in a real nginx before a callback listener; yields its https address."""
    port = free_port()
    _certificate(place)
    (place / "agora-sources.conf").write_text(sources)
    text = CONFIG.read_text()
    for old, new in (
        ("127.0.0.1:8081", callbacks.removeprefix("http://")),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("    listen [::]:443 ssl;\n", ""),
        ("/etc/ssl/pagereel/", f"{place}/"),
        ("/etc/nginx/agora-sources.conf;", f"{place}/agora-sources.conf;"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    async with _nginx(place, text, port):
        yield f"https://127.0.0.1:{port}"


@asynccontextmanager
async def _nginx(place: Path, text: str, port: int) -> AsyncIterator[None]:
    """A real nginx whose `http` section is `text`, once it listens on `port`."""
    assert NGINX is not None
    paths = "".join(
        f"{kind}_temp_path {place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;\n"
        f"events {{}}\nhttp {{ {paths}\n{text}\n}}\n"
    )
    server = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(place), "-c", "nginx.conf", "-e", f"{place}/error.log"
    )
    try:
        await eventually(lambda: _open(port), 10)
        yield
    finally:
        server.kill()
        await server.wait()


async def _open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.skipif(NGINX is None, reason="needs the Debian package nginx")
async def test_the_proxy_passes_a_notification_byte_for_byte_and_nothing_else(house: House, tmp_path: Path) -> None:
    place = tmp_path / "proxy"
    place.mkdir()
    context = ssl.create_default_context(cafile=None)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with (
        proxied(place, house.callbacks, "allow 127.0.0.1;\ndeny all;\n") as proxy,
        aiohttp.ClientSession(connector=connector) as http,
    ):

        async def status(method: str, path: str, body: bytes = b"") -> int:
            async with http.request(method, proxy + path, data=body, headers=signed(body)) as answer:
                await answer.read()
                return answer.status

        notices = "/agora/main/notifications"
        assert await status("POST", notices, BODY) == 200
        assert await house.rows("SELECT count(*) FROM notifications") == [(1,)]
        assert await status("POST", notices, b'{"x":"' + b"y" * Callbacks().max_body_bytes + b'"}') == 413
        assert await status("GET", notices) == 403
        assert await status("POST", "/v1/recordings", b"{}") == 404
        assert await status("GET", "/metrics") == 404
    place = tmp_path / "strangers"
    place.mkdir()
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with (
        proxied(place, house.callbacks, "allow 192.0.2.7;\ndeny all;\n") as proxy,
        aiohttp.ClientSession(connector=connector) as http,
        http.post(proxy + "/agora/main/notifications", data=BODY, headers=signed(BODY)) as answer,
    ):
        assert answer.status == 403


@pytest.mark.skipif(NGINX is None, reason="needs the Debian package nginx")
@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_a_shadow_hears_the_same_and_the_old_receiver_notices_nothing(
    house: House, tmp_path: Path, away: bool
) -> None:
    """The block of docs/migration.md. `away`: Pagereel is not there."""
    heard: list[tuple[bytes, str]] = []

    async def old_receiver(request: web.Request) -> web.Response:
        heard.append((await request.read(), request.headers["Agora-Signature-V2"]))
        return web.Response(text="mine")

    place, port = tmp_path / "shadow", free_port()
    place.mkdir()
    app = web.Application()
    app.router.add_post("/your/agora/hook", old_receiver)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (block,) = re.findall(r"```nginx\n(.*?)```", (CONFIG.parents[2] / "docs/migration.md").read_text(), re.DOTALL)
    callbacks = f"127.0.0.1:{free_port()}" if away else house.callbacks.removeprefix("http://")
    block = block.replace("your_receiver", f"127.0.0.1:{runner.addresses[0][1]}").replace("127.0.0.1:8081", callbacks)
    async with _nginx(place, f"server {{ listen 127.0.0.1:{port}; {block} }}", port):
        url = f"http://127.0.0.1:{port}/your/agora/hook"
        async with house.http.post(url, data=BODY, headers=signed(BODY)) as answer:
            assert (answer.status, await answer.text()) == (200, "mine")
        if not away:
            kept = partial(house.rows, "SELECT outcome FROM notifications")
            await eventually(lambda: _is(kept, [("foreign",)]), 20)
    await close(runner)
    assert heard == [(BODY, signed(BODY)["Agora-Signature-V2"])]


async def _is(ask: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await ask() == wanted


async def test_agoras_addresses_are_printed_as_nginx_wants_them(house: House, tmp_path: Path) -> None:
    path = tmp_path / "addresses.toml"
    app = {"app_id": "id-main", "customer_id": "customer-main", "customer_secret": "customer-secret-main"}
    path.write_text(
        toml({"deployment": "test", "apps": {"main": {**app, "ncs_secrets": ["x"], "base_urls": [house.emulator]}}})
    )

    async def printed(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, main, ["-c", str(path), "ncs-ips", *words])
        return done.exit_code, done.output

    assert await printed() == (0, "127.0.0.1\n")
    assert await printed("--format", "nginx") == (0, "allow 127.0.0.1;\ndeny all;\n")
    assert await printed("--format", "json") == (0, '["127.0.0.1"]\n')
    status, said = await printed("--app", "other")
    assert status == 2
    assert re.search("no app 'other'", said)


def test_the_proxy_takes_what_the_service_takes() -> None:
    limits = re.findall(r"client_(?:max_body|body_buffer)_size +(\d+)k;", CONFIG.read_text())
    assert [int(each) * 1024 for each in limits] == [Callbacks().max_body_bytes] * 2
