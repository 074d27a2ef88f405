"""The client's README says of every method what the code says, and its receiver of webhooks holds the order."""

import inspect
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, get_args, get_origin

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from described_service import operations, resolved
from pagereel_client import TERMINAL, Client, Wishes
from standardwebhooks import Webhook
from test_client_webhooks import BODY

README = (Path(__file__).parents[2] / "clients/python/README.md").read_text(encoding="utf-8")
TABLE = README.partition("### All methods")[2].partition("### Without asyncio")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line.startswith("| `")]
# The text above the table says what they are.
EXPLAINED = {"recording_id", "limit"}


def signature_of(name: str, method: Any) -> str:
    """The call as the README writes it: without types, defaults as they are."""
    own = [each for each in inspect.signature(method).parameters.values() if each.name != "self"]
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in own]
    return name + str(inspect.Signature(bare)).replace(str(TERMINAL), "TERMINAL")


def gives(method: Any) -> str:
    kind = inspect.signature(method).return_annotation
    if get_origin(kind) is AsyncIterator:
        return f"iterator of `{get_args(kind)[0].__name__}`"
    if kind is Self or kind is None:
        return "a client" if kind is Self else "nothing"
    name = kind.__name__ if get_origin(kind) is None else str(kind)
    return f"`{re.sub(r'([a-z_]+[.])+(?=[A-Za-z])', '', name)}`"


def test_every_method_is_in_the_table_with_its_signature_its_arguments_and_what_it_gives() -> None:
    methods = {
        name: method for name, method in inspect.getmembers(Client, inspect.isroutine) if not name.startswith("_")
    }
    assert sorted(row[0] for row in ROWS) == sorted(f"`{signature_of(*each)}`" for each in methods.items())
    for call, about, result in ROWS:
        method = methods[call.strip("`").partition("(")[0]]
        assert result.startswith(gives(method)), call
        named = set(re.findall(r"`(\w+)`(?=[:,])", about))
        assert set(inspect.signature(method).parameters) - {"self"} - EXPLAINED <= named, call


def test_every_wish_is_named() -> None:
    assert re.findall(r"`(\w+)`", TABLE.partition("`wishes` are")[2]) == list(Wishes.__annotations__)


@pytest.mark.parametrize(
    ("operation", "parameter", "method"),
    [
        ("messages_deliveries", "state", "deliveries"),
        ("notifications_listing", "outcome", "notifications"),
        ("recordings_verify", "level", "verify"),
    ],
    ids=["state", "outcome", "level"],
)
def test_the_choices_are_those_of_the_api(operation: str, parameter: str, method: str) -> None:
    (described,) = (each for *_, each in operations() if each["operationId"] == operation)
    (schema,) = (each["schema"] for each in described["parameters"] if each["name"] == parameter)
    (about,) = (row[1] for row in ROWS if row[0].startswith(f"`{method}("))
    said = about.partition(f"`{parameter}`: ")[2].partition(".")[0].partition(";")[0]
    assert re.findall(r"`(\w+)`", said) == choices(schema)


def choices(schema: dict[str, Any]) -> list[str]:
    return list(resolved(schema)["enum"])


async def test_the_receiver_keeps_the_newest_and_ignores_what_comes_late_or_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (sample,) = re.findall(r"```python\n(from aiohttp import web\n.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(sample, names)
    app: web.Application = names["app"]
    async with TestClient(TestServer(app)) as receiver:
        for number, kind in ((5, "stopped"), (7, "uploaded"), (2, "started"), (9, "verified"), (9, "verified")):
            message = json.loads(BODY)
            message |= {"type": f"recording.{kind}", "data": message["data"] | {"number": number}}
            body, at, name = json.dumps(message), datetime.now(UTC), f"msg_1_{number}"
            headers = {
                "webhook-id": name,
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(names["SECRETS"][0]).sign(name, at, body),
            }
            assert (await receiver.post("/pagereel", data=body, headers=headers)).status == 200
        assert (await receiver.post("/pagereel", data=body)).status == 401
    heard = [line.split()[0].removeprefix("recording.") for line in capsys.readouterr().out.splitlines()]
    assert heard == ["stopped", "uploaded", "verified"]
