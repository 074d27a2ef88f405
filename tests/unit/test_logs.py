"""docs/logs.md names every event that is logged, with its fields: no more and no less."""

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from service.logs import configure_logs
from service.settings import Log
from tests.e2e.logged import documented

ROOT = Path(__file__).parents[2]


def _sources() -> list[Path]:
    return sorted(path for room in ("service", "handlers", "metrics") for path in (ROOT / room).rglob("*.py"))


def _spoken(path: Path) -> Iterator[tuple[ast.Attribute, ast.Call | None]]:
    """Each use of the logger in a module, and the call that it is; None where it is none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_log":
            yield node, calls.get(id(node))


def logged() -> dict[str, set[str]]:
    """Every event of the source with its fields; an event that is logged in two places has the same in both."""
    events: dict[str, set[str]] = {}
    for path in _sources():
        for node, call in _spoken(path):
            assert call is not None, f"{path}:{node.lineno}: a level is called where it is named"
            name = call.args[0]
            assert isinstance(name, ast.Constant), f"{path}: an event's name is a literal"
            assert all(keyword.arg for keyword in call.keywords), f"{path}: {name.value} has fields without a name"
            fields = {str(keyword.arg) for keyword in call.keywords} - {"exc_info"}
            assert events.setdefault(str(name.value), fields) == fields, f"{path}: {name.value} has others elsewhere"
    return events


def test_every_event_is_documented_with_its_fields_and_none_is_gone() -> None:
    assert {name: set(fields) for name, fields in documented().items()} == logged()


def test_nobody_logs_past_the_name_that_is_looked_for() -> None:
    """`_log` is how every module calls its logger; another name would hide its events from this test."""
    for path in _sources():
        names = re.findall(r"^(\w+) = .*get_?[lL]ogger\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert names in ([], ["_log"]), path


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_values(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(value: str) -> None:
        raise OverflowError(len(value))

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logs(Log.model_validate({"format": form}))
        try:
            fail("-".join(["CANARY"] * 3))
        except OverflowError:
            structlog.get_logger("test").exception("broken")
    finally:
        root.handlers, root.level = handlers, level
    shown = capsys.readouterr().err
    assert "OverflowError: 20" in shown
    assert "CANARY-CANARY" not in shown
