"""The corpus on the wire: a store in memory, one bucket client, one decoder for all looks of a test."""

from collections.abc import AsyncIterator

import pytest
from aiobotocore.session import AioSession
from corpus_bench import Bench, open_bench
from corpus_decoder import Answers


@pytest.fixture(scope="session")
def boto() -> AioSession:
    return AioSession()


@pytest.fixture(scope="session")
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def bench(boto: AioSession, answers: Answers) -> AsyncIterator[Bench]:
    async with open_bench(boto, answers) as opened:
        yield opened
