"""The docs say what the code says: every metric, state, reason, code and kind, no more and no less; and links lead
somewhere."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
from click import Command, Context, Group

from metrics import recordings
from pagereel.cli import main
from service.explain.waits import WAITS
from service.lifecycle.rules.notifications import EVENTS
from service.messages import DeliveryError
from service.recording import BLAME, AttemptState, EndReason, State
from tests.unit.deploy.doc_pages import anchors_of, first_column, section, sections_of, without_code
from tests.unit.deploy.exported_metrics import judge, load_exported, load_series

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
STATES = DOCS / "states.md"
METRICS = DOCS / "metrics.md"
CLIENT = ROOT / "clients/python"
PAGES = [*sorted(ROOT.glob("*.md")), CLIENT / "README.md", *sorted(DOCS.glob("**/*.md"))]
METRIC = re.compile(r"^### `(\w+)`\n\n\*(\w+)\*(?: · labels: (.*))?$", re.MULTILINE)
PROMQL = re.compile(r"```promql\n(.*?)\n```", re.DOTALL)

# Calls of the lifecycle's `Draft` (and steps) whose first argument is a word that leaves the service.
SPEAKERS = {"note": "kinds", "attend": "attention", "warn": "warnings", "Warn": "warnings"}


def spoken() -> dict[str, set[str]]:
    """Every word the lifecycle says, by what it is; read off the source, so that a new word cannot be forgotten."""
    words: dict[str, set[str]] = {"kinds": set(), "attention": set(), "warnings": set()}
    for path in sorted((ROOT / "service/lifecycle").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for call in ast.walk(function):
                    name = _called(call)
                    if isinstance(call, ast.Call) and name in SPEAKERS and call.args:
                        words[SPEAKERS[name]] |= set(_texts(call.args[0], function))
    words["kinds"] |= {f"notice_{name}" for name in (*EVENTS.values(), "other")} | {"requested", "adoption_corrected"}
    return words


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _texts(node: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """The texts an expression can be: a literal, either branch of a choice, or what a local name was given."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, function)
        yield from _texts(node.orelse, function)
    elif isinstance(node, ast.Name):
        for other in ast.walk(function):
            if isinstance(other, ast.Assign) and any(getattr(one, "id", "") == node.id for one in other.targets):
                yield from _texts(other.value, function)


def test_every_state_is_documented() -> None:
    assert first_column(section(STATES, "States")) == list(State)


def test_every_attempt_state_is_documented() -> None:
    assert first_column(section(STATES, "States of an attempt")) == list(AttemptState)


def test_every_end_reason_is_documented_with_its_blame() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(STATES, "End reasons"), re.MULTILINE)
    assert rows == [(reason.value, BLAME[reason].value) for reason in EndReason]


@pytest.mark.parametrize(
    ("what", "title"), [("attention", "Attention"), ("warnings", "Warnings"), ("kinds", "Timeline")]
)
def test_every_word_of_the_lifecycle_is_documented(what: str, title: str) -> None:
    documented = first_column(section(STATES, title))
    assert len(documented) == len(set(documented))
    assert set(documented) == spoken()[what]


def test_every_word_of_the_lifecycle_has_a_series_of_its_own() -> None:
    assert set(recordings.ATTENTION) == spoken()["attention"] | {"other"}
    assert set(recordings.WARNINGS) == spoken()["warnings"] | {"other"}


def test_what_every_attention_waits_for_is_explained() -> None:
    assert set(WAITS) == spoken()["attention"]
    for sentence, advice in WAITS.values():
        named = re.findall(r"docs/(\S+\.md)#(\S+)\.$", advice)
        assert all(anchor in anchors_of(DOCS / page) for page, anchor in named), sentence


RUNBOOKS = {anchor: text for anchor, text in sections_of(DOCS / "operations.md").items() if "**Alert" in text}


@pytest.mark.parametrize("anchor", RUNBOOKS)
def test_a_runbook_says_what_the_alert_means_what_to_look_at_and_what_to_do(anchor: str) -> None:
    text = RUNBOOKS[anchor]
    parts = [text.index(f"**{part}**") for part in ("Means", "See")]
    assert parts == sorted(parts)
    _, _, rest = text.partition("**See** ")
    commands = re.findall(r"\*\*Look\*\* `([^`]+)`", rest) or re.findall(r"^```sh\n(\w+)", rest, re.MULTILINE)
    assert commands, "a command to begin with"
    after = rest.partition("**Look** ")[2] or rest
    assert len(after.partition("\n\n")[2].strip()) > 80, "what to do"


def test_every_command_of_the_runbooks_exists_with_its_options() -> None:
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    lines = re.findall(r"`(pagereel [a-z][^`]*)`", page) + re.findall(r"^(pagereel [^#\n]*)", page, re.MULTILINE)
    assert len(lines) > 40
    for line in lines:
        _check_command(line)


