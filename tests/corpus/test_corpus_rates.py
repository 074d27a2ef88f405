"""The table of find rates in the documentation holds every mutation; `make find-rates` measures it."""

import os
import re

import pytest
from corpus_bench import Bench
from corpus_mutations import MUTATIONS
from corpus_table import DOCUMENT, TABLE, heading
from find_rates import hour
from test_corpus_mutations import names

from service.report import Level

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
SEEDS = max(1, round(20 * SCALE))


@pytest.mark.proof
async def test_by_samples_what_lasts_three_minutes_is_found_wherever_it_lies_in_an_hour(bench: Bench) -> None:
    for name, mutation in MUTATIONS.items():
        if mutation.seen is Level.CONTENT:
            for seed in range(SEEDS if SCALE >= 0.25 else 1):
                report = await bench.judge(hour(mutation, seed), Level.CONTENT, seed * 31)
                assert names(report, mutation), (name, seed)


def documented() -> list[list[str]]:
    found = TABLE.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None
    lines = found[0].strip().split("\n")
    assert lines[:2] == heading()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_mutation_has_its_row_in_the_documentation() -> None:
    assert [cells[:2] for cells in documented()] == [
        [name, ", ".join(f"`{code}`" for code in mutation.codes)] for name, mutation in MUTATIONS.items()
    ]


def test_the_documentation_says_always_from_the_level_on_that_promises_it() -> None:
    for cells in documented():
        seen = MUTATIONS[cells[0]].seen
        for level, said in zip(Level, cells[2:], strict=True):
            assert (said == "always") is level.reaches(seen), (cells[0], level)
            assert said in ("always", "–") or re.fullmatch(r"\d+ of \d+", said), (cells[0], level)
