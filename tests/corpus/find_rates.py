"""Measures how often each level finds what it does not promise to find, in recordings of an hour, and writes the table
into the documentation. Run by `make find-rates`; takes half an hour."""

import asyncio
import sys
from random import Random

from aiobotocore.session import AioSession
from corpus_bench import Bench, open_bench
from corpus_decoder import Answers
from corpus_media import Shape
from corpus_mutations import MUTATIONS, Mutation
from corpus_recordings import Made, straight
from corpus_table import DOCUMENT, TABLE, heading, row
from test_corpus_mutations import names

from service.report import Level

HOUR = Shape(seconds=16)
COUNT = 225
SEEDS = 20


def hour(mutation: Mutation, seed: int) -> Made:
    """A damaged recording of an hour."""
    made = (straight(COUNT, HOUR) if mutation.made is straight else mutation.made(COUNT)).copy()
    mutation.damage(made, Random(seed))
    return made


async def rate(bench: Bench, mutation: Mutation, level: Level, seeds: int) -> str:
    """How often a level finds a mutation, in words."""
    if level.reaches(mutation.seen):
        return "always"
    found = 0
    for seed in range(seeds):
        found += names(await bench.judge(hour(mutation, seed), level, seed * 31), mutation)
    return f"{found} of {seeds}"


async def measure(seeds: int) -> list[str]:
    """The rows of the table."""
    rows = heading()
    async with open_bench(AioSession(), Answers()) as bench:
        for name, mutation in MUTATIONS.items():
            rows.append(row(name, mutation, [await rate(bench, mutation, level, seeds) for level in Level]))
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    text = "\n".join(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)))
    DOCUMENT.write_text(TABLE.sub(lambda _: f"\n{text}\n\n", DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
