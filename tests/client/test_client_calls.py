"""A call is repeated where that is safe and nowhere else, and what became of it is never guessed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from described_service import SCHEMAS, example, listening
from pagereel_client import (
    BadAnswer,
    Client,
    Conflict,
    InternalProblem,
    Limited,
    NotFound,
    PagereelError,
    Patience,
    UnknownOutcome,
    Unreachable,
    WaitedTooLong,
)
from pagereel_client.errors import problem_of

TOKEN = "prl_CANARY"
QUICK = Patience(call_seconds=20, total_seconds=20, first_pause_seconds=0.01, longest_pause_seconds=0.05)
# For what is never answered; a slow machine has to answer the repetition in that time.
SHORT = replace(QUICK, call_seconds=3)
RECORDING = {**example(SCHEMAS["RecordingView"]), "id": "rec_1", "state": "recording"}
ANSWERS = {
    "/notifications/": example(SCHEMAS["NoticeView"]),
    "/redrive": example(SCHEMAS["RedrivenView"]),
    "/endpoints/": example(SCHEMAS["EndpointView"]),
}

Answer = int | str
Act = Callable[[Client], Awaitable[Any]]
REPEATABLE: dict[str, Act] = {
    "start": lambda api: api.start("https://x.example.org/"),
    "read": lambda api: api.read("rec_1"),
    "change": lambda api: api.change("rec_1", labels={}),
    "set_rtmp": lambda api: api.set_rtmp("rec_1", "rtmp://x.example.org/y"),
    "stop": lambda api: api.stop("rec_1"),
}
ONCE: dict[str, Act] = {
    "pause": lambda api: api.pause("rec_1"),
    "resume": lambda api: api.resume("rec_1"),
    "verify": lambda api: api.verify("rec_1"),
    "redrive": lambda api: api.redrive(),
    "replay": lambda api: api.replay_notification(1),
    "enable": lambda api: api.enable_endpoint("crm"),
}
BROKEN: list[Answer] = ["reset", "gateway", 500]


@dataclass
class Scripted:
    """Gives its `answers` one after the other, then success: a problem's status, or `reset`, `hang`, `gateway`."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    retry_after: str = "0"
    keys: list[str | None] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.keys.append(request.headers.get("Idempotency-Key"))
        answer = self.answers.pop(0) if self.answers else 200
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
        if answer == "hang":
            await self.closing.wait()
        if isinstance(answer, str):
            return web.Response(status=502, text="<html>")
        if answer < 300:
            return web.json_response(
                next((shown for part, shown in ANSWERS.items() if part in request.path), RECORDING)
            )
        code = {404: "not_found", 409: "conflict", 429: "limited", 500: "internal", 503: "unavailable"}[answer]
        problem = {**example(SCHEMAS["Problem"]), "status": answer, "code": code, "state": "verified"}
        return web.json_response(problem, status=answer, headers={"Retry-After": self.retry_after})


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    service = Scripted()
    async with listening(service.answer) as service.url:
        yield service
        service.closing.set()


@pytest.fixture
async def api(scripted: Scripted) -> AsyncIterator[Client]:
    async with Client(scripted.url, TOKEN, patience=QUICK) as opened:
        yield opened


async def test_a_stop_waits_for_no_other_call(scripted: Scripted) -> None:
    """However many wait for their recordings: it needs no place among them."""
    scripted.answers = ["hang"] * 130
    async with Client(scripted.url, TOKEN, patience=Patience(first_pause_seconds=0.01)) as api:
        waiting = [asyncio.create_task(api.read("rec_1")) for _ in range(130)]
        while len(scripted.keys) < 130:
            await asyncio.sleep(0.01)
        assert (await asyncio.wait_for(api.stop("rec_1"), 4)).id
        for one in waiting:
            one.cancel()


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", REPEATABLE)
async def test_what_may_be_done_twice_is_repeated(scripted: Scripted, api: Client, name: str, broken: Answer) -> None:
    scripted.answers = [broken]
    await REPEATABLE[name](api)
    assert len(scripted.keys) == 2


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", ONCE)
async def test_what_must_not_be_done_twice_is_sent_once_where_nobody_knows(
    scripted: Scripted, api: Client, name: str, broken: Answer
) -> None:
    scripted.answers = [broken]
    with pytest.raises(InternalProblem if broken == 500 else UnknownOutcome):
        await ONCE[name](api)
    assert len(scripted.keys) == 1


