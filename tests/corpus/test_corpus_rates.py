"""How often each level finds what it does not promise to find: measured on recordings of an hour, and written into the
documentation by the proof itself."""

import os
import re
from pathlib import Path
from random import Random

import pytest
from corpus_bench import Bench
from corpus_media import Shape
from corpus_mutations import MUTATIONS, Mutation
from corpus_recordings import Made, straight
from test_corpus_mutations import names

from service.report import Level

HOUR = Shape(seconds=16)
COUNT = 225
LEVELS = list(Level)
SCALE = float(os.environ.get("PROOF_SCALE", "1"))
SEEDS = max(1, round(20 * SCALE))
DOCUMENT = Path(__file__).parents[2] / "docs" / "verification.md"
TABLE = re.compile(r"(?<=<!-- find rates -->\n).*?(?=<!-- end -->)", re.DOTALL)


def hour(mutation: Mutation, seed: int) -> Made:
    made = (straight(COUNT, HOUR) if mutation.made is straight else mutation.made(COUNT)).copy()
    mutation.damage(made, Random(seed))
    return made


async def rate(bench: Bench, mutation: Mutation, level: Level) -> str:
    if LEVELS.index(level) >= LEVELS.index(mutation.seen):
        return "always"
    found = 0
    for seed in range(SEEDS):
        found += names(await bench.judge(hour(mutation, seed), level, seed * 31), mutation)
    return f"{found} of {SEEDS}"


@pytest.mark.proof
async def test_find_rates_are_measured_and_written_down(bench: Bench) -> None:
    rows = ["| damage | finding | `listing` | `structure` | `content` | `full` |", "|---|---|---|---|---|---|"]
    measured = list(MUTATIONS.items()) if SCALE >= 0.25 else list(MUTATIONS.items())[::10]
    for name, mutation in measured:
        rates = [await rate(bench, mutation, level) for level in LEVELS]
        print(name, rates, flush=True)
        rows.append(f"| {name} | {', '.join(f'`{code}`' for code in mutation.codes)} | {' | '.join(rates)} |")
    if SCALE >= 0.25:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(TABLE.sub("\n" + "\n".join(rows) + "\n\n", text), encoding="utf-8")


@pytest.mark.proof
async def test_by_samples_what_lasts_three_minutes_is_found_wherever_it_lies_in_an_hour(bench: Bench) -> None:
    for name, mutation in MUTATIONS.items():
        if mutation.seen is Level.CONTENT:
            for seed in range(SEEDS if SCALE >= 0.25 else 1):
                report = await bench.judge(hour(mutation, seed), Level.CONTENT, seed * 31)
                assert names(report, mutation), (name, seed)


def test_every_mutation_has_its_row_in_the_documentation() -> None:
    table = TABLE.search(DOCUMENT.read_text(encoding="utf-8"))
    assert table is not None
    documented = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table[0], re.MULTILINE)[1:]
    assert documented == [
        (name, ", ".join(f"`{code}`" for code in mutation.codes)) for name, mutation in MUTATIONS.items()
    ]
