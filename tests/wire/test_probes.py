"""What a probe meets is a line with a reason that a person understands; what comes after it is tried all the same."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.buckets.s3 import S3Bucket
from service.errors import Unavailable
from service.probes import probe, reason_of
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
    given = {"deployment": "test", "apps": {"main": app}, "storage": {"first": store, "second": store}}
    return Settings.model_validate(given | changes)


async def tried(tmp_path: Path, given: Settings) -> dict[str, str | None]:
    return {one.what: one.problem async for one in probe(given, f"sqlite:///{tmp_path}/x.db")}


async def test_whatever_is_away_is_named_and_the_rest_is_tried(tmp_path: Path) -> None:
    given = settings()
    found = await tried(tmp_path, given)
    assert len(found) == 6
    assert found.pop("database") is None
    for what, problem in found.items():
        assert problem is not None, what
        assert problem.startswith("cannot connect to 127.0.0.1:"), problem
        assert problem.endswith(": Connection refused"), problem


@pytest.mark.parametrize(("place", "said"), [("none/x.db", "does not exist: create it"), ("", "is a folder")])
async def test_a_place_where_no_database_can_be_is_named(tmp_path: Path, place: str, said: str) -> None:
    given = Settings.model_validate({"deployment": "test"})
    (found,) = [one async for one in probe(given, f"sqlite:///{tmp_path}/{place}")]
    assert found.problem is not None
    assert said in found.problem


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
    assert len(found) == 6, "the others are tried"
    for name in ("first", "second"):
        problem = found[f"storage {name}: write keys may write"]
        assert problem is not None
        assert error.__name__ in problem
        assert "please report it" in problem
        assert "CANARY" not in problem


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
