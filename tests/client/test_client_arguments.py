"""A wrong argument is an error that names it, before anything is sent; a client can be made before its loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from described_service import SCHEMAS, example, listening
from pagereel_client import Client, ConfigurationError, PagereelError, Patience, SyncClient

TOKEN = "prl_CANARY"
NOWHERE = "http://127.0.0.1:9"
RECORDING = {**example(SCHEMAS["RecordingView"]), "id": "rec_1", "state": "verified"}
NAIVE = datetime(2026, 11, 30)  # noqa: DTZ001 - that is the point

Use = Callable[[Any], Any]
# What is asked, the argument that the error names, and the kind of error.
WRONG: dict[str, tuple[Use, str, type[Exception]]] = {
    "states of a list": (lambda api: api.recordings(states="verified"), "states", TypeError),
    "states of a wait": (lambda api: api.wait("rec_1", "verified"), "states", TypeError),
    "an unknown state of a wait": (lambda api: api.wait("rec_1", ["recordng"]), "states", ValueError),
    "states as bytes": (lambda api: api.recordings(states=b"verified"), "states", TypeError),
    "states as number": (lambda api: api.recordings(states=5), "states", TypeError),
    "states with a number": (lambda api: api.recordings(states=["verified", 5]), "states", TypeError),
    "states with None": (lambda api: api.recordings(states=[None]), "states", TypeError),
    "messages": (lambda api: api.redrive(messages="msg_1"), "messages", TypeError),
    "notify": (lambda api: api.start("https://x.test/", notify="crm"), "notify", TypeError),
    "notify of record": (lambda api: api.record("https://x.test/", 5, notify="crm"), "notify", TypeError),
    "kinds of file": (lambda api: api.start("https://x.test/", av_file_type="mp4"), "av_file_type", TypeError),
    "labels of a list": (lambda api: api.recordings(labels="lesson"), "labels", TypeError),
    "labels of a start": (lambda api: api.start("https://x.test/", labels=["lesson"]), "labels", TypeError),
    "labels of a change": (lambda api: api.change("rec_1", labels="lesson"), "labels", TypeError),
    "seconds as text": (lambda api: api.record("https://x.test/", "5"), "for_seconds", TypeError),
    "seconds as truth": (lambda api: api.record("https://x.test/", True), "for_seconds", TypeError),
    "no seconds": (lambda api: api.record("https://x.test/", 0), "for_seconds", ValueError),
    "no number": (lambda api: api.record("https://x.test/", float("nan")), "for_seconds", ValueError),
    "patience": (lambda api: api.record("https://x.test/", 5, patience_seconds="5"), "patience_seconds", TypeError),
    "seconds of a wait": (lambda api: api.wait("rec_1", seconds="5"), "seconds", TypeError),
    "pause of a wait": (lambda api: api.wait("rec_1", every_seconds="5"), "every_seconds", TypeError),
    "wait of a start": (lambda api: api.start("https://x.test/", wait_seconds="5"), "wait_seconds", TypeError),
    "wait for events": (lambda api: api.events_page(wait_seconds="5"), "wait_seconds", TypeError),
    "start as text": (lambda api: api.record("https://x.test/", 5, start_at="9:00"), "start_at", TypeError),
    "naive start": (lambda api: api.record("https://x.test/", 5, start_at=NAIVE), "start_at", ValueError),
    "naive stop": (lambda api: api.change("rec_1", stop_at=NAIVE), "stop_at", ValueError),
    "a recording for its id": (lambda api: api.read(RECORDING), "recording_id", TypeError),
    "no id": (lambda api: api.stop(None), "recording_id", TypeError),
    "an empty id": (lambda api: api.stop(""), "recording_id", ValueError),
    "no URL": (lambda api: api.start(None), "url", TypeError),
    "name of an endpoint": (lambda api: api.enable_endpoint(5), "name", TypeError),
}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if request.path != "/v1/recordings/rec_1":
            return web.Response(status=404)
        return web.json_response(RECORDING)

    async with listening(answer) as found:
        yield found


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_argument_is_named_before_anything_is_sent(case: str) -> None:
    use, name, kind = WRONG[case]
    async with Client(NOWHERE, TOKEN, patience=Patience(total_seconds=0)) as api:
        with pytest.raises(kind, match=rf"^{name} (must be|needs|is)"):
            await use(api)


@pytest.mark.parametrize("case", WRONG)
def test_the_synchronous_client_names_it_too(case: str) -> None:
    use, name, kind = WRONG[case]
    with (
        SyncClient(NOWHERE, TOKEN, patience=Patience(total_seconds=0)) as api,
        pytest.raises(kind, match=rf"^{name} (must be|needs|is)"),
    ):
        use(api)


def test_a_patience_that_is_no_number_is_named() -> None:
    with pytest.raises(TypeError, match=r"^total_seconds must be a number"):
        Patience(total_seconds="90")  # type: ignore[arg-type]


@pytest.mark.parametrize("client", [Client, SyncClient])
@pytest.mark.parametrize("patience", [5, 0, "5", {}], ids=repr)
def test_what_is_no_patience_is_named_when_the_client_is_made(
    monkeypatch: pytest.MonkeyPatch, client: type[Client] | type[SyncClient], patience: Any
) -> None:
    monkeypatch.setenv("PAGEREEL_TOKEN", TOKEN)
    with pytest.raises(TypeError, match=r"^patience must be a Patience, such as Patience\(first_seconds=3\), not "):
        client(NOWHERE, TOKEN, patience=patience)
    with pytest.raises(TypeError, match=r"^patience must be"):
        client.from_environment(patience=patience)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "//v1//"])
async def test_the_url_may_end_in_the_apis_own_path(url: str, ending: str) -> None:
    async with Client(url + ending, TOKEN) as api:
        assert (await api.read("rec_1")).id == "rec_1"


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "binary", "text"])
@pytest.mark.parametrize("client", [Client, SyncClient])
def test_a_token_file_that_gives_no_token_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, client: type[Client] | type[SyncClient]
) -> None:
    file = tmp_path / "token"
    if kind == "folder":
        file.mkdir()
    elif kind != "missing":
        file.write_bytes({"empty": b"\n", "binary": b"\xff\xfe", "text": b"# A README\n"}[kind])
    monkeypatch.setenv("PAGEREEL_TOKEN_FILE", str(file))
    monkeypatch.setenv("PAGEREEL_TOKEN", "prl_of_the_variable")
    with pytest.raises(ConfigurationError) as refused:
        client.from_environment()
    assert str(refused.value).startswith(f"PAGEREEL_TOKEN_FILE: {file} ")
    assert isinstance(refused.value, PagereelError)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("client", [Client, SyncClient])
def test_a_variable_that_gives_no_token_or_no_url_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, client: type[Client] | type[SyncClient]
) -> None:
    monkeypatch.delenv("PAGEREEL_TOKEN_FILE", raising=False)
    monkeypatch.setenv("PAGEREEL_TOKEN", "CANARY")
    with pytest.raises(ConfigurationError, match=r"^PAGEREEL_TOKEN is no API token: a token looks like prl_…$"):
        client.from_environment()
    with pytest.raises(ConfigurationError, match=r"^the token is no API token: a token looks like prl_…$"):
        client("http://127.0.0.1", "CANARY")
    monkeypatch.setenv("PAGEREEL_TOKEN", TOKEN)
    monkeypatch.setenv("PAGEREEL_URL", "CANARY")
    with pytest.raises(ConfigurationError, match=r"^PAGEREEL_URL needs http:// or https:// and a host$"):
        client.from_environment()


async def test_a_client_can_be_made_before_its_loop_runs(url: str) -> None:
    made = await asyncio.to_thread(Client, url, TOKEN)  # a thread without a loop
    async with made:
        assert (await made.read("rec_1")).id == "rec_1"


async def test_another_loop_and_a_closed_client_are_named(url: str) -> None:
    api = Client(url, TOKEN)
    await api.read("rec_1")
    with pytest.raises(RuntimeError, match=r"another event loop .* or use SyncClient"):
        await asyncio.to_thread(lambda: asyncio.run(api.read("rec_1")))
    await api.close()
    with pytest.raises(RuntimeError, match="this client is closed"):
        await api.read("rec_1")