async def test_what_is_never_answered_is_repeated_where_that_is_safe() -> None:
    async def hung(act: Act) -> tuple[int, bool]:
        service, unknown = Scripted(answers=["hang"]), False
        async with listening(service.answer) as url, Client(url, TOKEN, patience=SHORT) as api:
            try:
                await act(api)
            except UnknownOutcome:
                unknown = True
            service.closing.set()
        return len(service.keys), unknown

    assert set(await asyncio.gather(*map(hung, REPEATABLE.values()))) == {(2, False)}
    assert set(await asyncio.gather(*map(hung, ONCE.values()))) == {(1, True)}


@pytest.mark.parametrize("refused", [429, 503])
@pytest.mark.parametrize("name", [*REPEATABLE, *ONCE])
async def test_what_surely_was_not_done_is_repeated(
    scripted: Scripted, api: Client, name: str, refused: Answer
) -> None:
    scripted.answers = [refused]
    await (REPEATABLE | ONCE)[name](api)
    assert len(scripted.keys) == 2


async def test_a_start_is_repeated_under_one_key_and_the_next_has_another(scripted: Scripted, api: Client) -> None:
    scripted.answers = ["reset"]
    await api.start("https://x.example.org/")
    await api.start("https://x.example.org/")
    await api.start("https://x.example.org/", idempotency_key="lesson-42")
    await api.start("https://x.example.org/", idempotency_key="")
    first, again, second, own, empty = scripted.keys
    assert first == again != second
    assert own == "lesson-42"
    assert empty == "", "the service refuses it; a key of another's making would start a second recording"


async def test_a_pause_longer_than_the_callers_patience_is_not_waited_for(scripted: Scripted, api: Client) -> None:
    scripted.answers, scripted.retry_after = [429], "30"
    with pytest.raises(Limited) as raised:
        await api.read("rec_1")
    assert raised.value.retry_after_seconds == 30
    assert len(scripted.keys) == 1


async def test_trying_ends(scripted: Scripted) -> None:
    scripted.answers = ["gateway"] * 10_000
    async with Client(scripted.url, TOKEN, patience=Patience(total_seconds=2, first_pause_seconds=0.01)) as api:
        with pytest.raises(UnknownOutcome):
            await api.read("rec_1")
    assert len(scripted.keys) > 1
    assert scripted.answers


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (409, Conflict)])
async def test_a_no_is_a_no(scripted: Scripted, api: Client, status: int, error: type[PagereelError]) -> None:
    scripted.answers = [status]
    with pytest.raises(error):
        await api.stop("rec_1")
    assert len(scripted.keys) == 1


async def test_where_nobody_listens_nothing_happened(scripted: Scripted, unused_tcp_port: int) -> None:
    patience = Patience(total_seconds=0.05, first_pause_seconds=0.01)
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", TOKEN, patience=patience) as api:
        with pytest.raises(Unreachable):
            await api.pause("rec_1")