def _check_command(line: str) -> None:
    """The words of a command line lead to a command, and its options are options of that command."""
    words = shlex.split(line.partition(">")[0])[1:]
    command: Command | None = main
    while words[0].startswith("--"):
        del words[:2]  # an option of the whole, with its value
    while words and isinstance(command, Group) and not words[0].startswith("-"):
        command = command.get_command(Context(command), words.pop(0))
    assert command is not None, line
    known = {name for one in (main, command) for parameter in one.params for name in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, line


def test_why_a_message_does_not_get_through_is_documented_and_in_the_runbook() -> None:
    table = section(DOCS / "messages.md", "How a message is delivered").partition("### Why a message")[2]
    assert sorted(first_column(table)) == sorted(DeliveryError)
    runbook = section(DOCS / "operations.md", "Messages do not arrive")
    assert [error for error in DeliveryError if f"`{error}`" not in runbook] == []


def test_the_words_are_really_read_off_the_source() -> None:
    words = spoken()
    assert "stop_refused" in words["attention"]
    assert "pause_too_long" in words["warnings"]
    assert {"paused", "resumed", "state"} <= words["kinds"]


def test_every_metric_is_documented_and_none_is_gone() -> None:
    documented = {name for name, _, _ in METRIC.findall(METRICS.read_text(encoding="utf-8"))}
    assert documented == set(load_exported())


def test_a_documented_metric_has_its_type_and_labels() -> None:
    exported = load_exported()
    for name, kind, labels in METRIC.findall(METRICS.read_text(encoding="utf-8")):
        assert (name, kind) == (name, exported[name].type)
        assert (name, set(re.findall(r"`(\w+)`", labels))) == (name, exported[name].labels)


def test_every_metric_has_a_query_and_something_to_do() -> None:
    for block in re.split(r"^### ", METRICS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name = block.split("`")[1]
        queries = PROMQL.findall(block)
        assert len(queries) == 1, name
        assert name in queries[0], name
        assert judge(queries[0], load_series()) == [], name
        assert "**Act.** " in block, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_promql_on_a_page_asks_for_exported_metrics(page: Path) -> None:
    for query in PROMQL.findall(page.read_text(encoding="utf-8")):
        promql_parser.parse(query)
        assert judge(query, load_series()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", without_code(page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        aimed = (page.parent / path).resolve() if path else page
        assert aimed.exists(), target
        if anchor and aimed.suffix == ".md":
            assert anchor in anchors_of(aimed), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_metric_named_on_a_page_exists(page: Path) -> None:
    names = set(re.findall(r"\bpagereel_[a-z_]+[a-z]\b", page.read_text(encoding="utf-8")))
    known = set(load_series()) | set(load_exported()) | {next(CLIENT.glob("*/__init__.py")).parent.name}
    # Any other word that only begins like a metric (a database, a package) is written without the underscore.
    assert names <= known


def test_every_command_is_documented_and_none_is_gone() -> None:
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `pagereel ([a-z-]+)` \|", page, re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == set(main.list_commands(Context(main)))


def test_who_is_about_to_record_a_page_reads_how_to_check_it() -> None:
    record = main.get_command(Context(main), "record")
    assert record is not None
    form = (ROOT / "handlers/console/templates/start.html").read_text(encoding="utf-8")
    for text in ((ROOT / "README.md").read_text(encoding="utf-8"), record.help or "", form):
        assert "pagereel-emulator check-page" in text


def test_every_command_is_found_under_its_name() -> None:
    context = Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    assert {command and command.name for command in found.values()} == set(found)
    assert main.get_command(context, "nothing") is None


def test_every_test_that_shows_a_promise_exists() -> None:
    written = {
        found
        for path in (ROOT / "tests").rglob("test_*.py")
        for found in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "reliability.md").read_text(encoding="utf-8")))
    assert len(named) > 31
    assert named <= written | modules


def test_every_fault_of_the_catalogue_has_its_row() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| `test_", section(DOCS / "reliability.md", "Faults"), re.MULTILINE)
    assert rows == [str(number) for number in range(1, 32)]


def test_every_path_of_the_contributors_guide_exists() -> None:
    """A path with a `*` names at least one file. What a reader makes (`dist/`, `var/`) is no path of the tree."""
    text = without_code((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    paths = {path for path in re.findall(r"`([\w.*/-]+)`", text) if "/" in path or path.endswith(".md")}
    assert len(paths) > 30
    assert [path for path in sorted(paths) if not [*ROOT.glob(path.rstrip("/"))]] == []


def test_every_decision_has_the_next_number_and_its_line() -> None:
    folder = DOCS / "decisions"
    names = sorted(page.name for page in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    rows = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \| (\S+) \| (.+) \|$", (folder / "index.md").read_text("utf-8"), re.M)
    assert [name for _, name, _, _ in rows] == names
    for number, name, date, title in rows:
        assert (folder / name).read_text("utf-8").startswith(f"# {number}. {title}\n\nDecided on {date}.\n\n"), name
