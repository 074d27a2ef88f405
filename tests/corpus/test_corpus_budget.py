"""What a look costs, counted on the wire, for one recorded hour; and that a month is judged in bounded memory."""

import os
import re
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from corpus_bench import Bench
from corpus_media import Part, Shape, Slice, mp4_of, slice_of
from corpus_recordings import BEGIN, Made

from service.report import Level, Verdict
from service.verifier.decoding.process import Decoders

HOUR = Shape(seconds=16)
COUNT = 225
SCALE = float(os.environ.get("PROOF_SCALE", "1"))
# Two kilobytes for each slice: its listing, its line, its line of the manifest, its head. And buffers.
MOST_BYTES = 50_000_000
MOST_BYTES_PER_HOUR = 450_000
STUFFING = b"\x47\x1f\xff\x10" + b"\xff" * 184
# What an hour may cost at so many bits a second: requests and bytes, by level.
BUDGETS = {
    340_000: {Level.STRUCTURE: (520, 12_000_000), Level.CONTENT: (580, 20_000_000)},
    2_000_000: {Level.STRUCTURE: (520, 20_000_000), Level.CONTENT: (580, 28_000_000)},
}


BUSY = Shape(640, 384, 15, seconds=16, kbps=2000)


def busy_hour() -> Made:
    """An hour at two megabits a second."""
    rows = [Slice(BEGIN + number * 16, 16.0, slice_of(BUSY, "busy", number)) for number in range(COUNT)]
    return Made([Part(rows, mp4s=[mp4_of(BUSY, ("busy",) * COUNT)])], BUSY)


def hour(kind: str = "page", bits: int = 340_000) -> Made:
    """An hour at so many bits a second: the size comes from packets of stuffing among the others."""
    rows = []
    for number in range(COUNT):
        content = stuffed(slice_of(HOUR, kind, number), bits * 16 // 8)
        rows.append(Slice(BEGIN + number * 16, 16.0, content, marked=number in (80, 160)))
    return Made([Part(rows, mp4s=[mp4_of(HOUR, (kind,) * COUNT)])], HOUR)


@cache
def stuffed(content: bytes, size: int) -> bytes:
    """A slice of about this size: the packets behind its first picture are farther apart, everywhere in it."""
    rows, begun = len(content) // 188, 20
    more = size // 188 - rows
    places = [begun + (rows - begun) * number // more for number in range(more)] if more > 0 else []
    return np.insert(
        np.frombuffer(content, np.uint8).reshape(rows, 188), places, np.frombuffer(STUFFING, np.uint8), axis=0
    ).tobytes()


def resident(what: str) -> int:
    """Bytes of memory that this process holds (VmRSS) or held at most (VmHWM)."""
    (found,) = re.findall(rf"^{what}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found) * 1024


@pytest.mark.parametrize("bits", [340_000, pytest.param(2_000_000, marks=pytest.mark.proof)])
async def test_an_hour_is_judged_within_its_budget(bench: Bench, bits: int) -> None:
    made = hour() if bits < 2_000_000 else busy_hour()
    for level, (requests, size) in BUDGETS[bits].items():
        report = await bench.judge(made, level)
        print(f"{bits} bit/s, {level}: {report.requests} requests, {report.bytes_read / 1e6:.1f} MB")
        assert (report.verdict, report.level) == (Verdict.VERIFIED, level)
        assert (report.requests, report.bytes_read) == (bench.store.requests, bench.store.bytes_sent)
        assert bench.store.requests <= requests
        assert bench.store.bytes_sent <= size
    assert report.samples >= 24
    assert report.pictures is not None
    assert len(report.pictures.poster) + len(report.pictures.sheet) <= 150_000


@pytest.mark.proof
async def test_bad_samples_are_followed_within_the_budget(bench: Bench) -> None:
    """Black and page in turns: every sample is an edge of something."""
    made = hour()
    for number in range(0, COUNT, 2):
        made.parts[0].slices[number].content = slice_of(HOUR, "black", number)
    report = await bench.judge(made, Level.CONTENT)
    requests, size = BUDGETS[340_000][Level.CONTENT]
    assert report.verdict is Verdict.DEFECTIVE
    assert bench.store.requests <= requests
    assert bench.store.bytes_sent <= size


@pytest.mark.proof
async def test_an_hour_takes_seconds(bench: Bench) -> None:
    made = hour()
    bench.decoders = Decoders()  # each look decodes anew
    for level, seconds in ((Level.STRUCTURE, 1.0), (Level.CONTENT, 5.0)):
        took = []
        for _ in range(3):
            began = time.perf_counter()
            await bench.judge(made, level)
            took.append(time.perf_counter() - began)
        print(f"{level}: {min(took):.2f} s")
        assert min(took) <= seconds


@pytest.mark.proof
async def test_a_month_is_judged_in_bounded_memory(bench: Bench) -> None:
    """720 hours, 162,000 slices, each of them damaged: the tables that say what is in them, and stuffing."""
    hours = max(72, round(720 * SCALE))
    content = slice_of(HOUR, "page", 0)[: 3 * 188] + STUFFING * 40
    rows = [Slice(BEGIN + number * 16, 16.0, content) for number in range(hours * COUNT)]
    made = Made([Part(rows)], HOUR, hours=hours)
    bench.store.hold(made.objects())
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    report = await bench.judge(made, Level.STRUCTURE)
    peak = resident("VmHWM") - before
    assert report.verdict is Verdict.DEFECTIVE
    assert report.coverage is not None
    assert report.coverage.unexplained_seconds == pytest.approx(hours * COUNT * 16.0, abs=1.0)
    print(f"{hours} hours: peak {peak / 1e6:.0f} MB, {report.requests} requests, {report.cpu_seconds} s")
    assert peak < MOST_BYTES + hours * MOST_BYTES_PER_HOUR
