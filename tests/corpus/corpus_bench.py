"""What judges the corpus: a store on the wire, and one decoder for all looks."""

import copy
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer
from corpus_recordings import Made
from corpus_store import Store

from service.buckets import Keys
from service.buckets.s3 import S3Bucket
from service.media.expectation import Expectation
from service.recording import Location
from service.report import Level, Report
from service.verifier import judge_recording
from service.verifier.decoder import Decoder, Decoders

Answer = tuple[dict[str, Any], bytes]
REMEMBERED = 4000
ASKED_AGAIN = 100


class Answers(OrderedDict[bytes, Answer]):
    """What decoders answered, by what they were asked; the last that fit."""

    def keep(self, asked: bytes, answer: Answer) -> None:
        self[asked] = answer
        while len(self) > REMEMBERED:
            self.popitem(last=False)


class Remembering(Decoder):
    """A decoder that is asked only once about the same bytes: most slices of most recordings here are those of the
    recordings before. Every hundredth answer that is remembered is asked for again, and must be the same."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers
        self._reused = 0

    async def run(self, job: str, content: bytes, *, seconds: float = 0.0, keep: bool = False, **asked: Any) -> Answer:
        if job == "whole" and not (asked["begins"] and asked["ends"]):
            return await super().run(job, content, seconds=seconds, keep=keep, **asked)
        question = hashlib.blake2b(repr((job, asked)).encode()).digest()
        key = hashlib.blake2b(content, digest_size=16, key=question).digest()
        known = self._answers.get(key)
        self._reused += known is not None
        if known is not None and self._reused % ASKED_AGAIN:
            self._answers.move_to_end(key)
            return copy.deepcopy(known)
        answer = await super().run(job, content, seconds=seconds, keep=keep, **asked)
        answer = copy.deepcopy(answer)
        assert known in (None, answer), f"the same bytes were decoded in two ways: {job}"
        self._answers.keep(key, answer)
        return answer


class OneDecoder(Decoders):
    """The same child for every look: starting one costs more than most looks do."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(1)
        self._decoder = decoder

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Decoder]:
        yield self._decoder


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
