"""What judges the corpus: a store on the wire, and one decoder for all looks."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer
from corpus_decoder import Answers, OneDecoder, Remembering
from corpus_recordings import Made
from corpus_store import Store

from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.media.expectation import Expectation
from service.recording import Location
from service.report import Level, Report
from service.verifier import judge_recording
from service.verifier.decoding.process import Decoders


@dataclass
class Bench:
    """Judges what is made."""

    store: Store
    bucket: S3Bucket
    decoders: Decoders

    async def judge(self, made: Made, level: Level, seed: int = 1) -> Report:
        """Judge a recording as it was made."""
        return await self.judge_objects(made.objects(), made.expected(), level, seed, made.refused)

    async def judge_objects(
        self, objects: dict[str, bytes], expected: Expectation, level: Level, seed: int, refused: Iterable[str] = ()
    ) -> Report:
        """Judge whatever lies there."""
        self.store.hold(objects, dict.fromkeys(refused, 403))
        return await judge_recording(
            self.bucket, expected, level, seed=seed, now_fn=lambda: 0.0, decoders=self.decoders
        )


@asynccontextmanager
async def open_bench(boto: AioSession, answers: Answers) -> AsyncIterator[Bench]:
    """A store on the wire, a client of it, and a decoder."""
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
