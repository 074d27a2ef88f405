"""The two applications on real sockets, with a stand-in behind the door and a clock that stands still."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from handlers_stand_in import NOW, StandIn

from handlers import Limits, build_api, build_callbacks

Client = TestClient[Any, Any]


@pytest.fixture
def operations() -> StandIn:
    return StandIn()


@pytest.fixture
async def api(operations: StandIn, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    limits = Limits(read_seconds=1)
    app = build_api(operations, limits, clock=lambda: NOW)  # type: ignore[arg-type]
    return await aiohttp_client(app, headers={"Authorization": "Bearer all"})


@pytest.fixture
async def callbacks(operations: StandIn, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    limits = Limits(read_seconds=1)
    return await aiohttp_client(build_callbacks(operations, limits))  # type: ignore[arg-type]
