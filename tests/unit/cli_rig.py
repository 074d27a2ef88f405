"""A service on the wire for the command line: answers what it is given, and keeps what it was asked."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
from click.testing import CliRunner, Result

from pagereel.cli import main

Answer = tuple[int, Any]
ID = "rec_01M8JHGHNXHVJ5HX7G9SV1VHBC"
OTHER = "rec_01M8JHGHNXKKKKKKKKKKKKKKKK"


SCHEDULE = {
    "planned_start_at": "2026-11-29T02:17:57.693Z", "planned_stop_at": "2026-11-29T03:47:57.693Z",
    "planned_seconds": 5400.0, "hour_limit_at": "2026-11-29T05:17:57.693Z", "elapsed_seconds": None,
    "next_verification_at": None, "give_up_at": None,
}  # fmt: skip

REPORT = {
    "number": 2, "verdict": "verified", "level": "content", "judged_at": "2026-11-29T02:20:00.000Z", "findings": [],
    "findings_count": 0, "warnings": 0, "rules_version": 1, "age_seconds": 5.0,
}  # fmt: skip


def commands(group: click.Group = main, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def recording(name: str = ID, state: str = "recording", **more: Any) -> dict[str, Any]:
    """A recording as the API shows it."""
    instants = {
        "requested_at": "2026-11-29T02:17:57.693Z", "start_at": None, "stop_at": None, "recording_at": None,
        "stop_wished_at": None, "ended_at": None, "end_inferred": False,
    }  # fmt: skip
    shown = {
        "id": name, "state": state, "attention": None, "end_reason": None, "blame": None,
        "page": "https://class.example.org/room/42", "app": "demo", "storage": "demo", "labels": {}, "attempts": [],
        "parameters": {"max_recording_hour": 3, "video_width": 1280, "video_height": 720}, "billed_seconds": 75.0,
        "paused": {"confirmed": False}, "instants": instants, "files": {"slices": 0, "bytes": 0}, "coverage": None,
        "verdict": None, "latest_report": None, "warnings": [], "warned": [],
        "schedule": dict(SCHEDULE), "location": {"bucket": "b", "prefix": "p/"},
    }  # fmt: skip
    instants.update(more.pop("instants", {}))
    return shown | more


def problem(status: int, **fields: str) -> Answer:
    """A refusal that names fields: `app="is unknown"`."""
    errors = [{"pointer": f"/{name}", "message": message} for name, message in fields.items()]
    return status, {"title": "Invalid request", "detail": "Not valid.", "code": "invalid", "errors": errors}


@dataclass
class Service:
    """`answers`: by method and path, a pattern; the first that fits. `asked`: method, path, query and body."""

    answers: dict[str, Answer | Callable[[dict[str, Any]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, list[str]], Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        query, content = parse_qs(parts.query), json.loads(body) if body else None
        self.asked.append((method, parts.path, query, content))
        self.headers.append(headers)
        for pattern, found in self.answers.items():
            if re.fullmatch(pattern, f"{method} {parts.path}"):
                return found(content if content is not None else query) if callable(found) else found
        return 404, {"title": "Not found", "detail": "no such recording", "errors": []}

    def typed(self, *words: str, **env: str) -> Result:
        """What a person types, with this service and a token in the variables."""
        given = {"PAGEREEL_URL": self.url, "PAGEREEL_TOKEN": "prl_a_token", "PAGEREEL_TOKEN_FILE": "", "TZ": "UTC"}
        return CliRunner(env=given | {"PAGEREEL_SETTINGS": ""} | env).invoke(main, words)


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[Service]:
    """The service while the block runs."""
    service = Service(answers)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, shown = service.answer(self.command, self.path, dict(self.headers), body)
            content = json.dumps(shown).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = _answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
