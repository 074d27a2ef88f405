"""Good recordings of every dialect have no error, at every level."""

import pytest
from corpus_bench import Bench
from corpus_recordings import GOOD

from service.report import Level, Severity, Verdict


@pytest.mark.parametrize("level", [Level.STRUCTURE, Level.CONTENT])
async def test_good_recordings_are_verified(bench: Bench, level: Level) -> None:
    for name in GOOD:
        await verify(bench, name, level)


@pytest.mark.proof
@pytest.mark.parametrize("name", GOOD)
async def test_a_good_recording_is_verified_by_every_byte(bench: Bench, name: str) -> None:
    await verify(bench, name, Level.FULL)


async def verify(bench: Bench, name: str, level: Level) -> None:
    report = await bench.judge(GOOD[name](), level)
    errors = [(one.code, one.text) for one in report.findings if one.severity is Severity.ERROR]
    assert (name, errors, report.verdict, report.level) == (name, [], Verdict.VERIFIED, level)
