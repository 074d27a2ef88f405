"""A bucket that does not answer a verification is told of while the verification goes on asking."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from service.buckets import troubles
from service.buckets.troubles import Troubles
from service.database.engine.database import Database
from service.database.evidence import load_history
from service.database.sealing import Seals
from service.errors import OutsideError, Refused, Unavailable
from service.explain import explain
from service.lifecycle.observations import LookHeldUp
from service.recording import Recording, State
from service.verifier import Verifier
from service.worker.loops import Worker
from tests.database.test_unexpected_errors import SETTINGS, Clock, add, ended, row, store

AWAY = Unavailable("storage_unreachable", "cannot connect to store.example:443: Connection refused")


class Bucket:
    """Answers nothing until `back` is set, and then an empty listing."""

    def __init__(self, error: OutsideError = AWAY) -> None:
        self.back = asyncio.Event()
        self._error = error

    async def list_objects(self, prefix: str, after: str = "", **_: Any) -> AsyncIterator[list[Any]]:
        if not self.back.is_set():
            raise self._error
        yield []

    async def fetch(self, key: str, max_bytes: int, **_: Any) -> None:
        raise AssertionError("nothing is listed")


def worker_on(bucket: Bucket, stored: Any, clock: Clock) -> Worker:
    heard = Troubles()
    verifier = Verifier(lambda recording: heard.watch(recording.id, bucket))  # type: ignore[arg-type]
    return Worker(SETTINGS, stored, clients={}, verifier=verifier, clock=clock, troubles=heard)


async def until_told(database: Database, one: Recording) -> Recording:
    async with asyncio.timeout(10):
        while (found := await row(database, one)).attention is None:
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("state", [State.VERIFYING, State.INCOMPLETE, State.VERIFIED])
async def test_a_bucket_that_does_not_answer_is_told_of_at_once_and_not_after_it_answers(
    state: State, database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "SILENT_SECONDS", 0.05)
    clock, one = Clock(), replace(ended(1), state=state, look_wished=True)
    await add(database, one)
    stored, bucket = store(database, seals, clock), Bucket()
    worker = worker_on(bucket, stored, clock)
    (task,) = await stored.claim(12, 16, 16)
    looking = asyncio.create_task(worker._perform(task))
    found = await until_told(database, one)
    assert found.attention is not None
    assert (found.attention.code, found.attention.detail) == ("storage_unreachable", AWAY.detail)
    told = explain(found, ()).summary
    assert told.count(AWAY.detail) == 1
    assert state is not State.VERIFYING or told.endswith("The verification is under way and goes on asking.")
    bucket.back.set()
    await looking
    assert (await row(database, one)).attention is None
    lines = await database.run(lambda connection: load_history(connection, one.id, limit=9))
    assert "attention" not in {line.kind for line in lines}, "most buckets answer again: it is no line of the history"


async def test_a_bucket_that_answers_again_is_told_of_before_the_verification_ends(
    database: Database, seals: Seals
) -> None:
    clock, one = Clock(), ended(1)
    await add(database, one)
    stored = store(database, seals, clock)
    (task,) = await stored.claim(12, 16, 16)
    await stored.hold_up(task, LookHeldUp(AWAY.code, AWAY.detail))
    assert (await row(database, one)).attention is not None
    await stored.hold_up(task, LookHeldUp())
    assert (await row(database, one)).attention is None
    await stored.release_all()
    await stored.hold_up(task, LookHeldUp(AWAY.code, AWAY.detail))
    assert (await row(database, one)).attention is None, "whoever lost the claim has nothing to say"


async def test_a_bucket_that_refuses_is_told_of_by_its_report_alone(database: Database, seals: Seals) -> None:
    clock, one = Clock(), ended(1)
    await add(database, one)
    stored = store(database, seals, clock)
    worker = worker_on(Bucket(Refused("storage_refused", "status 403 AccessDenied")), stored, clock)
    (task,) = await stored.claim(12, 16, 16)
    await worker._perform(task)
    waits = (await row(database, one)).attention
    assert waits is not None
    assert waits.detail == "storage_refused: status 403 AccessDenied"
