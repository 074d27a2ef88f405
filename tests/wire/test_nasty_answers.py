"""Whoever is asked may answer anything: each client turns every answer into a value or into an error of its own kind,
and the rules of the lifecycle take whatever came of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import aiohttp
import pytest
from aiobotocore.session import AioSession

from service.agora import AgoraClient, LocalBudget, Rate, open_sender
from service.agora.bodies import StartOrder, Storage, Task
from service.buckets import Bucket, Keys
from service.buckets.azure import AzureBucket
from service.buckets.s3 import S3Bucket
from service.database.documents import decode_recording, encode
from service.delivery.sender import Outcome, Post, send_post
from service.errors import Code, OutsideError, ServiceError
from service.lifecycle import apply, next_step
from service.lifecycle.observations import Acquire, Query, Start, Step, Stop, UpdateOnhold
from service.operations.recordings.secrets import PageSecrets
from service.recording import AttemptState, EndReason, Location, Parameters, State
from service.settings import App, Credentials, Settings, Urls
from service.urls.preflight import check_page
from service.urls.rules import parse_endpoint_url, parse_page_url
from service.verifier import Verifier
from service.worker.overtaking import Task as StepTask
from service.worker.steps import Steps
from tests.database.samples import attempt, recording
from tests.nasty import NASTY_VALUES
from tests.nasty_server import STATUSES, NastyServer

SID = "a" * 32
# Each value as a header, as a body and as both, with several statuses.
ROUNDS = 6 * len(NASTY_VALUES)
RULES = Urls(allow_http_hosts=("127.0.0.1",), allow_private_hosts=("127.0.0.1",))
KEYS = Keys("recaccount", "bm90LWEtcmVhbC1hY2NvdW50LWtleS1vZi1henVyZSE=")
PLACE = Location(11, 0, "rec-bucket", None, True, ("p",))
STEPS: list[Step] = [Acquire(new=False), Start(1), Query(), UpdateOnhold(True), Stop(EndReason.STOPPED)]


@pytest.fixture
async def nasty() -> AsyncIterator[NastyServer]:
    async with NastyServer() as server:
        yield server


async def _all(nasty: NastyServer, ask: Callable[[int], Awaitable[object]], *, rounds: int = ROUNDS) -> None:
    """Ask again and again; whatever is raised but the errors that may be is a failure, named by the answer's number."""
    failed = []
    for number in range(rounds):
        first = nasty.answered
        try:
            await ask(number)
        except OutsideError:
            continue
        except Exception as error:
            failed.append(f"answer {first}: {type(error).__name__}: {error}")
    assert failed == []
    assert nasty.answered >= rounds


async def test_every_call_to_agora_ends_in_a_value_or_an_outside_error(nasty: NastyServer) -> None:
    app = App(app_id="a", customer_id="c", customer_secret="s", base_urls=(nasty.url,))  # type: ignore[arg-type]
    task = Task("r-x", 42, "RID", SID)
    order = StartOrder("https://x.example/", Parameters(), Storage(PLACE, "r/a1/", Credentials("k", "s")), None)
    async with open_sender() as send:
        client = AgoraClient(app, send, LocalBudget(Rate(100_000, 100_000)).take)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: client.acquire("r-x", 42, 1),
            lambda: client.start("r-x", 42, "RID", order),
            lambda: client.query(task),
            lambda: client.update_onhold(task, True),
            lambda: client.stop(task),
            client.ncs_ips,
        ]
        await _all(nasty, lambda number: calls[number % len(calls)]())


