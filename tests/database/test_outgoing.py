"""What callers see of messages and endpoints: when the next try is, and how each endpoint does."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from service.database import outbox
from service.database.engine.database import Database
from service.database.outbox import EndpointRow
from service.database.recordings import insert_recording
from service.database.sealing import Seals
from service.delivery.queue import DeliveryQueue
from service.delivery.sender import Outcome, Response
from service.messages import DeliveryError, Message
from service.operations import Caller, Scope
from service.operations.messages import Delivery, EndpointState, Messages
from service.settings import Settings
from tests.database.samples import recording

NOW = 1000.0
SETTINGS = Settings.model_validate(
    {
        "deployment": "test",
        "endpoints": {"crm": {"url": "https://crm.example.org/", "secrets": ["whsec_" + "QUJD" * 8]}},
    }
)
CALLER = Caller(token_id="tok_1", owner="school", scopes=frozenset({Scope.OPERATE}))


class Bench:
    """A message that waits for `crm`, and one for an endpoint that the settings no longer have."""

    def __init__(self, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
        self.database = database
        self.outgoing = Messages(SETTINGS, database, seals, clock)
        self.sending = DeliveryQueue(SETTINGS, database, seals, clock)

    async def deliveries(self) -> dict[str, Delivery]:
        page = await self.outgoing.deliveries(CALLER, state=None, endpoint=None, cursor=None, limit=9)
        return {one.endpoint: one for one in page.items}

    async def endpoint(self) -> EndpointState:
        (one,) = await self.outgoing.endpoints(CALLER)
        return one

    async def answer(self, response: Response) -> None:
        (claim,) = await self.sending.claim("crm")
        await self.sending.report("crm", claim, response)


@pytest.fixture
async def clock() -> list[float]:
    return [NOW]


@pytest.fixture
async def bench(database: Database, seals: Seals, clock: list[float]) -> Bench:
    one = recording(1, notify=("crm", "removed"))
    await database.run(lambda c: insert_recording(c, one, due_at=None))
    message = Message(1, f"msg_{one.id[4:]}_1", NOW - 50, "recording.started", {"type": "recording.started"})
    await database.run(lambda c: outbox.insert_messages(c, one, [message]))
    return Bench(database, seals, lambda: clock[0])


async def test_the_next_try_never_lies_in_the_past(bench: Bench) -> None:
    """A message that is due is tried now, and one whose endpoint left the settings never."""
    shown = await bench.deliveries()
    assert (shown["crm"].next_try_at, shown["removed"].next_try_at) == (NOW, None)


async def test_the_next_try_waits_for_a_failing_endpoint(bench: Bench, clock: list[float]) -> None:
    failing = EndpointRow("crm", failures=9, failing_since=NOW - 90, next_try_at=NOW + 300, last_error="timeout")

    def store(connection: sa.Connection) -> None:
        outbox.load_endpoint(connection, "crm", lock=True)
        outbox.save_endpoint(connection, failing)

    await bench.database.run(store)
    assert (await bench.deliveries())["crm"].next_try_at == NOW + 300
    assert (await bench.endpoint()).next_try_at == NOW + 300
    clock[0] = NOW + 400
    assert (await bench.deliveries())["crm"].next_try_at == (await bench.endpoint()).next_try_at == NOW + 400


async def test_a_disabled_endpoint_is_not_tried(bench: Bench) -> None:
    await bench.answer(Response(Outcome.GONE, 410, DeliveryError.GONE))
    assert (await bench.deliveries())["crm"].next_try_at is None
    shown = await bench.endpoint()
    assert (shown.state, shown.last_error, shown.next_try_at) == ("disabled", "gone", None)


async def test_an_endpoint_that_refuses_is_shown_and_counted_until_it_takes_a_message(
    bench: Bench, clock: list[float]
) -> None:
    await bench.answer(Response(Outcome.REFUSED, 401, DeliveryError.REFUSED))
    shown = await bench.endpoint()
    assert (shown.state, shown.last_error, shown.failing_since) == ("refusing", "refused", None)
    assert await bench.database.run(lambda c: outbox.count_failing(c, ["crm"])) == 1
    clock[0] = NOW + 60
    await bench.answer(Response(Outcome.DELIVERED, 200))
    shown = await bench.endpoint()
    assert (shown.state, shown.last_error) == ("ok", None)
    assert await bench.database.run(lambda c: outbox.count_failing(c, ["crm"])) == 0


async def test_a_failing_endpoint_gets_its_next_message_when_that_is_due(bench: Bench, clock: list[float]) -> None:
    """A look at a moment at which no message is due sends nothing, and delays nothing."""
    await bench.answer(Response(Outcome.FAILING, 500, DeliveryError.SERVER_ERROR))
    clock[0] = NOW + 3  # the endpoint may be asked again, the message waits for its next try
    assert await bench.sending.claim("crm") == []
    due = (await bench.deliveries())["crm"].next_try_at
    assert due is not None
    assert due <= NOW + 6
    clock[0] = due
    assert [claim.tries for claim in await bench.sending.claim("crm")] == [2]
    clock[0] = due + 1
    assert await bench.sending.claim("crm") == []