async def test_a_service_that_never_answered_is_an_error_soon_which_names_host_and_cause(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    patience = Patience(total_seconds=600, first_seconds=0.5, first_pause_seconds=0.01)
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with Client(url, TOKEN, patience=patience) as api:
        with pytest.raises(Unreachable) as raised:
            await asyncio.wait_for(api.read("rec_1"), 60)
    assert str(raised.value) == f"{url} cannot be reached: Connection refused"
    assert f"{url} cannot be reached: Connection refused; trying again for " in caplog.text, "it is not silent"


async def test_the_first_patience_is_no_longer_than_the_whole(unused_tcp_port: int) -> None:
    patience = Patience(total_seconds=0, first_seconds=600)
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", TOKEN, patience=patience) as api:
        with pytest.raises(Unreachable):
            await asyncio.wait_for(api.read("rec_1"), 60)


async def test_a_service_that_restarts_is_waited_for() -> None:
    service = Scripted()
    patience = replace(QUICK, first_seconds=0, total_seconds=60)
    async with listening(service.answer) as url, Client(url, TOKEN, patience=patience) as api:
        await api.read("rec_1")
        service.answers = [503, 503, 503]
        await api.read("rec_1")
    assert len(service.keys) == 5


async def test_a_host_without_an_address_is_named() -> None:
    patience = Patience(total_seconds=0)
    async with Client("http://nowhere.invalid:8080", TOKEN, patience=patience) as api:
        with pytest.raises(Unreachable, match=r"^http://nowhere\.invalid:8080 cannot be reached: \S"):
            await api.read("rec_1")


async def test_an_unknown_outcome_names_host_call_and_cause(scripted: Scripted) -> None:
    scripted.answers = ["reset"]
    async with Client(scripted.url, TOKEN, patience=QUICK) as api:
        with pytest.raises(UnknownOutcome) as raised:
            await api.pause("rec_1")
    said = str(raised.value)
    assert said.startswith(f"{scripted.url}: POST /v1/recordings/rec_1/pause: the connection broke (")
    scripted.answers = ["hang"]
    async with Client(scripted.url, TOKEN, patience=replace(QUICK, call_seconds=0.5)) as api:
        with pytest.raises(UnknownOutcome, match=r"rec_1/pause: no answer within 0\.5 s$"):
            await api.pause("rec_1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://me:CANARY@127.0.0.1",
        "http://127.0.0.1/?token=CANARY",
    ],
)
async def test_what_can_be_no_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the service's URL ") as raised:
        Client(url, TOKEN)
    assert "CANARY" not in str(raised.value)


def test_a_wrong_field_is_named_once() -> None:
    wrong = [{"pointer": "/stop_at", "message": "is in the past"}, {"pointer": "/a", "message": "is unknown"}]
    for detail, told in (
        ("/stop_at: is in the past", "/stop_at: is in the past; /a: is unknown ("),
        ("Not valid: /stop_at is in the past; /a is unknown.", "Not valid: /stop_at is in the past; /a is unknown. ("),
    ):
        problem = {**example(SCHEMAS["Problem"]), "code": "invalid", "detail": detail, "errors": wrong}
        assert told in str(problem_of(422, problem, None, "http://127.0.0.1"))


async def test_a_redirect_gets_no_token(scripted: Scripted) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(scripted.url)

    async with listening(elsewhere) as url, Client(url, TOKEN, patience=QUICK) as api:
        with pytest.raises(BadAnswer):
            await api.read("rec_1")
    assert scripted.keys == []


async def test_who_answers_like_somebody_else_is_said_so() -> None:
    async def stranger(request: web.Request) -> web.Response:
        return web.Response(text="<html>", status=200 if request.path.endswith("rec_1") else 404)

    async with listening(stranger) as url, Client(url, TOKEN, patience=QUICK) as api:
        for act in (api.read("rec_1"), api.read("rec_2")):
            with pytest.raises(BadAnswer):
                await act


@pytest.mark.parametrize("status", [501, 502])
async def test_an_error_of_somebody_else_is_repeated_no_longer_than_the_first_patience(status: int) -> None:
    """A wrong URL often leads to a proxy: it answers, and the service never has."""

    async def proxy(_: web.Request) -> web.Response:
        return web.Response(text="<html>", status=status)

    patience = Patience(total_seconds=600, first_seconds=0.5, first_pause_seconds=0.01)
    async with listening(proxy) as url, Client(url, TOKEN, patience=patience) as api:
        with pytest.raises(UnknownOutcome) as raised:
            await asyncio.wait_for(api.read("rec_1"), 60)
    assert str(raised.value) == f"{url} answered with HTTP {status}, and the answer is not one of Pagereel"


async def test_a_name_from_outside_stays_one_part_of_the_path() -> None:
    paths: list[str] = []

    async def note(request: web.Request) -> web.Response:
        paths.append(request.raw_path)
        return web.json_response(RECORDING)

    async with listening(note) as url, Client(url, TOKEN) as api:
        await api.read("../../metrics?x=1")
    assert paths == ["/v1/recordings/..%2F..%2Fmetrics%3Fx=1"] or paths == ["/v1/recordings/..%2F..%2Fmetrics%3Fx%3D1"]


