"""How deep a look goes: as deep as asked, as the awaited lets it, and as what is installed lets it."""

import sys

import pytest
from corpus_bench import Bench
from corpus_recordings import straight

from service.report import Level, Severity, Verdict


async def test_without_the_decoder_a_look_ends_at_structure_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = straight(6)
    monkeypatch.setitem(sys.modules, "av", None)
    report = await bench.judge(made, Level.CONTENT)
    assert (report.verdict, report.level, report.samples, report.pictures) == (
        Verdict.VERIFIED,
        Level.STRUCTURE,
        0,
        None,
    )
    assert [one.code for one in report.findings if one.severity is not Severity.NOTE] == ["decoder_absent"]


async def test_while_something_is_awaited_only_the_listing_is_looked_at(bench: Bench) -> None:
    made = straight(6)
    made.parts[0].slices[3].written = False
    report = await bench.judge(made, Level.CONTENT)
    assert (report.verdict, report.level) == (Verdict.INCOMPLETE, Level.LISTING)
    assert not any(key.endswith(".ts") for key in bench.store.asked)


async def test_the_same_seed_takes_the_same_samples(bench: Bench) -> None:
    asked = []
    for seed in (5, 5, 6):
        report = await bench.judge(straight(60, mp4=False), Level.CONTENT, seed)
        assert report.seed == seed
        asked.append(bench.store.asked)
    assert asked[0] == asked[1] != asked[2]
