"""What a probe meets is a line with a reason that a person understands; what comes after it is tried all the same."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pagereel import probes
from pagereel.probes import probe, reason_of
from service.buckets.s3 import S3Bucket
from service.database.engine.database import Database
from service.database.engine.startup import prepare
from service.database.outbox import load_endpoint, save_endpoint
from service.errors import Unavailable
from service.settings import Settings

KEYS = {"access_key": "a", "secret_key": "CANARY"}


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def settings(**changes: Any) -> Settings:
    store = {"vendor": 11, "endpoint": f"http://127.0.0.1:{closed_port()}", "bucket": "b-1", "path_style": True}
    store |= {"write": KEYS, "read": KEYS, "level": "structure"}
    app = {"app_id": "a", "customer_id": "c", "customer_secret": "CANARY", "setup": True}
    app["base_urls"] = [f"http://127.0.0.1:{closed_port()}"]
    listen = {"api": {"port": 0}, "callbacks": {"host": "127.0.0.1", "port": 0}}
    given = {"deployment": "test", **listen, "apps": {"main": app}, "storage": {"first": store, "second": store}}
    return Settings.model_validate(given | changes)


async def tried(tmp_path: Path, given: Settings) -> dict[str, str | None]:
    (tmp_path / "x.db").touch()
    return {one.what: one.problem async for one in probe(given, f"sqlite:///{tmp_path}/x.db")}


async def test_whatever_is_away_is_named_and_the_rest_is_tried(tmp_path: Path) -> None:
    given = settings()
    found = await tried(tmp_path, given)
    assert len(found) == 8
    assert found.pop("database") is None
    for name in ("api", "callbacks"):
        assert found.pop(f"listener {name}") is None
    for what, problem in found.items():
        assert problem is not None, what
        assert problem.startswith("cannot connect to 127.0.0.1:"), problem
        assert problem.endswith(": Connection refused"), problem


async def test_what_takes_an_answer_and_gives_none_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "TRY_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = {"vendor": 11, "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}", "bucket": "b-1"}
        store |= {"write": KEYS, "read": KEYS, "level": "structure", "path_style": True}
        found = await asyncio.wait_for(tried(tmp_path, settings(apps={}, storage={"hung": store})), 20)
    said = "no result within 0.3 s: it does not answer, or very slowly"
    assert [found[f"storage hung: {what}"] for what in ("write keys may write", "read keys may list and read")] == [
        said,
        said,
    ]


@pytest.mark.parametrize(("place", "said"), [("none/x.db", "does not exist: create it"), ("", "is a folder")])
async def test_a_place_where_no_database_can_be_is_named(tmp_path: Path, place: str, said: str) -> None:
    given = settings(apps={}, storage={})
    (found, *_) = [one async for one in probe(given, f"sqlite:///{tmp_path}/{place}")]
    assert found.problem is not None
    assert said in found.problem


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    (found, *_) = [one async for one in probe(settings(apps={}, storage={}), f"sqlite:///{tmp_path}/x.db")]
    assert found.problem is None
    assert "does not exist yet: `pagereel serve` creates it" in found.what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "the connection was closed without an answer"),
        (b"SSH-2.0-x\r\n", "the answer is no valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "the answer broke off"),
        (None, "the connection broke: Connection reset by peer"),
    ],
    ids=["nothing", "no-http", "half", "reset"],
)
async def test_a_connection_that_breaks_is_told_in_words_and_not_by_the_name_of_a_class(
    tmp_path: Path, answer: bytes | None, said: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            opened = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        place = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        given = settings(storage={})
        app = given.apps["main"].model_copy(update={"base_urls": (place,)})
        found = await tried(tmp_path, given.model_copy(update={"apps": {"main": app}}))
    assert (found["Agora, app main: credentials and app ID"] or "").endswith(said)


@pytest.mark.parametrize(
    "error",
    [
        *(aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError(104, "x"), aiohttp.ClientOSError()),
        *(aiohttp.ClientPayloadError("x"), aiohttp.ClientConnectionError(), aiohttp.ServerTimeoutError()),
        *(ConnectionResetError(), BrokenPipeError(32, "x"), TimeoutError(), OSError(), OSError(28, "x")),
        asyncio.IncompleteReadError(b"", 5),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_reason_has_the_name_of_a_class(error: Exception) -> None:
    reason = reason_of(error)
    assert type(error).__name__ not in reason
    assert "Errno" not in reason
    assert " " in reason


async def test_a_name_that_does_not_resolve_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    given = settings()
    away = given.apps["main"].model_copy(update={"base_urls": ("https://api.agora.io",)})
    given = given.model_copy(update={"apps": {"main": away}})
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    found = await tried(tmp_path, given)
    assert found["Agora, app main: credentials and app ID"] == "cannot resolve api.agora.io"


@pytest.mark.parametrize("error", [ValueError, KeyError, AssertionError, OverflowError, RecursionError, MemoryError])
async def test_an_error_that_nobody_expected_is_one_failed_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    async def fail(*_: object) -> None:
        raise error("CANARY")

    monkeypatch.setattr(S3Bucket, "probe_write", fail)
    found = await tried(tmp_path, settings())
    assert len(found) == 8, "the others are tried"
    for name in ("first", "second"):
        problem = found[f"storage {name}: write keys may write"]
        assert problem is not None
        assert error.__name__ in problem
        assert "please report it" in problem
        assert "CANARY" not in problem


@pytest.mark.parametrize("allowed", [True, False], ids=["may write", "only reads"])
async def test_read_keys_that_may_also_write_are_a_warning_and_no_failure(
    tmp_path: Path, aiohttp_server: Any, allowed: bool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "PUT":
            reader = "Credential=reads/" in request.headers["Authorization"]
            return web.Response(status=403 if reader and not allowed else 200)
        return web.Response(text="<ListBucketResult></ListBucketResult>", content_type="application/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = await aiohttp_server(app)
    store = {"vendor": 11, "endpoint": str(server.make_url("")).rstrip("/"), "bucket": "b-1", "path_style": True}
    store |= {"write": KEYS, "read": KEYS | {"access_key": "reads"}, "level": "structure"}
    only_read = {name: value for name, value in store.items() if name != "write"} | {"read_only": True}
    given = settings(apps={}, storage={"first": store, "second": only_read})
    found = {one.what: (one.problem, one.warning) async for one in probe(given, f"sqlite:///{tmp_path}/x.db")}
    storage = {what: told for what, told in found.items() if what.startswith("storage")}
    warning = storage.pop("storage first: read keys may also write", None)
    assert storage == dict.fromkeys(storage, (None, None))
    assert len(storage) == 3
    advice = "Pagereel never writes with them: give it keys that may only list and read"
    assert warning == ((None, advice) if allowed else None)


async def endpoint_tried(tmp_path: Path, url: str) -> str | None:
    """The problem of a lone endpoint at `url`, which has a key in it."""
    rules = {"allow_http_hosts": ["127.0.0.1"], "allow_private_hosts": ["127.0.0.1"]}
    hook = {"url": f"{url}/CANARY?key=CANARY", "secrets": ["whsec_" + "AAAA" * 8], "timeout_seconds": 1}
    given = settings(apps={}, storage={}, endpoints={"crm": hook}, urls=rules)
    found = await tried(tmp_path, given)
    assert len(found) == 4
    problem = found["endpoint crm: answers a HEAD request"]
    assert "CANARY" not in (problem or "")
    return problem


async def test_an_endpoint_that_is_disabled_is_not_tried_and_said_to_be_off(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    async with await Database.open(url) as database:
        await prepare(database, "test", 1000.0)
        await database.run(lambda c: save_endpoint(c, load_endpoint(c, "crm", lock=True)._replace(disabled_at=1000.0)))
    hook = {"url": f"http://127.0.0.1:{closed_port()}/", "secrets": ["whsec_" + "AAAA" * 8]}
    rules = {"allow_http_hosts": ["127.0.0.1"], "allow_private_hosts": ["127.0.0.1"]}
    given = settings(apps={}, storage={}, endpoints={"crm": hook}, urls=rules)
    (found,) = [one async for one in probe(given, url) if one.what.startswith("endpoint")]
    assert (found.problem, found.tried) == (None, False)
    assert found.what.endswith("gets no messages until you enable it: `pagereel endpoints enable crm`")


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, None), (302, None), (401, None), (404, None), (405, None), (500, None), (501, None), (503, "HTTP 503")],
)
async def test_an_endpoint_is_asked_for_nothing_that_a_receiver_takes_for_a_message(
    tmp_path: Path, aiohttp_server: Any, status: int, said: str | None
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, await request.read(), [name for name in request.headers if "webhook" in name]))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = await aiohttp_server(app)
    problem = await endpoint_tried(tmp_path, f"http://127.0.0.1:{server.port}")
    assert (said is None) is (problem is None)
    assert said is None or said in (problem or "")
    assert asked == [("HEAD", b"", [])]


async def test_an_endpoint_that_cannot_be_reached_is_a_line_with_the_reason(tmp_path: Path) -> None:
    port = closed_port()
    assert await endpoint_tried(tmp_path, f"http://127.0.0.1:{port}") == (
        f"cannot connect to 127.0.0.1:{port}: Connection refused"
    )


async def test_an_endpoint_at_a_private_address_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    problem = await endpoint_tried(tmp_path, "https://crm.example.org")
    assert problem is not None
    assert problem.startswith("forbidden_address: docs/messages.md#")


@pytest.mark.parametrize(("answer", "said"), [(b"", "no_answer"), (b"SSH-2.0-x\r\n", "bad_answer"), (None, "timeout")])
async def test_an_endpoint_that_is_no_http_server_is_named(tmp_path: Path, answer: bytes | None, said: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        writer.write(answer or b"")
        writer.close()
        await writer.wait_closed()
        done.set()

    done = asyncio.Event()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        problem = await endpoint_tried(tmp_path, f"http://127.0.0.1:{port}")
        await done.wait()
    assert problem is not None
    assert said in problem


def test_a_reason_is_found_behind_the_errors_that_stand_for_it() -> None:
    inner = aiohttp.ClientConnectorDNSError(_key("api.agora.io"), socket.gaierror(-2, "unknown"))
    error = Unavailable("transport", "not sent: ClientConnectorDNSError")
    error.__cause__ = inner
    assert reason_of(error) == "cannot resolve api.agora.io"
    assert reason_of(Unavailable("capacity", "HTTP 503")) == "capacity: HTTP 503"
    refused = aiohttp.ClientConnectorError(_key("::1"), ConnectionRefusedError(111, "refused"))
    assert reason_of(refused) == "cannot connect to [::1]:443: Connection refused"


def _key(host: str) -> Any:
    return type("Key", (), {"host": host, "port": 443, "is_ssl": True, "ssl": True})()
