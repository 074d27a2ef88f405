"""`--config`, `--url` and `--token-file` before a command and behind it, and which token counts."""

import socket
from pathlib import Path

import click
import pytest
from cli_rig import commands, serving

from pagereel.cli.remote.session import _remedy

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


@pytest.mark.parametrize("ending", ["/", "/v1", "/v1/"])
def test_the_url_may_end_in_the_apis_own_path(ending: str) -> None:
    with serving(LIST) as service:
        assert service.typed("list", "--url", service.url + ending).exit_code == 0
    assert {path for _, path, *_ in service.asked} == {"/v1/recordings"}


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
    said = f"pagereel: port {port} is in use by another program; --port 0 chooses a free port (with make: PORT=0)\n"
    assert (done.exit_code, done.stderr) == (2, said)


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        (("behind", "before", "PAGEREEL_TOKEN_FILE", "PAGEREEL_TOKEN"), "behind"),
        (("before", "PAGEREEL_TOKEN_FILE", "PAGEREEL_TOKEN"), "before"),
        (("PAGEREEL_TOKEN_FILE", "PAGEREEL_TOKEN"), "PAGEREEL_TOKEN_FILE"),
        (("PAGEREEL_TOKEN",), "PAGEREEL_TOKEN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_several_tokens_the_one_counts_that_the_documents_name_first(
    given: tuple[str, ...], counts: str, tmp_path: Path
) -> None:
    files = {}
    for name in given:
        files[name] = str(tmp_path / name)
        (tmp_path / name).write_text(f"prl_of_{name}")
    words = ["list"]
    if "before" in given:
        words = ["--token-file", files["before"], *words]
    if "behind" in given:
        words += ["--token-file", files["behind"]]
    variables = {"PAGEREEL_TOKEN": "prl_of_PAGEREEL_TOKEN", "PAGEREEL_TOKEN_FILE": files.get("PAGEREEL_TOKEN_FILE", "")}
    with serving(LIST) as service:
        done = service.typed(*words, **variables)
    assert done.exit_code == 0, done.output
    assert service.headers[0]["Authorization"] == f"Bearer prl_of_{counts}"


def test_a_token_file_that_is_missing_is_an_error_and_no_other_token_is_taken() -> None:
    with serving(LIST) as service:
        done = service.typed("list", PAGEREEL_TOKEN_FILE="/nowhere", PAGEREEL_TOKEN="prl_other")
    assert (done.exit_code, service.asked) == (2, [])
    assert "/nowhere cannot be read" in done.stderr


def test_the_order_of_tokens_is_in_the_help_and_in_the_documents() -> None:
    with serving({}) as service:
        said = " ".join(service.typed("list", "--help").stdout.split())
    assert "Without it: the file in PAGEREEL_TOKEN_FILE, then the token in PAGEREEL_TOKEN." in said
    page = " ".join((Path(__file__).parents[2] / "docs/cli.md").read_text().split())
    assert "1. `--token-file` after the command" in page
    assert page.index("`--token-file` after") < page.index("`PAGEREEL_TOKEN_FILE`") < page.index("`PAGEREEL_TOKEN`")


def test_a_token_that_is_refused_is_named_by_its_place(token: str) -> None:
    refused = (401, {"title": "Unauthorized", "detail": "The token is not valid.", "errors": []})
    with serving({"GET /v1/recordings": refused}) as service:
        by_file = service.typed("list", "--token-file", token)
        by_variable = service.typed("list")
    assert by_file.stderr == (
        f"pagereel: {token}: The token is not valid. It is mistyped, or of another service: `pagereel token list` "
        "names those of this one. The token of a sandbox is valid only while the sandbox runs\n"
    )
    assert by_variable.stderr.startswith("pagereel: PAGEREEL_TOKEN: The token is not valid.")


def test_a_refusal_without_a_full_stop_is_a_sentence_of_its_own() -> None:
    refused = (401, {"title": "Unauthorized", "detail": "the token is not valid", "errors": []})
    with serving({"GET /v1/recordings": refused}) as service:
        done = service.typed("list")
    assert "the token is not valid. It is mistyped, or of another service" in done.stderr


@pytest.mark.parametrize("reason", ["the token was revoked", "the token has expired"])
def test_a_token_that_is_over_is_not_said_to_be_of_a_sandbox(reason: str) -> None:
    with serving({"GET /v1/recordings": (401, {"title": "Unauthorized", "detail": reason, "errors": []})}) as service:
        done = service.typed("list")
    assert done.stderr == f"pagereel: PAGEREEL_TOKEN: {reason}. `pagereel token create` makes another\n"


def test_a_sandbox_is_named_for_a_service_on_this_machine_alone() -> None:
    assert "sandbox" in _remedy("the token is not valid", "http://localhost:8080")
    assert "sandbox" not in _remedy("the token is not valid", "https://pagereel.example.org")


