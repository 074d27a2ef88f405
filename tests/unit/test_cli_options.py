"""`--config`, `--url` and `--token-file` before a command and behind it, and a sandbox's port and token."""

import socket
from pathlib import Path

import click
import pytest
from cli_rig import commands, serving

from service.cli.trial import drop_token

LIST = {"GET /v1/recordings": (200, {"items": [], "next": None})}
REMOTE = [name for name, command in commands() if any(each.name == "url" for each in command.params)]
TOKEN = "prl_of_the_file"


@pytest.fixture
def token(tmp_path: Path) -> str:
    (tmp_path / "token").write_text(TOKEN)
    return str(tmp_path / "token")


@pytest.mark.parametrize("before", [["--url"], ["--token-file"], ["--url", "--token-file"], []])
def test_the_service_and_the_token_are_named_before_or_behind_the_command(before: list[str], token: str) -> None:
    with serving(LIST) as service:
        given = {"--url": service.url, "--token-file": token}
        words = [word for name in before for word in (name, given[name])]
        behind = [word for name in given if name not in before for word in (name, given[name])]
        done = service.typed(*words, "list", *behind, PAGEREEL_URL="http://127.0.0.1:1", PAGEREEL_TOKEN="prl_wrong")
    assert done.exit_code == 0, done.output
    assert service.headers[0]["Authorization"] == f"Bearer {TOKEN}"


def test_what_stands_behind_the_command_counts_more(token: str) -> None:
    with serving(LIST) as service:
        done = service.typed("--url", "http://127.0.0.1:1", "--token-file", "/nowhere", "list", "--url", service.url,
                             "--token-file", token)  # fmt: skip
    assert done.exit_code == 0, done.output


def test_options_before_a_group_reach_its_commands(token: str) -> None:
    answers = {"GET /v1/notifications": (200, {"items": [], "next": None})}
    with serving(answers) as service:
        done = service.typed("--url", service.url, "notices", "list", PAGEREEL_URL="http://127.0.0.1:1")
    assert done.exit_code == 0, done.output


def options(command: click.Command) -> set[str]:
    return {option for each in command.params for option in each.opts}


def test_every_command_that_needs_settings_takes_config_itself() -> None:
    taking = {name for name, command in commands() if "--config" in options(command)}
    assert taking >= {"serve", "work", "migrate", "backup", "check-config", "setup", "ncs-ips", "verify", "audit",
                      "usage", "manifest keys", "token create", "token list", "token revoke"}  # fmt: skip
    assert not taking & (set(REMOTE) - {"usage"})


def test_url_means_the_service_in_every_command_that_has_it() -> None:
    assert {name for name, command in commands() if "--url" in options(command)} == set(REMOTE)


def test_a_sandbox_on_a_taken_port_says_how_to_get_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, serving({}) as service:
        port = other.getsockname()[1]
        done = service.typed("sandbox", "--port", str(port))
    assert (done.exit_code, done.stderr) == (2, f"pagereel: port {port} is in use; --port 0 chooses a free port\n")


@pytest.mark.parametrize(("kept", "left"), [(TOKEN, False), ("prl_of_another_sandbox", True)])
def test_a_sandbox_takes_its_own_token_along(token: str, kept: str, left: bool) -> None:
    file = Path(token)
    file.write_text(kept)
    drop_token(file, TOKEN)
    assert file.exists() is left
    drop_token(file.with_name("never_written"), TOKEN)


def test_a_token_that_is_refused_is_named_by_its_place(token: str) -> None:
    refused = (401, {"title": "Unauthorized", "detail": "The token is not valid.", "errors": []})
    with serving({"GET /v1/recordings": refused}) as service:
        by_file = service.typed("list", "--token-file", token)
        by_variable = service.typed("list")
    assert (
        by_file.stderr
        == f"pagereel: {token}: The token is not valid. The token of a sandbox is valid only while the sandbox runs\n"
    )
    assert by_variable.stderr.startswith("pagereel: PAGEREEL_TOKEN: The token is not valid.")
