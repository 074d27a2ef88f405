import asyncio

import pytest
from scripted_agora import ScriptedAgora

from service.agora import AgoraClient, LocalBudget, Rate, open_sender
from service.settings import App


@pytest.fixture
async def agora():
    async with ScriptedAgora() as server:
        yield server


@pytest.fixture
async def second():
    async with ScriptedAgora() as server:
        yield server


@pytest.fixture
async def send():
    async with open_sender() as sender:
        yield sender
    await asyncio.sleep(0)


@pytest.fixture
def make_client(send):
    def make(*base_urls, take=None, now=None, limits=None, **fields):
        app = App(app_id="app1", customer_id="cust", customer_secret="canary-secret", base_urls=base_urls, **fields)
        clock = {} if now is None else {"now": now}
        return AgoraClient(app, send, take or LocalBudget(Rate(1000, 100)).take, **clock, **(limits or {}))

    return make
