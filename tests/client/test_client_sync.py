"""The synchronous client has every method of the asynchronous one, with its types, errors and repetitions."""

import asyncio
import inspect
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from aiohttp import web
from described_service import SCHEMAS, example, listening
from pagereel_client import Client, NotFound, Patience, SyncClient

T = TypeVar("T")
TOKEN = "prl_CANARY"
QUICK = Patience(call_seconds=5, total_seconds=5, first_pause_seconds=0.01, longest_pause_seconds=0.05)
RECORDING = {**example(SCHEMAS["RecordingView"]), "state": "verified"}


async def answer(request: web.Request) -> web.Response:
    if request.path.endswith("/silent"):
        await asyncio.sleep(60)
    if request.path.endswith("/missing"):
        problem = {**example(SCHEMAS["Problem"]), "status": 404, "code": "not_found"}
        return web.json_response(problem, status=404)
    if request.path == "/v1/recordings" and request.method == "GET":
        second = request.query.get("cursor") == "second"
        items = [{**RECORDING, "id": f"rec_{number}"} for number in ((3, 4) if second else (1, 2))]
        return web.json_response({"items": items, "next": None if second else "second"})
    return web.json_response({**RECORDING, "id": request.path.rpartition("/")[2]})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with listening(answer) as found:
        yield found


async def using(url: str, use: Callable[[SyncClient], T]) -> T:
    """What a caller without a loop gets, in a thread of its own."""

    def run() -> T:
        with SyncClient(url, TOKEN, patience=QUICK) as api:
            return use(api)

    return await asyncio.to_thread(run)


def test_every_method_of_the_client_is_there_with_its_signature() -> None:
    own = {"from_environment", "close"}
    methods = {name: each for name, each in inspect.getmembers(Client, inspect.isroutine) if not name.startswith("_")}
    for name in methods.keys() - own:
        assert inspect.signature(getattr(SyncClient, name)) == inspect.signature(methods[name]), name
        assert getattr(SyncClient, name).__doc__ == methods[name].__doc__
        assert not inspect.iscoroutinefunction(getattr(SyncClient, name))
    public = {name for name, _ in inspect.getmembers(SyncClient, inspect.isroutine) if not name.startswith("_")}
    assert public | own == set(methods) | own


async def test_answers_lists_and_refusals_are_those_of_the_client(url: str) -> None:
    def use(api: SyncClient) -> tuple[str, list[str], list[str]]:
        with pytest.raises(NotFound):
            api.read("missing")
        some = [each.id for each, _ in zip(api.recordings(), range(3), strict=False)]
        return api.read("rec_9").id, [each.id for each in api.recordings()], some

    assert await using(url, use) == ("rec_9", ["rec_1", "rec_2", "rec_3", "rec_4"], ["rec_1", "rec_2", "rec_3"])


async def test_threads_share_one_client_and_closing_ends_its_thread(url: str) -> None:
    def use(api: SyncClient) -> list[str]:
        with ThreadPoolExecutor(8) as pool:
            return [each.id for each in pool.map(api.read, [f"rec_{number}" for number in range(40)])]

    assert await using(url, use) == [f"rec_{number}" for number in range(40)]
    assert [thread.name for thread in threading.enumerate() if thread.name == "pagereel-client"] == []


async def test_a_closed_client_stays_closed_and_may_be_closed_twice(url: str) -> None:
    def use(api: SyncClient) -> None:
        begun = api.recordings()
        assert next(begun).id == "rec_1"
        api.close()
        api.close()
        for call in (lambda: api.read("rec_1"), api.recordings, lambda: list(begun)):
            with pytest.raises(RuntimeError, match=r"^this client is closed: make a new one$"):
                call()

    await using(url, use)
    assert [thread.name for thread in threading.enumerate() if thread.name == "pagereel-client"] == []


async def test_closing_ends_the_calls_of_other_threads(url: str) -> None:
    def use(api: SyncClient) -> None:
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(api.read, "silent")
            time.sleep(0.2)  # the call is on its way
            api.close()
            with pytest.raises(RuntimeError, match=r"^this client is closed: make a new one$"):
                reading.result(timeout=2)

    await using(url, use)


@pytest.mark.parametrize("token", ["", "zwölf", "a\nb"], ids=["empty", "not ascii", "two lines"])
def test_what_can_be_no_token_is_refused_and_leaves_no_thread(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        SyncClient("http://127.0.0.1:9", token)
    assert [thread.name for thread in threading.enumerate() if thread.name == "pagereel-client"] == []


FORKED = """
import os, sys
from pagereel_client import SyncClient

api = SyncClient(sys.argv[1], "prl_CANARY")
assert api.read("rec_parent").id == "rec_parent"
child = os.fork()
if child == 0:
    os._exit(0 if api.read("rec_child").id == "rec_child" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert api.read("rec_parent").id == "rec_parent"
"""


async def test_it_goes_on_in_a_process_that_was_forked_later(url: str) -> None:
    def run() -> Any:
        words = [sys.executable, "-W", "ignore", "-c", FORKED, url]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
