"""One case: a seed makes a recording and a change, FFmpeg says what is lost, Pagereel gives its verdicts."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from service.report import Level, Report
from tests.oracle.bases import RECIPES
from tests.oracle.damages import KINDS, WEIGHTS, Family, Kind
from tests.oracle.draft import Draft
from tests.oracle.judge import Judge
from tests.oracle.loss import Loss
from tests.oracle.rules import Group, exceptions, group_of
from tests.oracle.watching import lost


@dataclass(frozen=True)
class Case:
    """What a seed made."""

    seed: int
    kind: Kind
    draft: Draft


@dataclass(frozen=True)
class Result:
    """What came of it."""

    case: Case
    loss: Loss
    group: Group
    reports: dict[Level, Report]
    exceptions: list[str]
    seconds: float

    def line(self) -> dict[str, Any]:
        """The result for the file of results."""
        return {
            "seed": self.case.seed,
            "recording": RECIPES[self.case.draft.number].name,
            "kind": self.case.kind.name,
            "reach": self.case.kind.reach.value,
            "group": self.group.value,
            "lost_seconds": round(self.loss.seconds, 3),
            "loss": {name: round(value, 3) for name, value in asdict(self.loss).items() if value},
            "verdicts": {level.value: report.verdict.value for level, report in self.reports.items()},
            "exceptions": self.exceptions,
            "seconds": round(self.seconds, 2),
        }


def make_case(seed: int) -> Case:
    """The case of a seed: always the same."""
    dice = Random(seed)
    number = seed % len(RECIPES)
    # A shape that a family does not fit (no MP4) is drawn again.
    while True:
        family = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kinds := kinds_of(family, number):
            break
    kind = dice.choice(kinds)
    draft = Draft.of(number, dice)
    kind.change(draft)
    return Case(seed, kind, draft)


def kinds_of(family: Family, number: int) -> list[Kind]:
    """The kinds of a family that fit one recording."""
    return [kind for kind in KINDS if kind.family is family and kind.fits(RECIPES[number])]


async def judge_case(case: Case, judge: Judge, levels: Iterable[Level] = Level) -> Result:
    """What is lost, and what is said at each level."""
    began = time.perf_counter()
    draft = case.draft
    loss = lost(draft.number, draft.objects, draft.places)
    reports = await judge.reports(draft.objects, draft.expected, case.seed, levels)
    verdicts = {level: report.verdict for level, report in reports.items()}
    group = group_of(case.kind.reach, loss.seconds, draft.expected.allowed_seconds(draft.made.seconds))
    wrong = exceptions(group, case.kind.reach, loss.seconds, verdicts)
    return Result(case, loss, group, reports, wrong, time.perf_counter() - began)
