"""Thousands of recordings damaged at random: never a crash, never a hang, never `verified` when an object is gone."""

import os
import time
from collections.abc import Iterable
from posixpath import basename
from random import Random

import pytest
from corpus_bench import Bench
from corpus_recordings import Made, copied, failed_over, in_parts, paused, straight

from service.report import Level, Verdict

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
CASES = max(200, round(10_000 * SCALE))
PARTS = 4
KINDS = [
    lambda: straight(6),
    lambda: straight(5, mp4=False, ended=False),
    lambda: paused(6, jump=True, marked=False),
    lambda: failed_over(40, 6),
    lambda: copied(larger=True),
    in_parts,
]


def harm(objects: dict[str, bytes], dice: Random) -> None:
    """Damage one object."""
    key = dice.choice(sorted(objects))
    content = bytearray(objects[key])
    what = dice.randrange(7)
    if what == 0:
        del objects[key]
        return
    if what == 1 and content:
        for _ in range(dice.choice((1, 8, 64))):
            content[dice.randrange(len(content))] = dice.randrange(256)
    elif what == 2:
        del content[dice.randrange(len(content) + 1) :]
    elif what == 3 and content:
        begin = dice.randrange(len(content))
        del content[begin : begin + dice.choice((1, 4, 188, 4096))]
    elif what == 4:
        other = dice.choice(sorted(objects))
        objects[key], objects[other] = objects[other], objects[key]
        return
    elif what == 5 and key.endswith(".m3u8"):
        lines = bytes(content).split(b"\n")
        place = dice.randrange(len(lines))
        lines[place] = dice.choice((b"", b"#EXTINF:nan", b"#EXTINF:99999", lines[place] * 2, dice.randbytes(40)))
        dice.shuffle(lines) if dice.random() < 0.1 else None
        content = bytearray(b"\n".join(lines))
    else:
        begin = dice.randrange(len(content) + 1)
        content[begin:begin] = dice.randbytes(dice.choice((1, 8, 188)))
    objects[key] = bytes(content)


def lacks(before: Iterable[str], objects: dict[str, bytes]) -> bool:
    """Whether a slice is gone that a playlist names, or the last playlist of a recorder. Of several playlists of one
    recorder the largest counts."""
    for run in ("", "bak0_"):
        mine = [key for key in before if basename(key).startswith("bak0_") is bool(run)]
        playlists = [objects[key] for key in mine if key.endswith(".m3u8") and key in objects]
        if mine and not playlists:
            return True
        named = set(max(playlists, key=len).split(b"\n")) if playlists else set()
        if any(key.endswith(".ts") and key not in objects and basename(key).encode() in named for key in mine):
            return True
    return False


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(10), id="few"),
        *(pytest.param(range(part, CASES, PARTS), id=f"part{part}", marks=pytest.mark.proof) for part in range(PARTS)),
    ],
)
async def test_random_damage_never_crashes_hangs_or_hides_a_lost_object(bench: Bench, seeds: range) -> None:
    slowest, lacking = 0.0, 0
    verdicts: dict[Verdict, int] = {}
    for seed in seeds:
        dice = Random(seed)
        made: Made = KINDS[seed % len(KINDS)]()
        objects = made.objects()
        before = sorted(objects)
        for _ in range(dice.randint(1, 3)):
            harm(objects, dice)
        level = dice.choice((Level.STRUCTURE, Level.CONTENT, Level.FULL))
        began = time.perf_counter()
        report = await bench.judge_objects(objects, made.expected(), level, seed)
        slowest = max(slowest, time.perf_counter() - began)
        verdicts[report.verdict] = verdicts.get(report.verdict, 0) + 1
        if lacks(before, objects):
            lacking += 1
            assert report.verdict is not Verdict.VERIFIED, seed
        assert slowest < 5, seed
    print(f"{len(seeds)} cases, {lacking} with a lost object, slowest {slowest:.2f} s, {verdicts}")
