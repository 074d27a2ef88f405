"""Every mutation is found at the level that promises it, wherever its seed places it."""

import os
from random import Random

import pytest
from corpus_bench import Bench
from corpus_mutations import MUTATIONS, Mutation
from corpus_recordings import Made

from service.report import Level, Report, Verdict

WEIGHTS = {"note": 0, "warning": 1, "error": 2}
SEEDS = max(2, round(20 * float(os.environ.get("PROOF_SCALE", "1"))))


def damaged(mutation: Mutation, seed: int, count: int) -> Made:
    made = mutation.made(count).copy()
    mutation.damage(made, Random(seed))
    return made


def names(report: Report, mutation: Mutation) -> bool:
    found = {one.code for one in report.findings if WEIGHTS[one.severity] >= WEIGHTS[mutation.severity]}
    return bool(found & set(mutation.codes))


# One test a level: a decoder lives as long as a test, and starting one costs more than most looks.
@pytest.mark.parametrize(
    "level",
    [
        Level.LISTING,
        Level.STRUCTURE,
        pytest.param(Level.CONTENT, marks=pytest.mark.proof),
        pytest.param(Level.FULL, marks=pytest.mark.proof),
    ],
)
async def test_every_mutation_is_found_at_its_level(bench: Bench, level: Level) -> None:
    missed = {}
    for name, mutation in MUTATIONS.items():
        if mutation.seen is level:
            report = await bench.judge(damaged(mutation, 7, 27 if "3 minutes" in name else 8), level)
            if not names(report, mutation) or (mutation.severity == "error" and report.verdict is Verdict.VERIFIED):
                missed[name] = [(one.code, one.severity, one.text) for one in report.findings]
    assert missed == {}


@pytest.mark.proof
@pytest.mark.parametrize("name", MUTATIONS)
async def test_by_every_byte_a_mutation_is_found_wherever_it_lies(bench: Bench, name: str) -> None:
    mutation = MUTATIONS[name]
    for seed in range(SEEDS):
        report = await bench.judge(damaged(mutation, seed, 27), Level.FULL, seed)
        assert names(report, mutation), (seed, [(one.code, one.severity, one.text) for one in report.findings])
