"""The plugin that lets no test skip in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ONE_TEST = "import pytest\n\n\ndef test_it():\n    {}\n"


def run(tmp_path: Path, test: str, ci: str) -> "subprocess.CompletedProcess[str]":
    """Run one test file in a pytest of its own."""
    (tmp_path / "test_one.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-p", "no:cacheprovider", "-c", os.devnull]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, f"--rootdir={tmp_path}", str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "test",
    [
        ONE_TEST.format("pytest.skip('no ffprobe')"),
        "import pytest\npytest.skip('no ffprobe', allow_module_level=True)\n",
    ],
    ids=["a test", "a whole file"],
)
def test_a_skip_is_a_failure_in_ci_and_none_at_home(tmp_path: Path, test: str) -> None:
    in_ci = run(tmp_path, test, "true")
    assert in_ci.returncode == pytest.ExitCode.TESTS_FAILED
    assert "no ffprobe" in in_ci.stdout
    assert run(tmp_path, test, "").returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


@pytest.mark.parametrize("line", ["assert True", "pytest.xfail('known')"])
def test_what_does_not_skip_stays_green_in_ci(tmp_path: Path, line: str) -> None:
    assert run(tmp_path, ONE_TEST.format(line), "true").returncode == pytest.ExitCode.OK
