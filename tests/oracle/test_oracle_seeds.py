"""Random damages, judged by what FFmpeg says a viewer loses. `python -m tests.oracle` runs more of them."""

import os

import pytest

from service.report import Level, Verdict
from tests.oracle.bases import RECIPES, base
from tests.oracle.cases import judge_case, make_case
from tests.oracle.judge import open_judge
from tests.oracle.rules import Group, must_find
from tests.oracle.running import run_in_processes
from tests.oracle.summary import summary
from tests.oracle.watching import lost, places

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
CASES = max(150, round(1000 * SCALE))
# All of the plain recording: making every recording takes longer than these may.
FEW = range(0, 12 * len(RECIPES), len(RECIPES))
# Each of these was judged wrongly once.
REGRESSIONS = {
    422: "the beginning of a slice without key frames was gone, and the hole in its time stamps lost nothing",
    482: "the slice that could show that most others are foreign was not among the two that were compared",
    910: "a lost box was renamed to what FFmpeg reads all the same",
    1570: "a stretch that came twice within a slice was counted once",
    2139: "a fragment that came twice let all fragments before it count as lost",
    2143: "two foreign slices of four were taken for a habit of the recorder",
    2167: "a length in the header of a track, which no player goes by, condemned the file",
    2245: "bytes of another moment took time from the next slice, and less at `full` than at `bytes`",
    2417: "foreign slices around a restart were compared with those of their own line alone",
    2455: "a counter that was not read was held to be another than that of a recorder that begins anew",
    2733: "sounds that decode by chance, between others at wrong places that do not, were held to be there",
    3122: "the parameter sets of a foreign slice spoiled the slices after it, which bring none",
    3152: "the same of several foreign slices in a row",
    6121: "the time scale of pictures was three parts in a hundred too fast, and each was shown at another instant",
    6195: "a zero byte stood before the tags by which FFmpeg knows a playlist",
    6266: "ones took the place of pictures whose packets began as before, and such pictures decode",
    6879: "zero bytes between a duration and a name, which end a line for FFmpeg, condemned the playlist",
    7066: "the same as 6266 in five slices",
    7261: "the same as 6121 of sound",
    7290: "a length that no player goes by condemned the file",
    7354: "the map of chunks went on beyond the last chunk, which FFmpeg refuses",
    7483: "zeros took the place of a key picture whose packets began as before",
    7607: "the size of the picture changed and came back where each slice begins a line of its own",
    7670: "lines that no player takes for a name condemned the playlist",
    9154: "what most slices lacked at their ends was taken for a habit, and so was not missed",
    17945: "one duration was zero and the next one doubled: their sum was right, and the place of a slice was not",
    18803: "the header of the film said that it lasts 0 s, which no player goes by",
    19111: "the table of chunks named a sample description that the file does not contain",
    8710: "noise set a decoder to 42 channels, in which nothing after it is heard",
}


@pytest.mark.parametrize(
    "number",
    [pytest.param(number, id=one.name, marks=[] if number == 0 else pytest.mark.proof)
     for number, one in enumerate(RECIPES)],
)  # fmt: skip
async def test_untouched_recordings_lose_nothing_and_are_verified_at_every_level(number: int) -> None:
    made = base(number)
    assert made.seconds >= 60
    # Written anew, so that they are decoded and compared a second time.
    objects = {key: bytes(bytearray(content)) + b"" for key, content in made.objects.items()}
    again = {key: content + _nothing(key) for key, content in objects.items()}
    assert lost(number, again, places(made)).seconds == 0
    async with open_judge() as judge:
        reports = await judge.reports(objects, made.expected(), 1)
    assert {level: report.verdict for level, report in reports.items()} == dict.fromkeys(Level, Verdict.VERIFIED)
    assert {level: report.level for level, report in reports.items()} == {level: level for level in Level}


async def test_few_random_damages_are_judged_as_a_viewer_would() -> None:
    async with open_judge() as judge:
        wrong = []
        for seed in FEW:
            case = make_case(seed)
            # The lowest level that must find it: the others cost more than these tests may.
            level = (*must_find(Group.LOST, case.kind.reach), Level.STRUCTURE)[0]
            result = await judge_case(case, judge, [level])
            wrong += [(seed, result.case.kind.name, sentence) for sentence in result.exceptions]
    assert not wrong


@pytest.mark.parametrize("seed", REGRESSIONS)
async def test_a_seed_that_was_judged_wrongly_once_is_judged_as_a_viewer_would(seed: int) -> None:
    async with open_judge() as judge:
        assert not (await judge_case(make_case(seed), judge)).exceptions


@pytest.mark.proof
def test_many_random_damages_are_judged_as_a_viewer_would() -> None:
    results = list(run_in_processes(range(CASES), 2))
    print(summary(results))
    assert len(results) == CASES
    assert sum(result["group"] == Group.NEAR for result in results) <= 0.05 * CASES
    assert not [(result["seed"], result["exceptions"]) for result in results if result["exceptions"]]


def _nothing(key: str) -> bytes:
    """Bytes that no player minds, so that each object is another than the untouched one."""
    return {"ts": b"\x47\x1f\xff\x10" + b"\xff" * 184, "p4": b"\0\0\0\x08free", "u8": b"#\n"}[key[-2:]]
