"""Ctrl-C ends every command of both programs with 130: 1 is a verdict."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import service.cli
from emulator import cli as emulator_cli
from emulator.pagecheck import command as pagecheck


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_a_command_of_the_service_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Command, "invoke", interrupt)
    result = CliRunner().invoke(service.cli.main, ["demo"])
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
