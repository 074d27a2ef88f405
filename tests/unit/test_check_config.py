"""A level that this process cannot reach is refused before anything is recorded, with what to do."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pagereel.cli import configuration, main
from pagereel.cli.running import reachable
from pagereel.logs import configure_logs
from pagereel.probes import Probed
from service.report import Level
from service.settings import Log, Settings


@pytest.mark.parametrize("module", ["av", "numpy"])
@pytest.mark.parametrize("level", ["content", "bytes", "full", None])
def test_a_level_that_decodes_is_refused_with_the_remedy_where_the_extra_media_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str | None, module: str
) -> None:
    """Also by default. A process that only answers callers decodes nothing."""
    monkeypatch.setitem(sys.modules, module, None)
    for command in (["check-config"], ["serve"], ["work"]):
        ended = _with_level(tmp_path, level, *command)
        assert ended.exit_code == 2, ended.output
        assert ended.stderr.startswith(f"pagereel: storage.own: level {level or 'content'} decodes pictures"), ended
        assert 'install `pagereel[media]`, or set level = "structure"' in ended.stderr


@pytest.mark.parametrize(("level", "extra"), [("structure", ""), ("listing", ""), ("full", "read_only = true")])
def test_a_level_that_decodes_nothing_needs_no_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert _with_level(tmp_path, level, "check-config", extra=extra).exit_code == 0


def test_a_process_that_does_not_work_needs_no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    keys = {"access_key": "a", "secret_key": "b"}
    storage = {"vendor": 1, "region": 7, "bucket": "b-1", "write": keys, "read": keys}
    settings = Settings.model_validate({"deployment": "test", "storage": {"own": storage}})
    assert reachable(settings, works=False) is settings


@pytest.mark.parametrize("level", [level.value for level in Level])
def test_every_level_is_taken_where_the_extra_media_is_there(tmp_path: Path, level: str) -> None:
    assert _with_level(tmp_path, level, "check-config").exit_code == 0


@pytest.mark.parametrize("command", [("check-config",), ("serve",), ("work",), ("token", "list")])
def test_what_could_not_work_is_refused_in_words(tmp_path: Path, command: tuple[str, ...]) -> None:
    """By every command alike, and never with a traceback."""
    (tmp_path / "token").write_text("nonsense")
    lines = [f'deployment = "test"\nbootstrap_token_file = "{tmp_path}/token"\n[database]\nsealing_keys = ["x"]']
    (tmp_path / "pagereel.toml").write_text("\n".join(lines))
    try:
        ended = CliRunner().invoke(main, ["--config", str(tmp_path / "pagereel.toml"), *command])
    finally:
        configure_logs(Log())
    assert ended.exit_code == 2, ended.output
    assert "database.sealing_keys: should be the base64 of 32 random bytes" in ended.stderr
    assert "bootstrap_token_file: should hold prl_bootstrap_" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("secret", ["too-short", "*" * 88], ids=["short", "no-base64"])
def test_keys_that_are_none_of_azures_are_refused_before_the_first_call(tmp_path: Path, secret: str) -> None:
    keys = f'{{ access_key = "account", secret_key = "{secret}" }}'
    lines = ['deployment = "test"', "[storage.own]", "vendor = 5", 'bucket = "b-1"', f"read = {keys}"]
    (tmp_path / "pagereel.toml").write_text("\n".join([*lines, f"write = {keys}", 'level = "structure"']))
    try:
        ended = CliRunner().invoke(main, ["--config", str(tmp_path / "pagereel.toml"), "check-config"])
    finally:
        configure_logs(Log())
    assert ended.exit_code == 2, ended.output
    assert ended.stderr.startswith("pagereel: storage.own: Azure wants the account's name"), ended.stderr


def _checked(folder: Path, text: str, *options: str) -> Result:
    (folder / "pagereel.toml").write_text(text)
    try:
        return CliRunner().invoke(main, ["--config", str(folder / "pagereel.toml"), "check-config", *options])
    finally:
        configure_logs(Log())


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_settings_with_which_nothing_can_be_recorded_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = _checked(tmp_path, 'deployment = "test"', *options)
    told = ended.stdout if options else ended.stderr
    assert ended.exit_code == 2, ended.output
    assert "apps: there is none, so nothing can be recorded: add an [apps.<name>] table" in told
    assert "storage: no profile can be written to" in told
    assert "valid" not in ended.stdout


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_an_empty_file_lacks_apps_and_storage_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = _checked(tmp_path, "", *options)
    told = ended.stdout if options else ended.stderr
    assert ended.exit_code == 2, ended.output
    for lacking in ("deployment: is missing", "add an [apps.<name>] table", "add a [storage.<name>] table"):
        assert lacking in told


KEY = "A" * 43 + "="


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (f'sealing_keys = ["{KEY}", "{KEY}"]', True),
        (f'sealing_keys = ["{KEY}", "{"B" * 43}="]', False),
        ('sealing_key_files = ["FOLDER/one", "FOLDER/one"]', True),
        ('sealing_key_files = ["FOLDER/one", "FOLDER/./one"]', True),
        ('sealing_key_files = ["FOLDER/one", "FOLDER/same"]', False),
    ],
    ids=["key", "keys", "file", "spelling", "rotation"],
)
def test_a_key_or_its_file_given_twice_is_refused_and_two_files_with_one_key_are_not(
    tmp_path: Path, given: str, refused: bool, options: tuple[str, ...]
) -> None:
    """A rotation begins with the old key in both files."""
    for name in ("one", "same"):
        (tmp_path / name).write_text(KEY)
    example = (Path(__file__).parents[2] / "pagereel.example.toml").read_text().replace("put-yours-here", "filled-in")
    text = example.replace("[database]", f"[database]\n{given.replace('FOLDER', str(tmp_path))}", 1)
    assert given[:10] in text
    ended = _checked(tmp_path, text, *options)
    told = ended.stdout if options else ended.stderr
    assert ended.exit_code == (2 if refused else 0), ended.output
    assert ("database.sealing_keys: the same file or the same secret stands there twice" in told) is refused
    assert KEY not in ended.output


def test_the_unchanged_example_is_refused_with_what_is_still_to_be_filled_in(tmp_path: Path) -> None:
    example = (Path(__file__).parents[2] / "pagereel.example.toml").read_text()
    ended = _checked(tmp_path, example)
    assert ended.exit_code == 2, ended.output
    assert "apps.main.customer_secret: is still the placeholder" in ended.stderr
    assert _checked(tmp_path, example.replace("put-yours-here", "filled-in")).exit_code == 0


def _with_level(folder: Path, level: str | None, *command: str, extra: str = "") -> Result:
    keys = '{ access_key = "a", secret_key = "b" }'
    lines = ['deployment = "test"', "[storage.own]", "vendor = 1", "region = 7", 'bucket = "b-1"', f"read = {keys}"]
    lines += [extra or f"write = {keys}", *([f'level = "{level}"'] if level else [])]
    lines += ["[storage.other]", "vendor = 1", "region = 7", 'bucket = "b-2"', f"read = {keys}", f"write = {keys}"]
    lines += ['level = "structure"', "[apps.main]", 'app_id = "a"', 'customer_id = "c"', 'customer_secret = "s"']
    lines += ["setup = true"]
    (folder / "pagereel.toml").write_text("\n".join(lines))
    try:
        return CliRunner().invoke(main, ["--config", str(folder / "pagereel.toml"), *command])
    finally:
        configure_logs(Log())


def test_a_warning_of_a_probe_is_a_line_of_its_own_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probe(*_: object) -> AsyncIterator[Probed]:
        yield Probed("storage own: write keys may write")
        yield Probed("storage own: read keys may also write", warning="give others")

    monkeypatch.setattr(configuration, "probe", probe)
    done = _with_level(tmp_path, "structure", "check-config", "--probe")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-2:] == [
        "ok      storage own: write keys may write",
        "warning storage own: read keys may also write: give others",
    ]
    shown = json.loads(_with_level(tmp_path, "structure", "check-config", "--probe", "--json").stdout)
    assert [one["warning"] for one in shown["probes"]] == [None, "give others"]


def test_all_errors_are_told_as_json_too(tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text("[worker]\nconcurency = 3\n")
    done = CliRunner().invoke(main, ["--config", str(config), "check-config", "--json"])
    errors = json.loads(done.stdout)["errors"]
    assert (done.exit_code, done.stderr, len(errors)) == (2, "", 4)
    assert errors[0] == "deployment: is missing"
    assert errors[1].startswith("worker.concurency: is not a setting")
    assert [error.partition(": ")[0] for error in errors[2:]] == ["apps", "storage"]
