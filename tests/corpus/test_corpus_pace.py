"""Whole recordings are read no faster than the settings say, and a decoder is another's while reading rests."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from corpus_bench import Bench
from corpus_recordings import straight

from service.report import Level, Verdict
from service.verifier import judge_recording
from service.verifier.decoder import Decoders
from service.verifier.pace import Pace


@asynccontextmanager
async def decoders_are_all_taken(decoders: Decoders) -> AsyncIterator[None]:
    """Assert that nobody else gets one."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), decoders.one():
            pass
    yield


async def judge(bench: Bench, level: Level, pace: Pace) -> tuple[float, int]:
    """How long it took, and how many bytes were read."""
    made = straight(12)
    bench.store.hold(made.objects())
    began = time.monotonic()
    report = await judge_recording(
        bench.bucket, made.expected(), level, seed=1, now_fn=lambda: 0.0, decoders=Decoders(2), pace=pace
    )
    assert (report.verdict, report.level) == (Verdict.VERIFIED, level)
    return time.monotonic() - began, report.bytes_read


@pytest.mark.parametrize("level", [Level.BYTES, Level.FULL])
async def test_every_byte_is_read_at_the_pace_that_was_set(bench: Bench, level: Level) -> None:
    size = sum(map(len, straight(12).objects().values()))
    rate = round(size / 4)
    took, _ = await judge(bench, level, Pace(rate, ahead_seconds=0.1))
    # The last slices may be read ahead of their time.
    assert took > 3


async def test_levels_that_do_not_read_everything_have_no_pace(bench: Bench) -> None:
    took, read = await judge(bench, Level.CONTENT, Pace(1, ahead_seconds=0.1))
    assert read > 1000
    assert took < read / 100


def test_reading_may_run_ahead_for_a_while_and_then_rests_until_it_is_on_time() -> None:
    now = 0.0
    pace = Pace(1000, ahead_seconds=10, now=lambda: now)
    pace.took(10_000)
    assert pace.due_seconds() == 0
    pace.took(1000)
    assert pace.due_seconds() == 11
    now = 11.0
    assert pace.due_seconds() == 0
    now = 1000.0
    pace.took(10_500)
    assert pace.due_seconds() == 10.5  # what was not read before is not made up for


def test_without_a_pace_reading_never_rests() -> None:
    pace = Pace()
    pace.took(1 << 60)
    assert pace.due_seconds() == 0


async def test_another_decodes_while_one_rests() -> None:
    decoders = Decoders(1)
    async with decoders.one() as first:
        resting = asyncio.ensure_future(first.rest(0.2))
        async with asyncio.timeout(0.1), decoders.one():
            pass
        await resting
        async with decoders_are_all_taken(decoders):
            pass
    async with asyncio.timeout(0.1), decoders.one(), decoders_are_all_taken(decoders):
        pass


async def test_who_is_stopped_while_resting_leaves_as_many_turns_as_before() -> None:
    decoders = Decoders(1)

    async def work() -> None:
        async with decoders.one() as decoder:
            await decoder.rest(60)

    working = asyncio.ensure_future(work())
    await asyncio.sleep(0.05)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    async with asyncio.timeout(0.1), decoders.one(), decoders_are_all_taken(decoders):
        pass
