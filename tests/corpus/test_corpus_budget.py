"""What a look costs, counted on the wire, for one recorded hour; and that a month is judged in bounded memory."""

import os
import re
import time
from pathlib import Path

import pytest
from corpus_bench import Bench
from corpus_media import Part, Shape, Slice, mp4_of, slice_of
from corpus_recordings import BEGIN, Made

from service.report import Level, Severity, Verdict
from service.verifier.decoder import Decoders

HOUR = Shape(seconds=16)
COUNT = 225
SCALE = float(os.environ.get("PROOF_SCALE", "1"))
# Two kilobytes for each slice: its listing, its line, its line of the manifest, its head. And buffers.
MOST_BYTES = 50_000_000
MOST_BYTES_PER_HOUR = 450_000
STUFFING = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 2500


def hour(kind: str = "page") -> Made:
    """An hour at about half a megabyte a slice: the size comes from packets of stuffing in the middle."""
    rows = []
    for number in range(COUNT):
        content = slice_of(HOUR, kind, number)
        middle = len(content) // 376 * 188
        rows.append(
            Slice(BEGIN + number * 16, 16.0, content[:middle] + STUFFING + content[middle:], marked=number in (80, 160))
        )
    return Made([Part(rows, mp4s=[mp4_of(HOUR, (kind,) * COUNT)])], HOUR)


def resident(what: str) -> int:
    """Bytes of memory that this process holds (VmRSS) or held at most (VmHWM)."""
    (found,) = re.findall(rf"^{what}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found) * 1024


async def test_an_hour_is_judged_within_its_budget(bench: Bench) -> None:
    made = hour()
    for level, requests, size in ((Level.STRUCTURE, 75, 1_000_000), (Level.CONTENT, 135, 9_000_000)):
        report = await bench.judge(made, level)
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
    assert report.verdict is Verdict.DEFECTIVE
    assert bench.store.requests <= 135
    assert bench.store.bytes_sent <= 9_000_000


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
    """720 hours, 162,000 slices: the tables that say what is in them, and stuffing."""
    hours = max(72, round(720 * SCALE))
    content = slice_of(HOUR, "page", 0)[: 3 * 188] + STUFFING[: 40 * 188]
    rows = [Slice(BEGIN + number * 16, 16.0, content) for number in range(hours * COUNT)]
    made = Made([Part(rows)], HOUR, hours=hours)
    bench.store.hold(made.objects())
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    report = await bench.judge(made, Level.STRUCTURE)
    peak = resident("VmHWM") - before
    assert report.verdict is Verdict.VERIFIED
    assert [one.code for one in report.findings if one.severity is Severity.ERROR] == []
    print(f"{hours} hours: peak {peak / 1e6:.0f} MB, {report.requests} requests, {report.cpu_seconds} s")
    assert peak < MOST_BYTES + hours * MOST_BYTES_PER_HOUR