async def test_the_rules_take_whatever_agora_answers(nasty: NastyServer) -> None:
    """As the worker has it: the step, what came of it, what that makes of the recording, and its row."""
    store = {"vendor": 11, "endpoint": "http://127.0.0.1:1", "bucket": "b-1", "path_style": True, "level": "listing"}
    store |= {"write": {"access_key": "a", "secret_key": "b"}, "read": {"access_key": "a", "secret_key": "b"}}
    settings = Settings.model_validate({"deployment": "test", "storage": {"archive": store}})
    app = App(app_id="a", customer_id="c", customer_secret="s", base_urls=(nasty.url,))  # type: ignore[arg-type]
    now = 2000.0
    running = attempt(
        1, "test-1", 11, state=AttemptState.RUNNING, sid=SID, resource_id="RID", start_sent_at=1500.0,
        started_at=1500.0, recording_at=1501.0,
    )  # fmt: skip
    before = recording(1, state=State.RECORDING, attempts=(running,))
    sent = replace(running, state=AttemptState.START_SENT, sid=None, started_at=None, recording_at=None, sends=1)
    starting = replace(before, state=State.STARTING, attempts=(sent,))
    async with open_sender() as send:
        client = AgoraClient(app, send, LocalBudget(Rate(100_000, 100_000)).take)
        steps = Steps(settings, {"main": client}, Verifier(_no_bucket), lambda: now)

        async def take(number: int) -> None:
            step = STEPS[number % len(STEPS)]
            one = starting if isinstance(step, Acquire | Start) else before
            page = PageSecrets("https://x.example/")
            observation, _ = await steps.observe(StepTask(one, step, 1, page))
            after = apply(one, observation, now).recording
            assert decode_recording(encode(after)) == after
            next_step(after, now)
            wanted = replace(after, stop_wished_at=now)
            if isinstance(step, Stop) and wanted.retry_at is not None:
                assert wanted.retry_at <= now + 400, "no answer makes a stop wait for long"

        await _all(nasty, take)


def _no_bucket(_: object) -> Bucket:
    raise AssertionError("no bucket is looked at")


@pytest.mark.parametrize("kind", ["s3", "azure"])
async def test_every_request_to_a_store_ends_in_a_value_or_an_outside_error(nasty: NastyServer, kind: str) -> None:
    place = replace(PLACE, endpoint=nasty.url)
    async with aiohttp.ClientSession() as http:
        bucket: Bucket = (
            AzureBucket(replace(place, vendor=5), KEYS, http=http)
            if kind == "azure"
            else S3Bucket(place, KEYS, http=http, session=AioSession())
        )

        async def list_all() -> None:
            async for _ in bucket.list_objects("p/"):
                pass

        calls: list[Callable[[], Awaitable[object]]] = [
            list_all,
            lambda: bucket.fetch("p/a.m3u8", 1000),
            lambda: bucket.fetch("p/a.ts", 1000, span=(0, 9)),
            lambda: bucket.head("p/a.ts"),
            lambda: bucket.probe_read("p/"),
            lambda: bucket.probe_write("p/x"),
        ]
        try:
            await _all(nasty, lambda number: calls[number % len(calls)]())
        finally:
            await bucket.close()


async def test_every_answer_to_a_message_is_an_outcome(nasty: NastyServer) -> None:
    target = parse_endpoint_url(f"{nasty.url}/hook", RULES)

    async def send(_: int) -> None:
        response = await send_post(Post(target, {"Content-Type": "application/json"}, b"{}", 30))
        assert response.outcome in Outcome
        assert response.error != "timeout"
        assert response.retry_after_seconds is None or 0 <= response.retry_after_seconds < 1e9

    await _all(nasty, send, rounds=len(STATUSES) * len(NASTY_VALUES))


async def test_every_answer_of_a_page_lets_it_through_or_is_a_reason(nasty: NastyServer) -> None:
    found = set()

    async def visit(number: int) -> None:
        page = parse_page_url(f"{nasty.url}/{number}", RULES)
        try:
            await check_page(page, RULES, deadline_seconds=30)
        except ServiceError as error:
            found.add((error.code, error.errors[0].pointer))

    await _all(nasty, visit)
    assert found == {(Code.INVALID, "/url")}