def test_a_token_file_that_cannot_be_read_is_named_by_its_variable(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with serving(LIST) as service:
        by_variable = service.typed("list", PAGEREEL_TOKEN_FILE=absent)
        by_option = service.typed("list", "--token-file", absent)
    reason = f"{absent} cannot be read (No such file or directory)"
    assert by_variable.stderr == f"pagereel: PAGEREEL_TOKEN_FILE: {reason}\n"
    assert by_option.stderr == f"pagereel: {reason}\n"


def test_the_missing_token_of_a_sandbox_is_told_with_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its usual file, relative and whole, and another one with the lock that a sandbox has left beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.lock").touch()
    with serving(LIST) as service:
        usual = service.typed("list", PAGEREEL_TOKEN_FILE="var/sandbox/token")
        whole = service.typed("list", "--token-file", str(tmp_path / "var/sandbox/token"))
        own = service.typed("list", "--token-file", str(tmp_path / "mine"))
    remedy = "`make sandbox` starts it\n"
    while_it_runs = "(No such file or directory). A sandbox has this file while it runs: is it running"
    assert usual.stderr.endswith(f"token cannot be read {while_it_runs}, and is {tmp_path} its directory? {remedy}")
    assert whole.stderr.endswith(f"token cannot be read {while_it_runs}? {remedy}")
    assert own.stderr.endswith(f"mine cannot be read {while_it_runs}? {remedy}")


def test_a_port_where_nobody_listens_is_told_with_how_to_name_another(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    with serving(LIST) as service:
        done = service.typed("list", "--url", url)
    remedy = "Is the service running there? --url or PAGEREEL_URL names another address"
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {url} cannot be reached: Connection refused. {remedy}\n")


def test_who_has_no_token_reads_every_way_to_give_one() -> None:
    with serving(LIST) as service:
        done = service.typed("list", PAGEREEL_TOKEN="")
    for way in ("PAGEREEL_TOKEN_FILE", "PAGEREEL_TOKEN,", "--token-file", "var/sandbox/token"):
        assert way in done.stderr


@pytest.mark.parametrize("rest", ["127.0.0.1:99999", "127.0.0.1:abc", "127.0.0.1:0", ":8080", "[::1"])
def test_a_url_without_a_host_or_with_a_wrong_port_is_named_by_its_option(rest: str) -> None:
    with serving(LIST) as service:
        done = service.typed("list", "--url", f"http://{rest}")
    wanted = f"--url http://{rest} is not the URL of a service: it must name a host, and a port from 1 to 65535 or none"
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {wanted}\n")


@pytest.mark.parametrize("path", ["/v1/recordings", "/docs", "/console", "/openapi.json", "/behind/docs"])
def test_a_url_with_a_path_that_commands_add_is_refused(path: str) -> None:
    with serving(LIST) as service:
        done = service.typed("list", "--url", f"{service.url}{path}")
    added = path.removeprefix("/behind")
    wanted = f"--url {service.url}{path} must not name {added}, which commands add themselves: leave it out"
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {wanted}\n")


def test_https_at_a_port_without_tls_is_said() -> None:
    with serving(LIST) as service:
        place = service.url.removeprefix("http://")
        done = service.typed("list", "--url", f"https://{place}")
    assert done.stderr == f"pagereel: https://{place} cannot be reached: {place} does not speak valid TLS\n"


@pytest.mark.parametrize("answer", [{}, {"message": "no Route matched"}, [], "text", 7], ids=str)
@pytest.mark.parametrize("status", [303, 404, 500])
def test_another_server_at_the_url_is_not_taken_for_the_service(status: int, answer: object) -> None:
    with serving({"GET /v1/recordings": (status, answer)}) as service:
        done = service.typed("list")
    assert (done.exit_code, done.stderr) == (
        2,
        f"pagereel: {service.url} does not answer as Pagereel does (HTTP {status})\n",
    )


def test_an_option_that_may_be_given_again_says_so() -> None:
    again = [
        (name, each)
        for name, command in commands()
        for each in command.params
        if isinstance(each, click.Option) and each.multiple
    ]
    assert ("token create", "scopes") in [(name, each.name) for name, each in again]
    assert [(name, each.name) for name, each in again if "repeatable" not in (each.help or "")] == []


def _taking_texts() -> list[tuple[str, str]]:
    """Every command with each of its options and arguments that takes a value."""
    return [
        (name, each.opts[0])
        for name, command in commands()
        for each in command.params
        if not getattr(each, "is_flag", False) and (name, each.name) != ("verify", "prefix")
    ]


@pytest.mark.parametrize(("name", "taking"), _taking_texts())
def test_an_empty_value_is_refused_in_words(name: str, taking: str) -> None:
    command = dict(commands())[name]
    words = [taking, ""] if taking.startswith("-") else [""]
    with pytest.raises(click.BadParameter) as refused:
        command.make_context(name, words)
    assert (refused.value.message, taking in getattr(refused.value.param, "opts", ())) == ("must not be empty", True)


def test_nothing_is_asked_with_an_empty_value_and_the_option_is_named() -> None:
    with serving({}) as service:
        done = service.typed("record", "https://example.org", "--idempotency-key", "")
        before = service.typed("--url", "", "list")
    assert (done.exit_code, before.exit_code, service.asked) == (2, 2, [])
    assert done.stderr.endswith("Error: Invalid value for '--idempotency-key': must not be empty\n")
    assert before.stderr.endswith("Error: Invalid value for '--url' (env var: 'PAGEREEL_URL'): must not be empty\n")
