"""`python -m tests.oracle --seeds A:B --out FILE` judges damaged recordings by what FFmpeg says a viewer loses, adds
the results to a file, and prints the table of all that it holds. A run that was stopped resumes when called again.

`--summary FILE` prints the table only. `--dump SEED FOLDER` writes one case's objects and reports for a person.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from tests.oracle.cases import Result, judge_case, make_case
from tests.oracle.judge import open_judge
from tests.oracle.running import read_results, run_to_file
from tests.oracle.summary import summary


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=None, metavar="A:B", help="from A to B - 1")
    parser.add_argument("--out", type=Path, default=Path("var/oracle.jsonl"), help="the file of results")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--summary", type=Path, metavar="FILE", help="print the table of a file")
    parser.add_argument("--dump", nargs=2, metavar=("SEED", "FOLDER"), help="write one case to look at it")
    asked = parser.parse_args()
    if asked.dump:
        return asyncio.run(_dump(int(asked.dump[0]), Path(asked.dump[1])))
    if asked.summary:
        return _print_summary(asked.summary)
    if asked.seeds is None:
        parser.error("--seeds, --summary or --dump is needed")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    count = run_to_file(asked.seeds, asked.out, asked.processes)
    print(f"{count} cases in {time.monotonic() - began:.0f} s, {len(asked.seeds) - count} were there already")
    return _print_summary(asked.out)


def _print_summary(path: Path) -> int:
    results = read_results(path)
    print(summary(results))
    return int(any(result["exceptions"] for result in results))


async def _dump(seed: int, folder: Path) -> int:
    async with open_judge() as judge:
        result = await judge_case(make_case(seed), judge)
    for key, content in result.case.draft.objects.items():
        path = folder / "objects" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    text = _story(result)
    (folder / "report.txt").write_text(text)
    print(text)
    return int(bool(result.exceptions))


def _story(result: Result) -> str:
    case = result.case
    lines = [f"seed {case.seed}: {case.kind.name} ({case.kind.reach.value}) of {case.draft.made.recipe.name}"]
    lines += [f"  {note}" for note in case.draft.notes]
    lines += [f"{result.group.value}: {result.loss.seconds:.2f} s are lost; {result.loss}"]
    for level, report in result.reports.items():
        lines.append(f"{level.value}: {report.verdict.value} (reached {report.level}) {report.coverage}")
        lines += [f"  {one.severity.value} {one.code} {one.text}" for one in report.findings]
    return "\n".join([*lines, *(f"WRONG: {sentence}" for sentence in result.exceptions)]) + "\n"


def _seeds(text: str) -> range:
    first, _, last = text.rpartition(":")
    return range(int(first or 0), int(last))


if __name__ == "__main__":
    sys.exit(main())
