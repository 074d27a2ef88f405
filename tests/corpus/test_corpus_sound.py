"""Recordings of pages that make no sound: whether that is a finding is for the caller to say."""

from dataclasses import replace
from pathlib import Path

import pytest
from corpus_bench import Bench
from corpus_forms import Form, straight
from corpus_media import Part, Shape, mp4_of
from corpus_recordings import Made, slices
from corpus_recordings import straight as audible

from service.report import Level, Report, Severity, Verdict

COUNT = 12
LEVELS = pytest.mark.parametrize("level", [Level.STRUCTURE, Level.CONTENT, Level.FULL])


def silent() -> Made:
    """A sound track that holds silence."""
    shape = Shape()
    return Made([Part(slices(shape, range(COUNT), kind="silent"), mp4s=[mp4_of(shape, ("silent",) * COUNT)])], shape)


def warnings(report: Report) -> set[str]:
    return {one.code for one in report.findings if one.severity is not Severity.NOTE}


@LEVELS
async def test_silence_is_a_warning_unless_no_sound_is_expected(bench: Bench, level: Level) -> None:
    heard = level is not Level.STRUCTURE
    for sound in (None, True, False):
        report = await bench.judge(replace(silent(), sound=sound), level)
        assert report.verdict is Verdict.VERIFIED, sound
        assert warnings(report) == ({"sound_silent"} if heard and sound is not False else set()), sound


@LEVELS
async def test_an_absent_sound_track_is_no_finding_where_no_sound_is_expected(
    bench: Bench, level: Level, tmp_path: Path
) -> None:
    made = straight(Form(sound=("-an",)), tmp_path)
    report = await bench.judge(replace(made, sound=False), level)
    assert (report.verdict, warnings(report)) == (Verdict.VERIFIED, set())
    assert warnings(await bench.judge(made, level)) == {"mp4_track_absent"}
    expected = await bench.judge(replace(made, sound=True), level)
    assert expected.verdict is Verdict.DEFECTIVE
    assert {"audio_absent", "damaged"} <= warnings(expected)


@LEVELS
async def test_sound_is_fine_though_none_is_expected(bench: Bench, level: Level) -> None:
    report = await bench.judge(replace(audible(6), sound=False), level)
    assert (report.verdict, warnings(report)) == (Verdict.VERIFIED, set())
