"""docs/logs.md names every event that is logged, with its fields: no more and no less."""

import ast
import asyncio
import json
import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from pagereel.logs import configure_logs
from service.settings import Log
from tests.e2e.logged import documented

ROOT = Path(__file__).parents[2]


def _sources() -> list[Path]:
    rooms = ("pagereel", "service", "handlers", "metrics")
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


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


def test_the_command_for_whoever_is_on_call_finds_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """The pattern stands in docs/operations.md; a blank more or less, and it finds nothing and calms everybody."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"journalctl .*? \| grep -E '(\"level.*?)'", page)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logs(Log())
        logger = structlog.get_logger("test")
        logger.info("quiet")
        logger.warning("outside_failed")
        logger.error("step_failed")
    finally:
        root.handlers, root.level = handlers, level
    log = capsys.readouterr().err
    found = subprocess.run(["grep", "-E", pattern], input=log, check=True, stdout=subprocess.PIPE, text=True)
    assert [json.loads(line)["event"] for line in found.stdout.splitlines()] == ["outside_failed", "step_failed"]


NO_HTTP = {
    "long": b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "twice": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "header": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: CANARY\x00\r\n\r\n",
    "version": b"GET / HTTP/9\r\nHost: CANARY\r\n\r\n",
}


@pytest.mark.parametrize("level", ["info", "warning"])
async def test_bytes_that_are_no_http_are_one_plain_line(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At level `warning` none: nothing is wrong here. A real error of the server keeps its traceback."""
    configure_logs(Log(level=level))  # type: ignore[arg-type]
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        for content in NO_HTTP.values():
            reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
            writer.write(content)
            assert (await reader.read()).split(maxsplit=2)[1] == b"400"
            writer.close()
        logging.getLogger("aiohttp.server").error("Unhandled exception", exc_info=ValueError("ours"))
    finally:
        await runner.cleanup()
        configure_logs(Log())
    *plain, error = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "ValueError: ours" in error["exception"]
    assert {(line["event"], line["level"]) for line in plain} <= {("not_http from 127.0.0.1", "info")}
    assert len(plain) == (len(NO_HTTP) if level == "info" else 0)
