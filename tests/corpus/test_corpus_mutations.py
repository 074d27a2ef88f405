"""Every mutation is found at the level that promises it, wherever its seed places it, and a deeper level never says
better of the same bytes."""

import os
from itertools import pairwise
from random import Random

import pytest
from corpus_bench import Bench
from corpus_mutations import MUTATIONS, Mutation
from corpus_recordings import Made

from service.report import Level, Report, Severity, Verdict

WEIGHTS = {"note": 0, "warning": 1, "error": 2}
SCALE = float(os.environ.get("PROOF_SCALE", "1"))
SEEDS = max(2, round(20 * SCALE))


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
        Level.BYTES,
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


@pytest.mark.proof
@pytest.mark.parametrize(
    "name", [name for name, one in MUTATIONS.items() if one.seen in (Level.STRUCTURE, Level.BYTES)]
)
async def test_a_mutation_is_found_at_its_level_wherever_it_lies(bench: Bench, name: str) -> None:
    mutation = MUTATIONS[name]
    for seed in range(SEEDS):
        report = await bench.judge(damaged(mutation, seed, 27), mutation.seen, seed)
        assert names(report, mutation), (seed, [(one.code, one.severity, one.text) for one in report.findings])


async def assert_monotone(bench: Bench, made: Made, seed: int, name: str) -> None:
    """A level that calls these bytes verified is joined in that by every level below it, and finds no less."""
    objects = made.objects()
    reports = [await bench.judge_objects(objects, made.expected(), level, seed) for level in Level]
    for lower, higher in pairwise(reports):
        if higher.verdict is Verdict.VERIFIED:
            assert lower.verdict is Verdict.VERIFIED, (name, seed, lower.level, higher.level)
            assert (lower.level, higher.level) == (lower.wanted_level, higher.wanted_level), (name, seed)
        if Severity.ERROR in {one.severity for one in lower.findings}:
            assert Severity.ERROR in {one.severity for one in higher.findings}, (name, seed, lower.level)


async def test_a_deeper_level_never_says_better_of_the_same_bytes(bench: Bench) -> None:
    for name, mutation in list(MUTATIONS.items())[::4]:
        await assert_monotone(bench, damaged(mutation, 5, 6), 5, name)


@pytest.mark.proof
@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_deeper_level_never_says_better_wherever_damage_lies_and_whatever_joins_it(
    bench: Bench, name: str
) -> None:
    others = [one for one in MUTATIONS.values() if one.made is MUTATIONS[name].made]
    for seed in range(SEEDS):
        made = damaged(MUTATIONS[name], seed, 12 if "3 minutes" not in name else 27)
        await assert_monotone(bench, made.copy(), seed, name)
        dice = Random(seed)
        try:
            dice.choice(others).damage(made, dice)
        except (AssertionError, IndexError, ValueError):
            continue  # what the first one took away the second one cannot damage
        await assert_monotone(bench, made, seed, f"{name} and another")
