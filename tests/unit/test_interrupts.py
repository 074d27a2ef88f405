"""Ctrl-C ends every command of both programs with 130: 1 is a verdict."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import pagereel.cli
from emulator import cli as emulator_cli
from emulator.pagecheck import command as pagecheck

ROOT = Path(__file__).parents[2]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_a_command_of_the_service_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Command, "invoke", interrupt)
    result = CliRunner().invoke(pagereel.cli.main, ["demo"])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_ends_a_command_of_the_emulator_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagecheck, "check_page", interrupt)
    result = CliRunner().invoke(emulator_cli.main, ["check-page", "http://127.0.0.1:1/"])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_a_screenshot_that_cannot_be_written_is_refused_before_the_page_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pagecheck, "check_page", interrupt)
    words = ["check-page", "http://127.0.0.1:1/", "--screenshot", str(tmp_path / "absent" / "page.png")]
    result = CliRunner().invoke(emulator_cli.main, words)
    assert result.exit_code == 2
    assert f"--screenshot: cannot write to the folder {tmp_path / 'absent'}" in result.stderr


INTERRUPTED_WHILE_IMPORTED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n"


def ended(folder: Path, module: str, *words: str) -> tuple[int, str, str]:
    """The end of a program that gets a Ctrl-C while it imports `module`, which stands before the real one."""
    (folder / f"{module}.py").write_text(INTERRUPTED_WHILE_IMPORTED)
    found = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    done = subprocess.run(words, env=os.environ | found, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("module", ["click", "aiohttp", "sqlalchemy"])
@pytest.mark.parametrize(
    "words",
    [(str(Path(sys.executable).with_name("pagereel")),), (sys.executable, "-m", "pagereel")],
    ids=["installed", "python -m"],
)
def test_ctrl_c_while_the_service_is_imported_is_one_line(tmp_path: Path, words: tuple[str, ...], module: str) -> None:
    assert ended(tmp_path, module, *words, "usage", "--all-owners") == (130, "", "interrupted\n")


@pytest.mark.parametrize("module", ["click", "aiohttp"])
@pytest.mark.parametrize(
    "words",
    [(str(Path(sys.executable).with_name("pagereel-emulator")),), (sys.executable, "-m", "emulator")],
    ids=["installed", "python -m"],
)
def test_ctrl_c_while_the_emulator_is_imported_is_one_line(tmp_path: Path, words: tuple[str, ...], module: str) -> None:
    assert ended(tmp_path, module, *words, "--help") == (130, "", "interrupted\n")


def test_ctrl_c_is_ignored_while_imported_where_whoever_started_it_ignores_it(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text(INTERRUPTED_WHILE_IMPORTED.replace("30", "0") + "print('imported')\n")
    command = f"trap '' INT; exec {shlex.quote(sys.executable)} -m pagereel"
    found = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        ["sh", "-c", command], env=os.environ | found, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "imported\n"
    assert "interrupted" not in done.stderr
