"""Good recordings of every form that ffmpeg makes are verified at every level, without an error."""

from pathlib import Path

import pytest
from corpus_bench import Bench
from corpus_forms import FORMS, RESTARTS, restarted, straight, with_a_last_slice_of_sound
from corpus_recordings import Made

from service.report import Level, Severity, Verdict

pytestmark = pytest.mark.proof


async def verify(bench: Bench, made: Made) -> None:
    for level in Level:
        report = await bench.judge(made, level)
        errors = [(one.code, one.text) for one in report.findings if one.severity is Severity.ERROR]
        assert (level, errors, report.verdict, report.level) == (level, [], Verdict.VERIFIED, level)


@pytest.mark.parametrize("form", FORMS)
async def test_a_good_recording_of_any_form_is_verified(bench: Bench, tmp_path: Path, form: str) -> None:
    await verify(bench, straight(FORMS[form], tmp_path))


@pytest.mark.parametrize("restart", RESTARTS)
async def test_a_line_of_time_that_begins_again_and_goes_on_is_verified(
    bench: Bench, tmp_path: Path, restart: str
) -> None:
    await verify(bench, restarted(RESTARTS[restart], tmp_path))


async def test_a_last_slice_of_nothing_but_a_little_sound_is_verified(bench: Bench, tmp_path: Path) -> None:
    await verify(bench, with_a_last_slice_of_sound(tmp_path))
