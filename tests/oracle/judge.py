"""Pagereel's own verdicts: the verifier looks into a bucket on the wire, at every level."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.media.expectation import Expectation
from service.recording import Location
from service.report import Level, Report
from service.verifier import judge_recording
from service.verifier.decoding.process import Decoders
from tests.corpus.corpus_decoder import Answers, OneDecoder, Remembering
from tests.corpus.corpus_store import Store

# What the decoder answered in this process: most slices of a damaged recording are those of the untouched one.
_ANSWERS = Answers()


class Judge:
    """Judges whatever lies there."""

    def __init__(self, store: Store, bucket: S3Bucket, decoders: Decoders) -> None:
        self._store = store
        self._bucket = bucket
        self._decoders = decoders

    async def reports(
        self, objects: Mapping[str, bytes], expected: Expectation, seed: int, levels: Iterable[Level] = Level
    ) -> dict[Level, Report]:
        """One report at each level, all of the same bytes and the same seed."""
        self._store.hold(objects)
        return {
            level: await judge_recording(
                self._bucket, expected, level, seed=seed, now_fn=lambda: 0.0, decoders=self._decoders
            )
            for level in levels
        }


@asynccontextmanager
async def open_judge() -> AsyncIterator[Judge]:
    """A store on loopback, and a judge that reads it."""
    async with AsyncExitStack() as stack:
        store = Store()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", store.answer)
        server = await stack.enter_async_context(TestServer(app))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        place = Location(11, 0, "oracle", str(server.make_url("/")).rstrip("/"), True, ("rec01",))
        bucket = await stack.enter_async_context(S3Bucket(place, Keys("a", "b"), http=http, session=AioSession()))
        decoder = await stack.enter_async_context(Remembering(_ANSWERS))
        yield Judge(store, bucket, OneDecoder(decoder))