async def test_the_token_is_nowhere_to_be_seen(scripted: Scripted, api: Client, unused_tcp_port: int) -> None:
    scripted.answers = [404]
    with pytest.raises(NotFound) as refused:
        await api.read("rec_1")
    other = Client(f"http://127.0.0.1:{unused_tcp_port}", TOKEN, patience=Patience(total_seconds=0))
    with pytest.raises(Unreachable) as unreached:
        await other.read("rec_1")
    await other.close()
    shown = [repr(api), repr(vars(api)), str(refused.value), repr(refused.value), repr(unreached.value)]
    assert not any("CANARY" in text for text in shown)


def test_a_token_file_counts_before_a_token_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("prl_of_the_file\n")
    monkeypatch.setenv("PAGEREEL_TOKEN", "prl_of_the_variable")
    monkeypatch.setenv("PAGEREEL_TOKEN_FILE", str(tmp_path / "token"))
    assert Client.read_environment()[1] == "prl_of_the_file"
    monkeypatch.setenv("PAGEREEL_TOKEN_FILE", "")
    assert Client.read_environment()[1] == "prl_of_the_variable"


@pytest.mark.parametrize("token", ["", "prl_two\nlines", "prl_schlüssel", "word"])
async def test_what_can_be_no_token_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match=r"^the token "):
        Client("http://127.0.0.1", token)


async def test_a_session_of_the_callers_own_stays_open(scripted: Scripted) -> None:
    async with aiohttp.ClientSession() as http:
        async with Client(scripted.url, TOKEN, http=http) as api:
            await api.read("rec_1")
        assert not http.closed


async def test_a_naive_instant_is_refused(scripted: Scripted, api: Client) -> None:
    from datetime import datetime

    with pytest.raises(ValueError, match="offset"):
        await api.change("rec_1", stop_at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
    assert scripted.keys == []


async def test_waiting_ends_with_what_was_last_seen(scripted: Scripted, api: Client) -> None:
    with pytest.raises(WaitedTooLong, match="rec_1 is still recording") as raised:
        await api.wait("rec_1", seconds=0.05, every_seconds=0.01)
    assert raised.value.recording.id == "rec_1"
    assert (await api.wait("rec_1", ["recording"], seconds=0)).state == "recording"


async def test_the_feed_goes_on_where_it_was_and_gives_no_empty_page() -> None:
    pages = [([], "a"), ([1, 2], "b"), ([], "b"), ([3], "c")]
    asked: list[str | None] = []

    async def feed(request: web.Request) -> web.Response:
        asked.append(request.query.get("after"))
        items, following = pages[len(asked) - 1]
        event = example(SCHEMAS["EventView"])
        return web.json_response({"items": [{**event, "id": f"msg_{each}"} for each in items], "next": following})

    seen: list[tuple[list[str], str]] = []
    async with listening(feed) as url, Client(url, TOKEN) as api:
        async for page in api.events("start"):
            seen.append(([event.id for event in page.items], page.next))
            if page.next == "c":
                break
    assert seen == [(["msg_1", "msg_2"], "b"), (["msg_3"], "c")]
    assert asked == ["start", "a", "b", "b"]


async def test_a_list_is_fetched_page_by_page_and_no_further_than_wanted() -> None:
    asked: list[dict[str, str]] = []

    async def listing(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        begin = int(request.query.get("cursor", "0"))
        count = min(int(request.query["limit"]), 200)
        items = [{**RECORDING, "id": f"rec_{number}"} for number in range(begin, min(begin + count, 450))]
        following = str(begin + count) if begin + count < 450 else None
        return web.Response(text=json.dumps({"items": items, "next": following}))

    async with listening(listing) as url, Client(url, TOKEN) as api:
        assert [each.id async for each in api.recordings()] == [f"rec_{number}" for number in range(450)]
        assert len([each async for each in api.recordings(limit=201)]) == 201
    assert [each["limit"] for each in asked] == ["200", "200", "200", "200", "1"]
