"""Whatever stands at the service's address may answer anything: a call ends in a value or in an error of the client."""

from collections.abc import Awaitable, Callable
from typing import Any

from pagereel_client import Client, PagereelError, Patience

from tests.nasty import NASTY_VALUES
from tests.nasty_server import NastyServer

ONCE = Patience(call_seconds=30, total_seconds=0)


async def _first(items: Any) -> None:
    async for _ in items:
        return


CALLS: list[Callable[[Client], Awaitable[Any]]] = [
    lambda api: api.read("rec_1"),
    lambda api: api.stop("rec_1"),
    lambda api: api.explain("rec_1"),
    lambda api: api.report("rec_1"),
    lambda api: api.playlist("rec_1"),
    lambda api: api.usage(),
    lambda api: api.metrics(),
    lambda api: api.documentation(),
    lambda api: api.openapi(),
    lambda api: api.endpoints(),
    lambda api: api.events_page(),
    lambda api: _first(api.recordings()),
    lambda api: api.ready(),
]


async def test_every_answer_is_a_value_or_an_error_of_the_client() -> None:
    failed = []
    async with NastyServer() as nasty, Client(nasty.url, "prl_CANARY", patience=ONCE) as api:
        for number in range(6 * len(NASTY_VALUES)):
            first = nasty.answered
            try:
                await CALLS[number % len(CALLS)](api)
            except PagereelError:
                continue
            except Exception as error:
                failed.append(f"answer {first} of call {number % len(CALLS)}: {type(error).__name__}: {error}")
    assert failed == []
