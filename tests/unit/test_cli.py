"""The command line as a whole: what every command has, and that a mistake of its user is one line and no traceback."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_rig import commands, serving
from click.testing import CliRunner

from pagereel.cli import main
from pagereel.cli.terminal.examples import EXAMPLES

# They answer nothing: they run, wait for a person, or print what goes into a file as it is.
WITHOUT_JSON = {"serve", "work", "setup", "completion"}


ROOT = Path(__file__).parents[2]
COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_speaks_json(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert ("--json" in options) is (name not in WITHOUT_JSON)
    assert len(COMMANDS[name].help or "") > 20


def test_who_asks_a_running_service_waits_for_none_of_its_modules() -> None:
    words = "import sys; from pagereel.cli.remote import feeds, files, recordings; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pagereel.app", "sqlalchemy", "aiobotocore", "pydantic"} & set(imported)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "a token is required"),
        (["show", "rec_1", "--token-file", "/nowhere"], "cannot be read"),
        (["list", "--url", "nonsense", "--token-file", "{token}"], "is not the URL"),
        (["list", "--url", "http://127.0.0.1:1", "--token-file", "{token}"], "cannot be reached"),
        (["usage", "--month", "soon"], "is not a month"),
        (["support-bundle"], "give the id of a recording"),
        (["support-bundle", "--replay", "/nowhere"], "cannot be read"),
        (["support-bundle", "--replay", "{token}"], "is not a support bundle"),
        (["record", "https://example.org", "--for", "soon", "--token-file", "{token}"], "not a length of time"),
        (["notices", "replay", "x", "--token-file", "{token}"], "not a valid integer"),
        (["--config", "/nowhere.toml", "token", "list"], "/nowhere.toml"),
        (["--config", "/nowhere.toml", "usage", "--all-owners"], "/nowhere.toml"),
        (
            ["token", "create", "--owner", " ", "--scope", "read"],
            "--owner ' ': should be 1 to 100 printable characters",
        ),
        (["token", "create", "--owner", "a\x07", "--scope", "read"], "--owner 'a\\x07': should be 1 to 100 printable"),
        (["token", "create", "--owner", "a" * 101, "--scope", "read"], "should be 1 to 100 printable characters"),
        (["token", "create", "--owner", "a", "--scope", "read", "--days", "nan"], "'nan': write a number of days"),
        (["adopt", "x", "--uid", "abc"], "'--uid': 'abc': write a whole number from 1 to 4294967295"),
        (["list", "--limit", "0"], "'--limit': '0': write a whole number from 1 to 100000"),
        (["setup", "main", "--wait", "nan"], "'--wait': 'nan': write a number of seconds, 0 or more"),
        (["tokn"], "No such command 'tokn'. Did you mean token?"),
        (["recrod", "https://example.org"], "Did you mean record?"),
        (["wholly-else"], "No such command 'wholly-else'."),
        (["serve"], "no settings: use `pagereel serve --config FILE`, or set PAGEREEL_SETTINGS"),
        (
            ["token", "create", "--owner", "a", "--scope", "read"],
            "no settings: use `pagereel token create --config FILE`",
        ),
        (["verify", "--storage", "a", "--prefix", "b"], "no settings: use"),
        (["verify", "--storage", "a"], "no settings: use"),
        (["setup", "main"], "no settings: use"),
        (["serve", "--config", "/nowhere.toml"], "/nowhere.toml: cannot be read"),
        (["token", "list", "-c", "/nowhere.toml"], "/nowhere.toml: cannot be read"),
        (["--config", "/first.toml", "serve", "--config", "/second.toml"], "/second.toml: cannot be read"),
        (["list", "--url", "127.0.0.1:8080", "--token-file", "{token}"], "must begin with http:// or https://"),
        (["--url", "127.0.0.1:8080", "list", "--token-file", "{token}"], "must begin with http:// or https://"),
        (["list", "--token-file", __file__], "contains no API token: a token looks like prl_…"),
        (["--token-file", __file__, "list"], "test_cli.py contains no API token"),
        (["demo", "--page", "https://example.org"], "--page needs --browser"),
    ],
)
def test_a_mistake_is_said_in_a_line(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("prl_a_token\n")
    filled = [word.replace("{token}", str(tmp_path / "token")) for word in words]
    done = CliRunner(env={"PAGEREEL_TOKEN": "", "PAGEREEL_SETTINGS": ""}).invoke(main, filled)
    assert done.exit_code == 2
    assert said in done.output
    assert isinstance(done.exception, SystemExit), "no traceback"
    assert done.output.count("\n") <= 6


def test_verify_names_the_storages_before_it_asks_for_a_prefix(tmp_path: Path) -> None:
    file = tmp_path / "pagereel.toml"
    file.write_text((ROOT / "pagereel.example.toml").read_text().replace("put-yours-here", "filled-in"))
    runner = CliRunner(env={"PAGEREEL_SETTINGS": str(file)})
    unknown, without = (runner.invoke(main, ["verify", "--storage", name]) for name in ("nope", "archive"))
    assert (unknown.exit_code, without.exit_code) == (2, 2)
    assert unknown.stderr == "pagereel: the settings have no storage 'nope'; the known ones are: archive\n"
    assert "Missing option '--prefix'." in without.stderr


def test_the_help_has_every_command_once_in_sections_with_a_whole_sentence() -> None:
    done = CliRunner().invoke(main, ["--help"], terminal_width=100)
    assert done.exit_code == 0
    assert not re.search(r"\w(\.\.\.|…)$", done.output, re.MULTILINE)
    names = re.findall(r"^  ([a-z][a-z-]*)  ", done.output, re.MULTILINE)
    assert sorted(names) == main.list_commands(click.Context(main))
    assert len(re.findall(r"^[A-Z][^:\n]+:$", done.output, re.MULTILINE)) >= 6


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_it_understands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("manifest.json", "keys.pem"):
        (tmp_path / file).touch()
    examples = EXAMPLES[name]
    shown = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=200).output
    for example in examples:
        assert f"  {example}\n" in shown
        words = shlex.split(example.partition(" >")[0].replace(" --config pagereel.toml", ""))
        assert words[: 1 + len(name.split())] == ["pagereel", *name.split()]
        assert COMMANDS[name].make_context(name, words[1 + len(name.split()) :])


def test_no_example_is_of_a_command_that_is_gone() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    script = CliRunner().invoke(main, ["completion", "bash"])
    assert script.exit_code == 0
    (tmp_path / "script").write_text(script.output)
    typed = """
        source ./script
        try() {
            COMPREPLY=() COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _pagereel_completion pagereel
            echo "${COMPREPLY[@]}"
        }
        try pagereel rec
        try pagereel record --stop
    """
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    assert done.stdout.splitlines() == ["record", "--stop-at"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_too(shell: str) -> None:
    assert "_PAGEREEL_COMPLETE" in CliRunner().invoke(main, ["completion", shell]).output


@pytest.mark.parametrize(
    ("words", "pointer", "said"),
    [
        (["list", "--app", "nope"], "?app", "--app nope: is unknown; available: demo"),
        (["list", "--state", "nope"], "?state", "--state nope: is unknown; available: demo"),
        (["messages", "list", "--endpoint", "nope"], "?endpoint", "--endpoint nope: is unknown; available: demo"),
        (["messages", "redrive", "--endpoint", "nope"], "/endpoint", "--endpoint nope: is unknown; available: demo"),
        (["usage", "--month", "2026-11"], "?month", "--month 2026-11: is unknown; available: demo"),
        (["list"], "", "the request: is unknown; available: demo"),
        (["list"], "?surprise", "?surprise: is unknown; available: demo"),
    ],
)
def test_a_refused_value_is_named_by_its_option(words: list[str], pointer: str, said: str) -> None:
    errors = [{"pointer": pointer, "message": "is unknown; available: demo"}]
    answer = 422, {"title": "Invalid request", "detail": "Not valid.", "code": "invalid", "errors": errors}
    with serving({"(GET|POST) /v1/.*": answer}) as service:
        done = service.typed(*words)
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {said}\n")


@pytest.mark.parametrize("command", [("completion", "bash"), ("check-config", "--probe")], ids=" ".join)
def test_a_command_whose_reader_has_gone_ends_without_a_word(tmp_path: Path, command: tuple[str, ...]) -> None:
    """As in `pagereel check-config --probe | head -1`."""
    keys = '{ access_key = "a", secret_key = "b" }'
    lines = [
        *('deployment = "test"', "[apps.main]", 'app_id = "a"', 'customer_id = "c"', 'customer_secret = "s"'),
        *("setup = true", 'base_urls = ["http://127.0.0.1:9"]', "[storage.own]", "vendor = 11", 'bucket = "b-1"'),
        *('endpoint = "http://127.0.0.1:9"', f"read = {keys}", f"write = {keys}", 'level = "structure"'),
        *("[database]", f'url = "sqlite:///{tmp_path}/x.db"', "[api]", "port = 0", "[callbacks]", "port = 0"),
    ]
    (tmp_path / "pagereel.toml").write_text("\n".join(lines))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pagereel", "--config", str(tmp_path / "pagereel.toml"), *command],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=110,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def _settings(tmp_path: Path, *more: str) -> str:
    keys = '{ access_key = "a", secret_key = "b" }'
    lines = [
        'deployment = "test"',
        *("[apps.main]", 'app_id = "a"', 'customer_id = "c"', 'customer_secret = "s"', "setup = true"),
        *("[storage.own]", "vendor = 11", 'bucket = "b-1"', 'endpoint = "http://127.0.0.1:9"'),
        *(f"read = {keys}", f"write = {keys}", 'level = "structure"'),
        *("[database]", f'url = "sqlite:///{tmp_path}/x.db"', *more),
    ]
    (tmp_path / "pagereel.toml").write_text("\n".join(lines))
    return str(tmp_path / "pagereel.toml")


def test_a_token_for_a_name_that_the_settings_lack_is_made_with_a_warning(tmp_path: Path) -> None:
    words = ("--config", _settings(tmp_path))
    assert CliRunner().invoke(main, [*words, "migrate"]).exit_code == 0
    make = [*words, "token", "create", "--owner", "a", "--scope", "read"]
    done = CliRunner().invoke(main, [*make, "--app", "mian", "--app", "main", "--storage", "owm"])
    assert (done.exit_code, done.stdout.startswith("prl_")) == (0, True), done.output
    assert [line for line in done.stderr.splitlines() if "warning" in line] == [
        "pagereel: warning: --app 'mian' is not in the settings; available: main",
        "pagereel: warning: --storage 'owm' is not in the settings; available: own",
    ]
    assert "warning" not in CliRunner().invoke(main, [*make, "--app", "main", "--storage", "own"]).stderr


@pytest.mark.parametrize("words", [("token", "list"), ("token", "revoke", "abc"), ("usage", "--all-owners")])
def test_a_database_is_not_made_by_a_command_that_reads_one(words: tuple[str, ...], tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    done = CliRunner().invoke(main, ["--config", _settings(tmp_path), *words])
    assert (done.exit_code, f"there is no database at {database}" in done.stderr) == (2, True), done.output
    assert not database.exists()


def test_a_database_that_token_create_makes_is_named_and_the_token_is_shown_with_its_bounds(tmp_path: Path) -> None:
    words, database = ["--config", _settings(tmp_path), "token"], tmp_path / "x.db"
    make = [*words, "create", "--owner", "a", "--scope", "read"]
    first = CliRunner().invoke(main, [*make, "--app", "main", "--storage", "own", "--days", "3"])
    assert f"pagereel: made a new database: {database}" in first.stderr
    assert "database" not in CliRunner().invoke(main, make).stderr
    bounded, free = json.loads(CliRunner().invoke(main, [*words, "list", "--json"]).output)
    if bounded["apps"] is None:
        bounded, free = free, bounded
    assert (bounded["apps"], bounded["storages"], free["expires_at"]) == (["main"], ["own"], None)
    assert bounded["expires_at"] is not None
    told = CliRunner().invoke(main, [*words, "list"], env={"COLUMNS": "200"}).output
    assert "app main; storage own" in told
    assert bounded["expires_at"][:10] in told


def test_a_token_is_revoked_by_enough_of_its_id(tmp_path: Path) -> None:
    words = ["--config", _settings(tmp_path), "token"]
    make = [*words, "create", "--owner", "a", "--scope", "read", "--app", "main", "--json"]
    made = json.loads(CliRunner().invoke(main, make).stdout)
    assert made["token"].startswith(f"prl_{made['id']}_")
    assert (made["apps"], made["storages"], made["expires_at"]) == (["main"], None, None)
    few = CliRunner().invoke(main, [*words, "revoke", made["id"][:5]])
    assert (few.exit_code, f"the valid tokens are: {made['id']}" in few.stderr) == (2, True)
    assert CliRunner().invoke(main, [*words, "revoke", made["id"][:6]]).exit_code == 0


def test_apps_that_share_a_project_are_warned_of(tmp_path: Path) -> None:
    app = ('customer_id = "c"', 'customer_secret = "s"', "setup = true")
    one = CliRunner().invoke(
        main, ["--config", _settings(tmp_path, "[apps.two]", 'app_id = "b"', *app), "check-config"]
    )
    assert (one.exit_code, "app_id" in one.stderr) == (0, False), one.output
    config = _settings(tmp_path, "[apps.two]", 'app_id = "a"', *app)
    both = CliRunner().invoke(main, ["--config", config, "check-config"])
    assert both.exit_code == 0
    assert "warning: apps.main and apps.two have the same app_id" in both.stderr
