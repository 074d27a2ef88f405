"""Lines that a flood would fill the log with are written once in a while, with how many were held back."""

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from service import isolation
from service.errors import Code, ServiceError
from service.operations.notifications.receiving import Receiving
from service.seldom import Seldom


def test_a_line_is_due_once_in_a_while_for_each_key() -> None:
    now = [100.0]
    seldom = Seldom(60, lambda: now[0])
    assert [seldom.due("a"), seldom.due("a"), seldom.due("b"), seldom.due("a")] == [0, None, 0, None]
    now[0] += 59
    assert seldom.due("a") is None
    now[0] += 1
    assert [seldom.due("a"), seldom.due("b"), seldom.due("a")] == [3, 0, None]


def test_a_database_that_is_away_is_one_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(isolation, "_away", Seldom(60, lambda: now[0]))
    with capture_logs() as lines:
        for _ in range(200):
            isolation.note_error("steps", ServiceError(Code.UNAVAILABLE, "the database does not answer"))
            now[0] += 0.5
    assert [(line["event"], line["held_back"]) for line in lines] == [("database_away", 0), ("database_away", 119)]


async def test_a_rejected_notification_names_app_and_address_once_a_minute() -> None:
    secret = SimpleNamespace(get=lambda: "right")
    app: Any = SimpleNamespace(ncs_secrets=(secret,), accept_sha1=False, setup=False)
    nothing: Any = None
    receiving = Receiving({"one": app, "two": app}, nothing, nothing, lambda: None, lambda: 0.0)
    with capture_logs() as lines:
        for name in ("one", "one", "two"):
            with pytest.raises(ServiceError):
                await receiving.receive(name, b"{}", "wrong", None, "192.0.2.7")
    told = [(line["event"], line["app"], line["peer"], line["held_back"]) for line in lines]
    assert told == [("notice_rejected", name, "192.0.2.7", 0) for name in ("one", "two")]
