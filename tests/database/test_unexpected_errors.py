"""An error that nobody expected stays with the recording, the message or the round in which it came: all others go on,
a wish to stop is kept, and a verification comes to an end."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from metrics import REGISTRY
from metrics.worker import LOOPS
from service.database.engine.database import Database
from service.database.outbox import DeliveryClaim, DeliveryRow, insert_messages, list_deliveries
from service.database.recordings import insert_recording, load_open, load_recording
from service.database.sealing import Seals
from service.database.tables import recordings
from service.delivery.deliverer import Deliverer
from service.delivery.queue import DeliveryQueue
from service.delivery.retry import STEPS_SECONDS
from service.delivery.sender import Outcome, Post, Response
from service.errors import Code, ServiceError
from service.isolation import isolate
from service.lifecycle.observations import Observation, Stop, Stopped, TaskSeen
from service.messages import message_of
from service.operations.messages import Messages
from service.operations.types import Caller
from service.recording import AttemptState, EndReason, Recording, State
from service.report import JudgedFile
from service.settings import Settings
from service.verifier import Verifier
from service.worker import store as work
from service.worker.loops import Worker
from service.worker.overtaking import Task
from service.worker.store import LONGEST_SET_BACK_SECONDS, MAX_TRIES, Work
from tests.database.samples import attempt, recording
from tests.unit.delivery.test_delivery_rules import SECRETS

SETTINGS = Settings.model_validate(
    {
        "deployment": "test",
        "urls": {"allow_http_hosts": ["127.0.0.1"], "allow_private_hosts": ["127.0.0.1"]},
        "endpoints": {"crm": {"url": "http://127.0.0.1:1/", "secrets": SECRETS[:1], "concurrency": 4}},
    }
)
LEVEL = "pagereel_worker_parked_recordings"


@pytest.fixture(autouse=True)
def no_tracebacks() -> Iterator[None]:
    """Drawing one takes a second."""
    with capture_logs():
        yield


@dataclass
class Clock:
    now: float = 2000.0

    def __call__(self) -> float:
        return self.now


def ended(number: int, **changes: Any) -> Recording:
    """A recording that waits for its verdict."""
    over = attempt(1, f"test-{number}", number, state=AttemptState.ENDED, ended_at=1500.0, recording_at=1400.0)
    waiting = {"state": State.VERIFYING, "ended_at": 1500.0, "looks_from_at": 1500.0, "next_look_at": 1500.0}
    return recording(number, attempts=(over,), give_up_at=9000.0, end_reason=EndReason.STOPPED, **waiting, **changes)


def running(number: int, **changes: Any) -> Recording:
    """A recording that somebody wants to end."""
    alive = attempt(
        1, f"test-{number}", number, state=AttemptState.RUNNING, sid=f"{number:032x}", resource_id="R",
        acquired_at=1000.0, start_sent_at=1001.0, started_at=1001.0, recording_at=1002.0, next_query_at=None,
    )  # fmt: skip
    wanted = {"state": State.STOPPING, "stop_wished_at": 1900.0, "end_reason": EndReason.STOPPED}
    return recording(number, attempts=(alive,), window_from_at=1000.0, **wanted | changes)


async def add(database: Database, *made: Recording) -> None:
    for one in made:
        await database.run(lambda connection, one=one: insert_recording(connection, one, due_at=1900.0))


async def row(database: Database, one: Recording) -> Recording:
    found = await database.run(lambda connection: load_recording(connection, one.id))
    assert found is not None
    return found


async def due_at(database: Database, one: Recording) -> float | None:
    query = sa.select(recordings.c.due_at).where(recordings.c.id == one.id)
    found: float | None = await database.run(lambda connection: connection.execute(query).scalar_one())
    return found


def parked() -> float | None:
    return REGISTRY.get_sample_value(LEVEL)


def store(database: Database, seals: Seals, clock: Clock) -> Work:
    return Work(SETTINGS, database, seals, worker_id="w", clock=clock)


# --- claims --------------------------------------------------------------------------------------------------------


async def test_a_row_that_cannot_be_read_is_set_back_and_holds_up_no_other(database: Database, seals: Seals) -> None:
    clock, broken, good = Clock(), ended(1), ended(2)
    await add(database, broken, good)
    spoil = sa.update(recordings).where(recordings.c.id == broken.id)
    await database.run(lambda connection: connection.execute(spoil.values(document="nonsense")))
    stored = store(database, seals, clock)
    for tried in range(1, MAX_TRIES + 1):
        tasks = await stored.claim(12, 16, 16)
        assert [task.recording.id for task in tasks] == ([good.id] if tried == 1 else [])
        assert await due_at(database, broken) == clock.now + min(2.0**tried, LONGEST_SET_BACK_SECONDS)
        assert parked() == (tried >= MAX_TRIES)
        clock.now += LONGEST_SET_BACK_SECONDS
        await stored.renew([Task(good, Stop(EndReason.STOPPED), 1, None)], 12)
    whole = sa.update(recordings).where(recordings.c.id == broken.id)
    document = (await database.run(lambda c: c.execute(sa.select(recordings.c.document)).scalars().all()))[-1]
    await database.run(lambda c: c.execute(whole.values(document=document.replace(good.id, broken.id))))
    assert broken.id in {task.recording.id for task in await stored.claim(12, 16, 16)}, "put right, it goes on"


async def test_a_row_that_cannot_be_read_does_not_keep_a_restored_service_from_starting(database: Database) -> None:
    broken, good = ended(1), ended(2)
    await add(database, broken, good)
    spoil = sa.update(recordings).where(recordings.c.id == broken.id)
    await database.run(lambda connection: connection.execute(spoil.values(document="nonsense")))
    found = await database.run(lambda connection: load_open(connection, 9000.0, "", 50))
    assert [one.id for one in found] == [good.id]


async def test_a_rule_that_breaks_at_one_recording_holds_up_no_other(
    database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, broken, good = Clock(), ended(1), ended(2)
    await add(database, broken, good)
    rule: Callable[..., Any] = work.next_step

    def fail(one: Recording, now: float) -> Any:
        if one.id == broken.id:
            raise OverflowError("no such date")
        return rule(one, now)

    monkeypatch.setattr(work, "next_step", fail)
    stored = store(database, seals, clock)
    assert [task.recording.id for task in await stored.claim(12, 16, 16)] == [good.id]
    assert await due_at(database, broken) == clock.now + 2
    monkeypatch.setattr(work, "next_step", rule)
    clock.now += 3
    assert broken.id in {task.recording.id for task in await stored.claim(12, 16, 16)}


# --- steps ---------------------------------------------------------------------------------------------------------


@dataclass
class OddSteps:
    """Fails where it is told to; else the task stops."""

    fails: Callable[[Task], bool]
    taken: list[Task] = field(default_factory=list)

    async def observe(self, task: Task) -> tuple[Observation, tuple[JudgedFile, ...]]:
        self.taken.append(task)
        if self.fails(task):
            raise OverflowError("no such date")
        return (Stopped() if isinstance(task.step, Stop) else TaskSeen(20, exited=True)), ()


def worker_of(stored: Work, clock: Clock, steps: Any, monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker(SETTINGS, stored, clients={}, verifier=Verifier(lambda _: None), clock=clock)  # type: ignore[arg-type,return-value]
    monkeypatch.setattr(made, "_steps", steps)
    return made


async def perform_due(stored: Work, worker: Worker) -> int:
    tasks = await stored.claim(12, 16, 16)
    for task in tasks:
        await worker._perform(task)
    return len(tasks)


async def test_a_verification_that_always_breaks_ends_unproven(
    database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, broken = Clock(), ended(1)
    await add(database, broken)
    stored = store(database, seals, clock)
    steps = OddSteps(lambda _: True)
    worker = worker_of(stored, clock, steps, monkeypatch)
    while (found := await row(database, broken)).state is State.VERIFYING:
        assert clock.now < 20_000
        await perform_due(stored, worker)
        clock.now = max(await due_at(database, broken) or 0, clock.now) + 1
    assert found.state is State.UNPROVEN
    assert clock.now >= 9000
    assert found.latest_report is not None
    assert [one.code for one in found.latest_report.findings] == ["verifier_failed"]
    assert parked() == 0, "it is over"


async def test_a_stop_that_breaks_is_tried_again_with_growing_waits_until_it_works(
    database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, one = Clock(), running(1)
    await add(database, one)
    stored = store(database, seals, clock)
    steps = OddSteps(lambda _: len(steps.taken) <= 10)
    worker = worker_of(stored, clock, steps, monkeypatch)
    instants: list[float] = []
    while len(steps.taken) <= 10:
        before = len(steps.taken)
        await perform_due(stored, worker)
        instants += [clock.now] * (len(steps.taken) - before)
        if len(steps.taken) == 9:
            assert parked() == 1, "an alert fires"
        clock.now = max(await due_at(database, one) or 0, clock.now) + 0.1
    assert all(isinstance(task.step, Stop) for task in steps.taken)
    assert max(later - earlier for earlier, later in itertools.pairwise(instants)) <= 400
    found = await row(database, one)
    assert found.attempt is not None
    assert found.attempt.state is AttemptState.STOPPING
    assert parked() == 0


async def test_an_answer_that_breaks_the_rules_counts_as_a_failed_call(
    database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, one = Clock(), running(1)
    await add(database, one)
    stored = store(database, seals, clock)

    class Strange(OddSteps):
        async def observe(self, task: Task) -> tuple[Observation, tuple[JudgedFile, ...]]:
            return "what is this"  # type: ignore[return-value]

    await perform_due(stored, worker_of(stored, clock, Strange(lambda _: False), monkeypatch))
    found = await row(database, one)
    assert found.attention is not None
    assert found.attention.detail == "stop: unexpected_error"
    assert found.attempt is not None
    assert found.attempt.stop_again_at is not None
    assert found.attempt.stop_again_at > clock.now
    assert found.stop_wished_at == 1900.0


async def test_where_nothing_can_be_written_down_the_recording_is_set_back(
    database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, one = Clock(), running(1)
    await add(database, one)
    stored = store(database, seals, clock)

    async def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no row")

    monkeypatch.setattr(stored, "report", fail)
    await perform_due(stored, worker_of(stored, clock, OddSteps(lambda _: False), monkeypatch))
    assert await due_at(database, one) == clock.now + 2
    lease = sa.select(recordings.c.lease_until)
    assert await database.run(lambda connection: connection.execute(lease).scalar_one()) is None


async def test_a_database_that_is_away_is_no_mistake_and_changes_nothing(
    database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, one = Clock(), running(1)
    await add(database, one)
    stored = store(database, seals, clock)

    async def fail(*_: Any, **__: Any) -> None:
        raise ServiceError(Code.UNAVAILABLE, "away")

    monkeypatch.setattr(stored, "report", fail)
    before = parked()
    await perform_due(stored, worker_of(stored, clock, OddSteps(lambda _: False), monkeypatch))
    assert await due_at(database, one) is not None
    assert parked() == before


# --- loops ---------------------------------------------------------------------------------------------------------


def errors(loop: str) -> float:
    return REGISTRY.get_sample_value("pagereel_worker_loop_errors_total", {"loop": loop}) or 0


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_loop_goes_on_after_an_error_and_counts_it(loop: str) -> None:
    async def fail(error: Exception) -> str:
        raise error

    before = errors(loop)
    assert await isolate(loop, fail(OverflowError("no such date")), "otherwise") == "otherwise"
    assert errors(loop) == before + 1
    assert await isolate(loop, fail(ServiceError(Code.UNAVAILABLE, "away")), "otherwise") == "otherwise"
    assert errors(loop) == before + 1, "a database that is away is waited for"
    with pytest.raises(asyncio.CancelledError):
        await isolate(loop, fail(asyncio.CancelledError()), "otherwise")  # type: ignore[arg-type]


BROKEN = {
    "claim": "claims",
    "sort_notices": "notices",
    "measure": "gauges",
    "prune": "pruning",
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_no_loop_of_the_worker_ends_it(
    broken: str, database: Database, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    stored = store(database, seals, clock)
    worker = worker_of(stored, clock, OddSteps(lambda _: False), monkeypatch)

    async def fail(*_: Any, **__: Any) -> None:
        raise OverflowError("no such date")

    monkeypatch.setattr(stored, broken, fail)
    before = errors(BROKEN[broken])
    running_worker = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        while errors(BROKEN[broken]) == before:
            await asyncio.sleep(0.01)
    assert not running_worker.done()
    running_worker.cancel()
    await asyncio.gather(running_worker, return_exceptions=True)


# --- messages ------------------------------------------------------------------------------------------------------


async def told(database: Database, number: int) -> Recording:
    """A recording of which a message waits for the endpoint."""
    one = replace(ended(number), notify=("crm",))
    await add(database, one)

    def transaction(connection: sa.Connection) -> None:
        message = message_of(one, 3, 1900.0, "state", {"state": State.VERIFIED})
        assert message is not None
        insert_messages(connection, one, [message])

    await database.run(transaction)
    return one


def every_delivery(connection: sa.Connection) -> list[DeliveryRow]:
    return list_deliveries(connection, "school", state=None, endpoint=None, before=None, limit=9)


async def send_due(sending: DeliveryQueue, deliverer: Deliverer) -> list[DeliveryClaim]:
    claims = await sending.claim("crm")
    for claim in claims:
        await deliverer._deliver("crm", SETTINGS.endpoints["crm"], claim)
    return claims


@pytest.fixture
def sender() -> Callable[[Callable[[Post], Awaitable[Response]], DeliveryQueue, Clock], Deliverer]:
    return lambda send, sending, clock: Deliverer(SETTINGS, sending, send=send, clock=clock)


async def test_a_message_that_breaks_its_sender_is_a_dead_letter_in_the_end_and_holds_up_no_other(
    database: Database, seals: Seals, sender: Callable[..., Deliverer]
) -> None:
    clock = Clock()
    broken, good = await told(database, 1), await told(database, 2)

    async def send(post: Post) -> Response:
        if broken.id[4:] in post.headers["webhook-id"]:
            raise OverflowError("no such date")
        return Response(Outcome.DELIVERED, 204)

    sending = DeliveryQueue(SETTINGS, database, seals, clock)
    deliverer = sender(send, sending, clock)
    tries = 0
    for _ in range(3 * len(STEPS_SECONDS)):
        tries += sum(claim.recording_id == broken.id for claim in await send_due(sending, deliverer))
        clock.now += 50_000
    found = await database.run(every_delivery)
    by_recording = {one.recording_id: one for one in found}
    assert by_recording[good.id].state == "delivered"
    assert by_recording[good.id].tries == 1
    assert (by_recording[broken.id].state, by_recording[broken.id].last_error) == ("dead", "unexpected_error")
    assert tries == len(STEPS_SECONDS) + 1

    outgoing = Messages(SETTINGS, database, seals, clock)
    caller = Caller("tok", "school", frozenset({"operate"}))
    (endpoint,) = await outgoing.endpoints(caller)
    assert endpoint.state == "ok", "it is not the endpoint's fault"
    assert await outgoing.redrive(caller, endpoint="crm", message_ids=None) == 1

    async def mended(post: Post) -> Response:
        return Response(Outcome.DELIVERED, 204)

    await send_due(sending, sender(mended, sending, clock))
    found = await database.run(every_delivery)
    assert {one.state for one in found} == {"delivered"}
