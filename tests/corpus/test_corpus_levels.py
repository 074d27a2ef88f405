"""How deep a look goes: as deep as asked, as the awaited lets it, and as what is installed lets it."""

import sys

import pytest
from corpus_bench import Bench, OneDecoder
from corpus_media import slice_of
from corpus_recordings import straight

from service.report import Level, Report, Severity, Verdict
from service.verifier.decoding.process import Decoder

DECODING = pytest.mark.parametrize("level", [Level.CONTENT, Level.BYTES, Level.FULL])


def errors(report: Report) -> set[str]:
    return {one.code for one in report.findings if one.severity is Severity.ERROR}


@DECODING
async def test_without_the_decoder_a_look_ends_at_structure_and_is_never_verified(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, level: Level
) -> None:
    made = straight(6)
    monkeypatch.setitem(sys.modules, "av", None)
    report = await bench.judge(made, level)
    assert (report.verdict, report.level, report.wanted_level) == (Verdict.UNREACHABLE, Level.STRUCTURE, level)
    assert (report.samples, report.pictures) == (0, None)
    assert errors(report) == {"decoder_absent"}
    assert (await bench.judge(made, Level.STRUCTURE)).verdict is Verdict.VERIFIED


LIMITS = {
    "no memory": {"memory_bytes": 20 * 1024 * 1024},
    "no time": {"job_seconds": 0.001},
    "no CPU": {"cpu_seconds": 0},
}


class Killed(Decoder):
    """A decoder whose child is killed in the middle of every job."""

    async def _child(self) -> object:  # type: ignore[override]
        process = await super()._child()
        process.kill()
        return process


@DECODING
@pytest.mark.parametrize("limit", [*LIMITS, "killed"])
async def test_a_look_that_a_limit_of_the_decoder_cuts_short_is_never_verified(
    bench: Bench, level: Level, limit: str
) -> None:
    async with Killed() if limit == "killed" else Decoder(**LIMITS[limit]) as decoder:  # type: ignore[arg-type]
        bench.decoders = OneDecoder(decoder)
        report = await bench.judge(straight(4), level)
    assert (report.verdict, report.level) == (Verdict.UNREACHABLE, Level.STRUCTURE)
    assert errors(report) == {"decoder_gave_up"}


async def test_a_slice_that_is_too_large_to_be_read_is_never_verified(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.verifier import everything, structure

    made = straight(4, mp4=False)
    # Its beginning is damaged, so all of it would have to be read.
    content = bytearray(made.parts[0].slices[2].content)
    content[10 * 188] = 0
    made.parts[0].slices[2].content = bytes(content)
    limit = len(slice_of(made.shape, "page", 2)) - 1000
    monkeypatch.setattr(structure, "MOST_SLICE_BYTES", limit)
    monkeypatch.setattr(everything, "MOST_SLICE_BYTES", limit)
    for level in (Level.STRUCTURE, Level.CONTENT, Level.BYTES, Level.FULL):
        report = await bench.judge(made, level)
        assert (report.verdict, "object_unread" in errors(report)) == (Verdict.UNREACHABLE, True), level
        assert report.level is Level.LISTING, level


async def test_what_was_damaged_stays_defective_though_the_decoder_gave_up(bench: Bench) -> None:
    made = straight(4)
    made.parts[0].slices[3].content = bytes(len(made.parts[0].slices[3].content))
    bench.decoders = OneDecoder(Decoder(memory_bytes=20 * 1024 * 1024))
    assert (await bench.judge(made, Level.CONTENT)).verdict is Verdict.DEFECTIVE


async def test_while_something_is_awaited_only_the_listing_is_looked_at(bench: Bench) -> None:
    made = straight(6)
    made.parts[0].slices[3].written = False
    report = await bench.judge(made, Level.CONTENT)
    assert (report.verdict, report.level) == (Verdict.INCOMPLETE, Level.LISTING)
    assert not any(key.endswith(".ts") for key in bench.store.asked)


async def test_the_same_seed_takes_the_same_samples(bench: Bench) -> None:
    read = []
    for seed in (5, 5, 600):
        report = await bench.judge(straight(60, mp4=False), Level.CONTENT, seed)
        assert report.seed == seed
        read.append(sorted(bench.store.ranges))
    assert read[0] == read[1] != read[2]
