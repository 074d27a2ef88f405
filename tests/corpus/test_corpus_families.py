"""Each kind of fault in ten forms and more: ffmpeg says what a form costs a viewer, and the verdict follows it."""

from random import Random

import pytest
from corpus_bench import Bench
from corpus_families import FAMILIES, OTHERS_LOSE, Change
from corpus_media import Shape, slice_of
from corpus_recordings import Made, straight

from service.report import Level, Severity, Verdict
from tests.oracle.cases import Case, judge_case
from tests.oracle.damages import Family, Kind, Reach
from tests.oracle.draft import Draft
from tests.oracle.judge import open_judge
from tests.oracle.rules import Group, must_find

WIDER, HIGHER = Shape(352), Shape(height=256)


def sized(made: Made, *changes: tuple[int, Shape], shift: int = 0) -> Made:
    """Slices of other sizes, their time stamps `shift` seconds further on."""
    for index, shape in changes:
        made.parts[0].slices[index].content = slice_of(shape, "page", index, shift)
    return made


def marked(made: Made, index: int) -> Made:
    made.parts[0].slices[index].marked = True
    return made


def rest(first: int, shape: Shape) -> tuple[tuple[int, Shape], ...]:
    return tuple((index, shape) for index in range(first, 8))


# Row E: what is done to a recording of eight slices, and how grave that is.
SIZES = {
    "one slice wider": (lambda made: sized(made, (3, WIDER)), Severity.ERROR),
    "one slice higher": (lambda made: sized(made, (3, HIGHER)), Severity.ERROR),
    "one slice by a macroblock": (lambda made: sized(made, (3, Shape(336))), Severity.ERROR),
    "one slice by two columns that are cropped": (lambda made: sized(made, (3, Shape(318))), Severity.ERROR),
    "one slice by two lines that are cropped": (lambda made: sized(made, (3, Shape(height=238))), Severity.ERROR),
    "one slice turned": (lambda made: sized(made, (3, Shape(240, 320))), Severity.ERROR),
    "one slice twice as large": (lambda made: sized(made, (3, Shape(640, 480))), Severity.ERROR),
    "the second slice": (lambda made: sized(made, (1, WIDER)), Severity.ERROR),
    "the last slice but one": (lambda made: sized(made, (6, WIDER)), Severity.ERROR),
    "two slices in a row": (lambda made: sized(made, (3, WIDER), (4, WIDER)), Severity.ERROR),
    "two slices of two sizes": (lambda made: sized(made, (3, WIDER), (4, HIGHER)), Severity.ERROR),
    "two slices far apart": (lambda made: sized(made, (1, WIDER), (6, WIDER)), Severity.ERROR),
    "every second slice": (lambda made: sized(made, *((index, WIDER) for index in (1, 3, 5, 7))), Severity.ERROR),
    "one slice behind a mark": (lambda made: marked(sized(made, (3, WIDER)), 3), Severity.ERROR),
    "from the fifth on, with time stamps that jump": (
        lambda made: sized(made, *rest(4, WIDER), shift=700),
        Severity.ERROR,
    ),
    "from the fifth on": (lambda made: sized(made, *rest(4, WIDER)), Severity.WARNING),
    "from the second on": (lambda made: sized(made, *rest(1, WIDER)), Severity.WARNING),
    "the last slice": (lambda made: sized(made, *rest(7, WIDER)), Severity.WARNING),
    "from the fourth on, and from the sixth on anew": (
        lambda made: sized(made, *rest(3, WIDER), *rest(5, HIGHER)),
        Severity.WARNING,
    ),
    "from the fifth on, behind a mark, with time stamps that jump": (
        lambda made: marked(sized(made, *rest(4, WIDER), shift=700), 4),
        Severity.WARNING,
    ),
}


@pytest.mark.parametrize("level", [Level.STRUCTURE, pytest.param(Level.FULL, marks=pytest.mark.proof)])
@pytest.mark.parametrize("form", SIZES)
async def test_a_size_that_comes_back_condemns_and_one_that_stays_warns(bench: Bench, form: str, level: Level) -> None:
    change, severity = SIZES[form]
    made = change(straight(8, mp4=False).copy())
    report = await bench.judge(made, level)
    found = [
        one.severity for one in report.findings if one.code in ("size_changed", "slice_foreign", "slice_displaced")
    ]
    assert (Severity.ERROR in found, bool(found)) == (severity is Severity.ERROR, True)
    assert report.verdict is (Verdict.DEFECTIVE if severity is Severity.ERROR else Verdict.VERIFIED)


def case(change: Change, reach: Reach, name: str) -> Case:
    draft = Draft.of(0, Random(1))
    change(draft)
    return Case(1, Kind(name, Family.SLICE, reach, change, lambda _: True), draft)


def lowest(reach: Reach) -> Level:
    """The lowest level that has to find a form."""
    return (*must_find(Group.LOST, reach), Level.STRUCTURE)[0]


# The few stand for their families in every run; decoding all forms takes minutes.
@pytest.mark.parametrize("step", [pytest.param(9, id="few"), pytest.param(1, id="all", marks=pytest.mark.proof)])
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_form_is_judged_by_what_ffmpeg_loses_of_it(family: str, step: int) -> None:
    wrong = []
    async with open_judge() as judge:
        for name, (reach, change) in list(FAMILIES[family].items())[::step]:
            levels = list(Level) if step == 1 else [lowest(reach)]
            result = await judge_case(case(change, reach, name), judge, levels)
            wrong += [(name, sentence) for sentence in result.exceptions]
    assert wrong == []


async def test_a_form_that_ffmpeg_gets_over_and_other_players_do_not_is_defective(bench: Bench) -> None:
    for name, (reach, change) in OTHERS_LOSE.items():
        draft = case(change, reach, name).draft
        for level in {lowest(reach), Level.BYTES}:
            report = await bench.judge_objects(draft.objects, draft.expected, level, 1)
            assert report.verdict is Verdict.DEFECTIVE, (name, level)


def test_each_family_has_ten_forms_and_more() -> None:
    assert {name: len(forms) for name, forms in FAMILIES.items() if len(forms) < 10} == {}
    assert len(OTHERS_LOSE) >= 10
    assert len(SIZES) >= 10
