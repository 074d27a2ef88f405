"""Runs ranges of seeds in several processes; results are added to a file as they come, so that a run can resume."""

import asyncio
import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.oracle.bases import RECIPES, base
from tests.oracle.cases import judge_case, make_case
from tests.oracle.judge import Judge, open_judge

_AT_ONCE = 4
_LIMIT_SECONDS = 300


async def _run_seeds(seeds: Sequence[int]) -> list[dict[str, Any]]:
    async with open_judge() as judge:
        return [await _run_seed(seed, judge) for seed in seeds]


async def _run_seed(seed: int, judge: Judge) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            return (await judge_case(make_case(seed), judge)).line()
    except Exception:
        return {"seed": seed, "failed": traceback.format_exc()}


def run_in_processes(seeds: Sequence[int], processes: int) -> Iterator[dict[str, Any]]:
    """Yield the results of many seeds as they come. Raises `RuntimeError` at the end for those that have none."""
    failed = []
    # Seeds of one recording lie together: each process decodes few untouched ones.
    by_recording = sorted(seeds, key=lambda seed: (seed % len(RECIPES), seed))
    chunks = [by_recording[begin : begin + _AT_ONCE] for begin in range(0, len(seeds), _AT_ONCE)]
    with ProcessPoolExecutor(processes) as pool:
        # Before the first of them is asked for by two processes at once.
        list(pool.map(_make, {seed % len(RECIPES) for seed in seeds}))
        for done in as_completed([pool.submit(_run_chunk, chunk) for chunk in chunks]):
            for result in done.result():
                if "failed" in result:
                    failed.append(result["seed"])
                    print(f"seed {result['seed']}: {result['failed']}", file=sys.stderr, flush=True)
                else:
                    yield result
    if failed:
        raise RuntimeError(f"these seeds have no result: {failed}")


def run_to_file(seeds: range, path: Path, processes: int) -> int:
    """Add the results of the seeds that the file lacks; their number."""
    done = {result["seed"] for result in read_results(path)}
    left = [seed for seed in seeds if seed not in done]
    with path.open("a") as file:
        for result in run_in_processes(left, processes):
            file.write(json.dumps(result) + "\n")
            file.flush()
    return len(left)


def read_results(path: Path) -> list[dict[str, Any]]:
    """The results of a file; a line that a killed run did not finish is left out."""
    if not path.exists():
        return []
    text = path.read_text()
    whole, _, rest = text.rpartition("\n")
    if rest:
        path.write_text(whole + "\n" if whole else "")
    return [json.loads(line) for line in whole.splitlines()]


def _make(number: int) -> None:
    base(number)


def _run_chunk(seeds: Sequence[int]) -> list[dict[str, Any]]:
    return asyncio.run(_run_seeds(seeds))
