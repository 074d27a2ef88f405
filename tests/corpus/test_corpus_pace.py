"""Whole recordings are read no faster than the settings say, and a decoder is another's while reading rests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from corpus_bench import Bench
from corpus_recordings import straight

from service.report import Level, Verdict
from service.verifier import judge_recording
from service.verifier.decoding.process import Decoders
from service.verifier.pace import Pace


@asynccontextmanager
async def decoders_are_all_taken(decoders: Decoders) -> AsyncIterator[None]:
    """Assert that nobody else gets one."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), decoders.one():
            pass
    yield


class Watched(Pace):
    """A pace of a clock that stands still: notes what was read and how long each rest would be, and rests shortly."""

    def __init__(self) -> None:
        super().__init__(1000, ahead_seconds=0.0, now=lambda: 0.0)
        self.taken = 0
        self.rests: list[float] = []

    def took(self, size_bytes: int) -> None:
        self.taken += size_bytes
        super().took(size_bytes)

    def due_seconds(self) -> float:
        self.rests.append(super().due_seconds())
        return min(self.rests[-1], 0.001)


async def judge(bench: Bench, level: Level) -> tuple[Watched, int]:
    """The pace after a verification, and the size of all media."""
    made, pace = straight(12), Watched()
    objects = made.objects()
    bench.store.hold(objects)
    report = await judge_recording(
        bench.bucket, made.expected(), level, seed=1, now_fn=lambda: 0.0, decoders=Decoders(2), pace=pace
    )
    assert (report.verdict, report.level) == (Verdict.VERIFIED, level)
    return pace, sum(len(content) for key, content in objects.items() if not key.endswith(".m3u8"))


@pytest.mark.parametrize("level", [Level.BYTES, Level.FULL])
async def test_every_byte_is_counted_once_and_rested_for(bench: Bench, level: Level) -> None:
    pace, size = await judge(bench, level)
    assert pace.taken == size
    # Nothing is rested for before the first read, and everything after the last one.
    assert (min(pace.rests), max(pace.rests)) == (0.0, pytest.approx(size / 1000))


async def test_levels_that_do_not_read_everything_have_no_pace(bench: Bench) -> None:
    pace, _ = await judge(bench, Level.CONTENT)
    assert (pace.taken, pace.rests) == (0, [])


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


async def test_a_look_at_every_byte_starts_no_more_decoders_than_may_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting one costs as much CPU as scanning fifty slices."""
    started: list[str] = []
    start = asyncio.create_subprocess_exec

    async def count(*args: Any, **kwargs: Any) -> asyncio.subprocess.Process:
        started.append(args[0])
        return await start(*args, **kwargs)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", count)
    made = straight(12)
    bench.store.hold(made.objects())
    report = await judge_recording(
        bench.bucket, made.expected(), Level.BYTES, seed=1, now_fn=lambda: 0.0, decoders=Decoders(2)
    )
    assert (report.verdict, report.level) == (Verdict.VERIFIED, Level.BYTES)
    assert len(started) <= 2


async def test_looks_that_hold_all_decoders_do_not_wait_for_each_other(bench: Bench) -> None:
    made, decoders = straight(12), Decoders(2)
    bench.store.hold(made.objects())

    async def look(seed: int) -> Verdict:
        expected = made.expected()
        report = await judge_recording(
            bench.bucket, expected, Level.BYTES, seed=seed, now_fn=lambda: 0.0, decoders=decoders
        )
        return report.verdict

    async with asyncio.timeout(50):
        assert await asyncio.gather(*(look(seed) for seed in range(4))) == [Verdict.VERIFIED] * 4


def test_without_a_pace_reading_never_rests() -> None:
    pace = Pace()
    pace.took(1 << 60)
    assert pace.due_seconds() == 0


async def test_another_decodes_while_one_rests() -> None:
    decoders = Decoders(1)
    async with decoders.one() as first:
        resting = asyncio.ensure_future(first.rest(0.2))
        async with asyncio.timeout(20), decoders.one():
            pass
        await resting
        async with decoders_are_all_taken(decoders):
            pass
    async with asyncio.timeout(20), decoders.one(), decoders_are_all_taken(decoders):
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
    async with asyncio.timeout(20), decoders.one(), decoders_are_all_taken(decoders):
        pass
