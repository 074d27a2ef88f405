"""A process that was frozen between a request and its transaction does not carry the request out: its caller has given
up, and may have asked another process for the opposite since. A stop is carried out however late."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.database.engine.database import Database
from service.database.notifications.inbox import Inbox
from service.database.recordings import insert_recording, load_recording
from service.database.sealing import Seals
from service.errors import Code, ServiceError
from service.operations import Caller, Idempotency, Operations, Scope, Wish
from service.recording import Recording
from service.settings import Settings
from tests.database.samples import recording

SETTINGS = Settings.model_validate({"deployment": "test"})
STARTING = {
    "deployment": "test",
    "apps": {"main": {"app_id": "a", "customer_id": "b", "customer_secret": "c", "ncs_secrets": ["d"]}},
    "storage": {
        "archive": {
            "vendor": 1,
            "region": 0,
            "bucket": "lessons",
            "write": {"access_key": "w", "secret_key": "w"},
            "read": {"access_key": "r", "secret_key": "r"},
        }
    },
}
CALLER = Caller("token", "school", frozenset(Scope))
ACTS: dict[str, Callable[[Operations, str], Awaitable[Any]]] = {
    "pause": lambda operations, name: operations.pause(CALLER, name),
    "resume": lambda operations, name: operations.resume(CALLER, name),
    "change": lambda operations, name: operations.change(CALLER, name, labels={"lesson": "43"}),
    "verify": lambda operations, name: operations.verify(CALLER, name),
    "stop": lambda operations, name: operations.stop(CALLER, name),
}


@dataclass
class Freezing:
    """A clock that has moved on by `seconds` when it is asked for the second time."""

    seconds: float
    asked: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.asked.append(1002.0 + (self.seconds if self.asked else 0.0))
        return self.asked[-1]


async def acted(database: Database, seals: Seals, act: str, seconds: float) -> tuple[Recording, Recording]:
    """The recording before and after."""
    before = recording()
    await database.run(lambda connection: insert_recording(connection, before, due_at=None))
    async with Inbox(database, seals) as inbox:
        operations = Operations(SETTINGS, database, seals, inbox, links=_none, fetch=_none, clock=Freezing(seconds))
        try:
            await ACTS[act](operations, before.id)
        finally:
            after = await database.run(lambda connection: load_recording(connection, before.id))
            assert after is not None
    return before, after


@pytest.mark.parametrize("act", [act for act in ACTS if act != "stop"])
async def test_a_request_that_was_held_up_is_not_carried_out(database: Database, seals: Seals, act: str) -> None:
    with pytest.raises(ServiceError) as raised:
        await acted(database, seals, act, 31)
    assert (raised.value.code, raised.value.detail) == (Code.UNAVAILABLE, "held_up")
    (kept,) = await database.run(lambda c: [load_recording(c, recording().id)])
    assert kept == recording()


async def test_a_start_that_was_held_up_leaves_neither_a_recording_nor_a_key(database: Database, seals: Seals) -> None:
    settings = Settings.model_validate(STARTING)
    wish, asked = Wish(url="https://class.example.org/room/42"), Idempotency("once", b"{}")
    async with Inbox(database, seals) as inbox:
        late, soon = (
            Operations(settings, database, seals, inbox, links=_none, fetch=_none, clock=Freezing(seconds))
            for seconds in (31, 29)
        )
        with pytest.raises(ServiceError) as raised:
            await late.start(CALLER, wish, asked, lambda one: one.id.encode())
        assert (raised.value.code, raised.value.detail) == (Code.UNAVAILABLE, "held_up")
        answer = await soon.start(CALLER, wish, asked, lambda one: one.id.encode())
        assert not answer.replayed
        again = await late.start(CALLER, wish, asked, lambda one: one.id.encode())
        assert (again.replayed, again.recording_id) == (True, answer.recording_id)


async def test_a_stop_is_carried_out_however_late(database: Database, seals: Seals) -> None:
    before, after = await acted(database, seals, "stop", 3600)
    assert (before.stop_wished_at, after.stop_wished_at) == (None, 4602.0)


async def test_a_request_that_was_slow_is_carried_out(database: Database, seals: Seals) -> None:
    _, after = await acted(database, seals, "change", 29)
    assert after.labels == {"lesson": "43"}


async def _none(*_: Any) -> Any:
    raise AssertionError
