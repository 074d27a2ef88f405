"""Words shared by the tests of buckets."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from service.buckets.s3 import S3Bucket

BUCKET = "wire-bucket"

Opens = Callable[..., S3Bucket]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Scripted = Callable[[Answer], Awaitable[str]]
