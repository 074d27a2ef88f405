"""The corpus on the wire: a store in memory, one bucket client, one decoder for all looks of a test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer
from corpus_bench import Answers, Bench, OneDecoder, Remembering
from corpus_store import Store

from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.recording import Location


@pytest.fixture(scope="session")
def boto() -> AioSession:
    return AioSession()


@pytest.fixture(scope="session")
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def bench(boto: AioSession, answers: Answers) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        store = Store()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", store.answer)
        server = await stack.enter_async_context(TestServer(app))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        endpoint = str(server.make_url("/")).rstrip("/")
        place = Location(11, 0, "corpus", endpoint, True, ("rec01",))
        bucket = await stack.enter_async_context(S3Bucket(place, Keys("a", "b"), http=http, session=boto))
        decoder = await stack.enter_async_context(Remembering(answers))
        yield Bench(store, bucket, OneDecoder(decoder))
