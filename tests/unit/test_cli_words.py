"""What commands say of wrong input: in the words that were typed, whole, and without a traceback."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from cli_rig import ID, REPORT, commands, problem, recording, serving
from click.testing import CliRunner

from emulator.cli import EXAMPLES
from emulator.cli import main as emulator
from pagereel.cli import main
from pagereel.cli.remote.bundles import counted

ROOT = Path(__file__).parents[2]


def groups(group: click.Group) -> list[click.Group]:
    """The group and those below it."""
    context = click.Context(group)
    below = [group.get_command(context, name) for name in group.list_commands(context)]
    return [group, *(one for each in below if isinstance(each, click.Group) for one in groups(each))]


@pytest.mark.parametrize("program", [main, emulator], ids=["pagereel", "pagereel-emulator"])
def test_no_line_of_a_help_is_cut(program: click.Group) -> None:
    for group in groups(program):
        shown = CliRunner().invoke(group, ["--help"]).stdout
        assert "..." not in shown.replace("[ARGS]...", ""), shown


@pytest.mark.parametrize("name", [name for name, _ in commands(emulator)])
def test_every_command_of_the_emulator_has_an_example_that_it_understands_and_options_with_their_defaults(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("emulator.toml", "faults.toml", "ncs-secret"):
        (tmp_path / file).touch()
    command = dict(commands(emulator))[name]
    shown = CliRunner().invoke(emulator, [*name.split(), "--help"], terminal_width=200).output
    for example in EXAMPLES[name]:
        assert f"  {example}\n" in shown
        words = shlex.split(example)
        assert words[: 1 + len(name.split())] == ["pagereel-emulator", *name.split()]
        assert command.make_context(name, words[1 + len(name.split()) :])
    for each in command.params:
        if isinstance(each, click.Option):
            assert each.help, each.name
            told = each.show_default or "Default: " in each.help
            assert told or not isinstance(each.default, str | int | float | tuple) or each.is_flag, each.name


def test_no_example_of_the_emulator_is_of_a_command_that_is_gone() -> None:
    assert set(EXAMPLES) == {name for name, _ in commands(emulator)}


@pytest.mark.parametrize("words", [["-h"], ["check-page", "-h"], ["faults", "list", "-h"]], ids=" ".join)
def test_the_emulator_knows_the_short_option_for_help(words: list[str]) -> None:
    assert CliRunner().invoke(emulator, words).exit_code == 0


@pytest.mark.parametrize("name", ["A_", "ab", "a" * 64, "-ab", "a/b", ""])
def test_a_name_that_is_no_bucket_is_refused_before_a_server_starts(name: str) -> None:
    done = CliRunner().invoke(emulator, ["s3", "--bucket", name])
    assert done.exit_code == 2
    assert f"{name!r}: a bucket has 3 to 63 characters" in done.stderr


@pytest.mark.parametrize("command", ["check", "check-receiver"])
def test_an_empty_secret_is_refused_before_anything_is_sent(command: str) -> None:
    done = CliRunner().invoke(emulator, [command, "http://127.0.0.1:1/", "--secret", ""])
    assert (done.exit_code, "the secret is empty" in done.stderr) == (2, True)


@pytest.mark.parametrize("size", ["99999x720", "10x10", "1921x100"])
def test_a_size_of_the_right_form_is_refused_for_its_numbers(size: str) -> None:
    done = CliRunner().invoke(emulator, ["check-page", "http://127.0.0.1:1/", "--size", size])
    assert done.exit_code == 2
    assert "must be 240 to 1920 each way" in done.stderr


def test_an_id_that_was_typed_is_named_in_the_refusal() -> None:
    words = ("adopt", "foo/bar", "--app", "demo", "--storage", "demo", "--uid", "1", "--resource-id", "x")
    with serving({"POST /v1/recordings/foo%2Fbar/adopt": problem(422, recording="is not an id")}) as service:
        done = service.typed(*words)
    assert (done.exit_code, done.stderr) == (2, "pagereel: foo/bar: is not an id\n")


@pytest.mark.parametrize("words", [("notices", "replay", "999999"), ("endpoints", "enable", "999999")], ids=" ".join)
def test_what_does_not_exist_is_named_in_the_refusal(words: tuple[str, ...]) -> None:
    with serving({}) as service:
        done = service.typed(*words)
    assert (done.exit_code, done.stderr) == (2, "pagereel: 999999: no such recording\n")  # the stand-in's own words


def test_a_message_that_was_typed_is_named_in_the_refusal() -> None:
    refused = problem(422, **{"messages/1": "must be the id of a message, msg_…"})
    answers = {"GET /v1/messages": (200, {"items": [], "next": None}), "POST /v1/messages/redrive": refused}
    with serving(answers) as service:
        done = service.typed("messages", "redrive", "one", "two")
    assert (done.exit_code, done.stderr) == (2, "pagereel: two: must be the id of a message, msg_…\n")


@pytest.mark.parametrize(("count", "said"), [(1, "1 message is"), (2, "2 messages are")])
def test_redriven_messages_are_counted_in_a_sentence(count: int, said: str) -> None:
    with serving({"POST /v1/messages/redrive": (200, {"redriven": count})}) as service:
        assert service.typed("messages", "redrive").stdout == f"{said} sent again\n"


def test_an_endpoint_of_any_name_is_enabled_and_its_messages_are_counted() -> None:
    with serving({"POST /v1/endpoints/a%2Fb/enable": (200, {"pending": 1})}) as service:
        assert service.typed("endpoints", "enable", "a/b").stdout == "a/b: 1 message is being sent\n"


def test_a_length_that_agora_cannot_record_is_refused_in_hours() -> None:
    with serving({}) as service:
        done = service.typed("record", "https://class.example.org/", "--for", "30d")
    assert "'30d' must be longer than 0 and at most 719h" in done.stderr
    assert service.asked == []


def test_a_blank_in_a_label_is_visible() -> None:
    with serving({}) as service:
        done = service.typed("record", "https://class.example.org/", "--label", "a b=1")
    assert done.stderr.endswith("'a b' has a blank\n")


NO_FILES = {
    "recording": "No file has been seen in the bucket yet: the recording is recording.\n",
    "incomplete": "No file has been seen in the bucket yet: the recording is incomplete.\n",
    "failed": "No file is known: the recording is failed.\n",
}


@pytest.mark.parametrize("state", NO_FILES)
def test_a_recording_without_files_says_whether_they_may_still_come_and_a_download_of_none_fails(
    state: str, tmp_path: Path
) -> None:
    answers = {
        f"GET /v1/recordings/{ID}/files": (200, {"items": [], "next": None}),
        f"GET /v1/recordings/{ID}": (200, recording(state=state)),
    }
    with serving(answers) as service:
        listed = service.typed("files", ID)
        mp4 = service.typed("files", ID, "--kind", "mp4")
        fetched = service.typed("files", ID, "--download", str(tmp_path))
        as_json = service.typed("files", ID, "--download", str(tmp_path), "--json")
    assert (listed.exit_code, listed.stdout, listed.stderr) == (0, "", NO_FILES[state])
    assert mp4.stderr == NO_FILES[state].replace("No file", "No mp4 file")
    assert (fetched.exit_code, fetched.stdout, fetched.stderr) == (1, "", NO_FILES[state])
    assert (as_json.exit_code, as_json.stdout) == (1, "[]\n")


@pytest.mark.parametrize("state", ["uploading", "verifying"])
def test_what_is_known_of_the_bucket_is_told_with_the_last_listing(state: str) -> None:
    listed = {"slices": 2, "bytes": 2000, "listed_at": "2026-11-29T02:19:00.000Z"}
    for files, told in (
        (listed | {"slices": 0, "bytes": 0, "listed_at": None}, "none known: the bucket has not been listed yet"),
        (listed, "2 slices, 2.0 kB in all, listed at 2026-11-29T02:19:00.000Z"),
    ):
        with serving({f"GET /v1/recordings/{ID}": (200, recording(state=state, files=files))}) as service:
            done = service.typed("show", ID)
        assert re.search(rf"^files +{re.escape(told)}$", done.stdout, re.MULTILINE), done.stdout


def test_what_a_pipe_gets_is_not_wrapped_and_has_no_blanks_at_the_end_of_a_line() -> None:
    """Texts, cells of a table and the lines beside a long one."""
    long = " ".join(["word"] * 400)
    proof = [{"at": "2026-11-29T02:17:57.693Z", "source": source, "text": text} for source, text in
             (("worker", long), ("bucket", "short"))]  # fmt: skip
    told = {"summary": long, "cause": "unknown", "certainty": "unknown", "blame": None, "proof": proof, "advice": long}
    finding = {"severity": "error", "code": "gap", "text": long, "object": None}
    shown = recording(state="defective", latest_report=REPORT | {"findings": [finding]})
    history = [{"at": "2026-11-29T02:17:57.693Z", "source": "worker", "kind": "judged", "count": 1, "detail": detail}
               for detail in ({"text": long}, {})]  # fmt: skip
    answers = {
        f"GET /v1/recordings/{ID}/explanation": (200, told),
        f"GET /v1/recordings/{ID}/timeline": (200, {"items": history, "next": None}),
        f"GET /v1/recordings/{ID}": (200, shown),
    }
    for command, times in (("explain", 3), ("timeline", 1), ("show", 1)):
        with serving(answers) as service:
            done = service.typed(command, ID)
        lines = done.stdout.splitlines()
        assert sum(long in line for line in lines) == times, done.output
        assert lines == [line.rstrip() for line in lines], f"{command}: blanks at the end"


def test_make_demo_with_a_page_names_the_variable_that_it_needs() -> None:
    done = subprocess.run(["make", "-n", "demo", "URL=x"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "URL needs BROWSER=1" in done.stderr


def test_a_recording_that_is_not_there_is_named() -> None:
    with serving({}) as service:
        done = service.typed("show", ID)
    assert (done.exit_code, done.stderr) == (2, f"pagereel: {ID}: no such recording\n")


@pytest.mark.parametrize(
    ("counts", "said"),
    [((7, 0), "7 decisions"), ((1, 1), "1 decision; 1 line (!) taken over as stored"),
     ((7, 2), "7 decisions; 2 lines (!) taken over as stored")],
    ids=["none", "one", "several"],
)  # fmt: skip
def test_a_replay_counts_what_it_took_over_only_where_there_is_some(counts: tuple[int, int], said: str) -> None:
    assert counted(*counts) == said
