"""Buckets on the wire: a real S3 server, and one that answers whatever a test tells it to."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer
from wire_bucket_rig import BUCKET, Answer, Opens

from emulator.s3_server import S3Server
from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.recording import Location
from tests.servers import Rclone


@pytest.fixture(scope="session")
def weed() -> Iterator[S3Server]:
    """A real S3 server with one bucket, which only the writer's keys may write."""
    with S3Server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture(scope="module")
def rclone() -> Iterator[Rclone]:
    """An S3 server of another make, with one bucket."""
    with Rclone() as server:
        (server.data / BUCKET).mkdir()
        yield server


@pytest.fixture
def folder() -> str:
    """A folder of the bucket that no other test uses."""
    return f"p{uuid.uuid4().hex}/"


@pytest.fixture(scope="session")
def boto() -> AioSession:
    return AioSession()


@pytest.fixture
async def opens(boto: AioSession) -> AsyncIterator[Opens]:
    """Makes buckets that share one HTTP session, as the service does."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        def make(
            endpoint: str, keys: Keys, *, bucket: str = BUCKET, path_style: bool = True, **settings: object
        ) -> S3Bucket:
            location = Location(11, 0, bucket, endpoint, path_style, ("rec01",))
            opened = S3Bucket(location, keys, http=http, session=boto, **settings)  # type: ignore[arg-type]
            stack.push_async_callback(opened.close)
            return opened

        yield make


@pytest.fixture
def bucket(weed: S3Server, opens: Opens) -> S3Bucket:
    """The bucket with keys that may write."""
    return opens(weed.endpoint, Keys(weed.access_key, weed.secret_key))


@pytest.fixture
def reader(weed: S3Server, opens: Opens) -> S3Bucket:
    """The bucket with keys that may only read, as verification should have them."""
    return opens(weed.endpoint, Keys(weed.reader_access_key, weed.reader_secret_key))


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[Answer], Awaitable[str]]]:
    """Starts a server that answers every request as the given function does; gives its URL."""
    servers: list[TestServer] = []

    async def start(answer: Answer) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/")).rstrip("/")

    yield start
    for server in servers:
        await server.close()
