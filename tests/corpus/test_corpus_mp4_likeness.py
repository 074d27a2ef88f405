"""An MP4 file shows and plays what the slices do, however it was encoded; one of another recording is found."""

from pathlib import Path

import pytest
from corpus_bench import Bench
from corpus_forms import with_mp4

from service.report import Level, Severity, Verdict

LEVELS = [Level.CONTENT, *(pytest.param(level, marks=pytest.mark.proof) for level in (Level.BYTES, Level.FULL))]
PICTURES, SOUND = "mandelbrot=size=320x180:rate=15", "anoisesrc=sample_rate=48000:seed=7:amplitude=0.3"

GOOD = {
    "encoded once more": (),
    "fewer key pictures": ("-g", "200", "-bf", "3"),
    "much worse": ("-crf", "34", "-b:a", "24k"),
    "another size": ("-s", "480x270"),
    "fewer pictures a second": ("-r", "5"),
    "44.1 kHz, louder": ("-ar", "44100", "-af", "volume=2"),
    "begins half a second later": ("-vf", "setpts=PTS+0.5/TB", "-af", "adelay=500"),
    "fragments": ("-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
}
OTHER = {
    "pictures of another recording": {"pictures": PICTURES},
    "sound of another recording": {"sound": SOUND},
    "another recording": {"pictures": PICTURES, "sound": SOUND},
}


async def judged(bench: Bench, folder: Path, level: Level, **changes: object) -> tuple[Verdict, set[str]]:
    report = await bench.judge(with_mp4(folder, **changes), level)  # type: ignore[arg-type]
    return report.verdict, {one.code for one in report.findings if one.severity is Severity.ERROR}


@pytest.mark.parametrize("coding", GOOD)
async def test_a_file_that_was_encoded_by_itself_is_verified(bench: Bench, tmp_path: Path, coding: str) -> None:
    assert await judged(bench, tmp_path, Level.CONTENT, coding=GOOD[coding]) == (Verdict.VERIFIED, set())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("other", OTHER)
async def test_a_file_of_another_recording_is_found(bench: Bench, tmp_path: Path, other: str, level: Level) -> None:
    assert await judged(bench, tmp_path, level, **OTHER[other]) == (Verdict.DEFECTIVE, {"mp4_contradicts"})
