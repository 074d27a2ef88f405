"""Each limit of the decoder ends in "no answer", never in an answer about the media; and the next job gets a child."""

import asyncio
import os
import signal

import pytest
from decoder_made import cut, decode

from service.verifier.decoding.process import Decoder, DecoderFailed


async def sampled(decoder: Decoder) -> dict[str, object]:
    return (await decoder.run("sample", cut()[0], cut=False, sets=""))[0]


async def test_too_little_memory_to_begin_is_no_answer() -> None:
    async with Decoder(memory_bytes=20 * 1024 * 1024) as decoder:
        with pytest.raises(DecoderFailed):
            await sampled(decoder)


async def test_memory_that_ends_while_it_decodes_is_no_answer() -> None:
    """Every amount either suffices for the right answer or gives none."""
    async with Decoder() as plenty:
        right = [{**one} for one in await decode(plenty, cut(size="640x360"))]
    failed = 0
    for megabytes in (200, 260, 320, 400, 1024):
        async with Decoder(memory_bytes=megabytes * 1024 * 1024) as decoder:
            try:
                assert await decode(decoder, cut(size="640x360")) == right, megabytes
            except DecoderFailed:
                failed += 1
    assert 0 < failed < 5


async def test_cpu_that_is_used_up_is_no_answer() -> None:
    async with Decoder(cpu_seconds=1) as decoder:
        with pytest.raises(DecoderFailed):
            await decode(decoder, cut(size="640x360") * 50)


async def test_time_that_is_used_up_is_no_answer() -> None:
    async with Decoder(job_seconds=0.01) as decoder:
        with pytest.raises(DecoderFailed):
            await sampled(decoder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_a_child_that_is_killed_between_jobs_is_replaced(number: signal.Signals) -> None:
    async with Decoder() as decoder:
        assert (await sampled(decoder))["width"] == 160
        assert decoder._process is not None
        os.kill(decoder._process.pid, number)
        await decoder._process.wait()
        with pytest.raises(DecoderFailed):
            await sampled(decoder)
        assert (await sampled(decoder))["width"] == 160


async def test_a_child_that_is_killed_at_work_is_no_answer() -> None:
    async with Decoder() as decoder:
        await sampled(decoder)
        assert decoder._process is not None
        work = asyncio.ensure_future(
            decoder.run(
                "whole",
                cut(size="640x360")[0],
                seconds=4,
                known=[],
                sets="",
                begins=True,
                ends=True,
                context=False,
                units=False,
            )
        )
        await asyncio.sleep(0)
        decoder._process.kill()
        with pytest.raises(DecoderFailed):
            await work
        assert (await sampled(decoder))["width"] == 160


async def test_a_job_that_nobody_waits_for_any_more_answers_no_other() -> None:
    async with Decoder() as decoder:
        await sampled(decoder)
        work = asyncio.ensure_future(decode(decoder, cut(size="640x360")))
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (await sampled(decoder))["width"] == 160


async def test_more_pictures_than_are_decoded_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself, in this process: a child takes no change of it."""
    from service.decoder import streams
    from service.media.ts.packets import read_packets
    from service.media.ts.slices import read_whole

    monkeypatch.setattr(streams, "MOST_FRAMES", 50)
    scanned = read_packets(cut()[0])
    with pytest.raises(streams.TooMuch):
        streams.Player().decode(cut()[0], scanned, read_whole(scanned), b"", ends=True)


async def test_a_job_that_makes_no_sense_is_no_answer() -> None:
    async with Decoder() as decoder:
        with pytest.raises(DecoderFailed):
            await decoder.run("sheet", b"not pictures", most_bytes=1000)
        with pytest.raises(DecoderFailed):
            await decoder.run("no such job", b"")
        assert (await sampled(decoder))["width"] == 160
