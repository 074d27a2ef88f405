"""The table of results: what was lost, what was found, and what is wrong."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from service.report import Level, Verdict
from tests.oracle.damages import KINDS, Reach
from tests.oracle.rules import Group, must_find

_LEVELS = list(Level)[1:]


def summary(results: Sequence[dict[str, Any]]) -> str:
    """All results in a text for a person."""
    groups = Counter(result["group"] for result in results)
    lines = [f"{len(results)} cases: " + ", ".join(f"{count} {group}" for group, count in groups.most_common())]
    near = groups[Group.NEAR] / max(1, len(results))
    lines += [f"within a second of the allowance: {near:.1%} (at most 5 %)", ""]
    lines += ["By kind: cases; lost more than allowed; of these not verified at each level (! where it must find all)"]
    lines += [f"{'kind':32} {'must find':>10} {'cases':>6} {'lost':>5} " + " ".join(f"{one:>10}" for one in _LEVELS)]
    lines += [_kind_line(kind.name, kind.reach, results) for kind in KINDS if _of(results, kind.name)]
    lines += ["", *_rest(results), "", *_harmless(results), "", *_exceptions(results)]
    return "\n".join(lines)


def _of(results: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [result for result in results if result["kind"] == kind]


def _kind_line(kind: str, reach: Reach, results: Sequence[dict[str, Any]]) -> str:
    mine = _of(results, kind)
    lost = [result for result in mine if result["group"] == Group.LOST]
    cells = []
    for level in _LEVELS:
        must = bool(lost) and level in must_find(Group.LOST, reach)
        cells.append(f"{_found(lost, level)}/{len(lost)}{'!' if must else ' '}" if lost else "-")
    return f"{kind:32} {reach.value:>10} {len(mine):>6} {len(lost):>5} " + " ".join(f"{cell:>10}" for cell in cells)


def _found(lost: Sequence[dict[str, Any]], level: Level) -> int:
    return sum(result["verdicts"][level] != Verdict.VERIFIED for result in lost)


def _rest(results: Sequence[dict[str, Any]]) -> list[str]:
    """How much a level finds of what it need not find."""
    lines = []
    for level in _LEVELS:
        lost = [result for result in results if result["group"] == Group.LOST]
        rest = [result for result in lost if level not in must_find(Group.LOST, Reach(result["reach"]))]
        must = [result for result in lost if level in must_find(Group.LOST, Reach(result["reach"]))]
        lines.append(
            f"{level.value}: finds {_found(must, level)} of {len(must)} that it must find, "
            f"{_found(rest, level)} of the other {len(rest)}"
        )
    return lines


def _harmless(results: Sequence[dict[str, Any]]) -> list[str]:
    """Harmless, and not verified: no exception unless `defective`, but somebody should look."""
    harmless = [result for result in results if result["group"] == Group.HARMLESS]
    doubtful = [
        f"  seed {result['seed']} {result['recording']} {result['kind']}: {result['verdicts']}"
        for result in harmless
        if any(verdict != Verdict.VERIFIED for verdict in result["verdicts"].values())
    ]
    return [f"harmless and not verified at every level: {len(doubtful)} of {len(harmless)}", *doubtful]


def _exceptions(results: Sequence[dict[str, Any]]) -> list[str]:
    wrong = [result for result in results if result["exceptions"]]
    lines = [f"exceptions: {len(wrong)} of {len(results)} cases"]
    for result in wrong:
        lines.append(f"  seed {result['seed']} {result['recording']} {result['kind']} {result['loss']}")
        lines += [f"    {sentence}" for sentence in result["exceptions"]]
        lines.append(f"    python -m tests.oracle --dump {result['seed']} FOLDER")
    return lines
