"""What judges the corpus: a store on the wire, and one decoder for all looks."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from corpus_recordings import Made
from corpus_store import Store

from service.buckets.s3 import S3Bucket
from service.media.expectation import Expectation
from service.report import Level, Report
from service.verifier import judge_recording
from service.verifier.decoder import Decoder, Decoders


class OneDecoder(Decoders):
    """The same child for every look: starting one costs more than most looks do."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
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
