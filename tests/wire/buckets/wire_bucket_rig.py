"""Words shared by the tests of buckets."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from emulator.s3_server import S3Server
from service.buckets.s3 import S3Bucket
from tests.store_proxy import StoreProxy

BUCKET = "wire-bucket"

Opens = Callable[..., S3Bucket]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Scripted = Callable[[Answer], Awaitable[str]]


@asynccontextmanager
async def proxy_to(weed: S3Server, folder: str, files: Mapping[str, bytes]) -> AsyncIterator[StoreProxy]:
    """Write files into a folder of the store and open a proxy to that store."""
    client = weed.client()
    for name, body in files.items():
        client.put_object(Bucket=BUCKET, Key=folder + name, Body=body)
    client.close()
    async with StoreProxy(weed.endpoint) as proxy:
        yield proxy
