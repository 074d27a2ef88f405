"""Messages, the feed and deliveries as rows: written with their change, in one order, claimed by one at a time."""

import asyncio
from functools import partial

import pytest
import sqlalchemy as sa

from service.database import outbox
from service.database.engine.database import Database
from service.database.outbox import EndpointRow
from service.database.recordings import insert_recording
from service.database.sealing import Seals
from service.database.tables import deliveries
from service.delivery.queue import DeliveryQueue
from service.delivery.retry import GIVE_UP_SECONDS, STEPS_SECONDS
from service.delivery.sender import Outcome, Response
from service.messages import DeliveryError, Message
from service.operations import Caller, Scope
from service.operations.messages import Messages
from service.recording import Recording
from service.settings import Settings
from tests.database.samples import recording

ONE, OTHER = recording(1, notify=("crm", "log")), recording(2, owner="other", notify=("crm",))
OPERATOR = Caller("token", "school", frozenset(Scope))


def message(number: int, of: Recording = ONE, at: float = 0.0) -> Message:
    document = {"type": "recording.started", "data": {"number": number}}
    return Message(number, f"msg_{of.id[4:]}_{number}", at or 100.0 + number, "recording.started", document)


@pytest.fixture
async def stored(database: Database) -> Database:
    for each in (ONE, OTHER):
        await database.run(lambda c, each=each: insert_recording(c, each, due_at=None))
    return database


async def tell(database: Database, *messages: Message, of: Recording = ONE) -> None:
    await database.run(lambda c: outbox.insert_messages(c, of, messages))


async def test_a_message_exists_once_and_has_a_delivery_for_each_endpoint_that_was_named(stored: Database) -> None:
    await tell(stored, message(1))
    with pytest.raises(sa.exc.IntegrityError):
        await tell(stored, message(1))
    rows = await stored.run(
        lambda c: outbox.list_deliveries(c, "school", state=None, endpoint=None, before=None, limit=9)
    )
    assert [(row.endpoint, row.state, row.tries) for row in rows] == [("log", "pending", 0), ("crm", "pending", 0)]


async def test_the_feed_gives_each_owner_his_messages_in_the_order_of_publishing(stored: Database) -> None:
    await tell(stored, message(1), message(2))
    await tell(stored, message(7, OTHER), of=OTHER)
    assert await stored.run(outbox.publish) == 3
    await tell(stored, message(3, at=1.0))  # older by its clock, but later in the feed: nobody misses it
    assert await stored.run(outbox.publish) == 1
    assert await stored.run(outbox.publish) == 0
    events = await stored.run(lambda c: outbox.load_events(c, "school", after=0, limit=9))
    assert [event.document["data"]["number"] for event in events] == [1, 2, 3]
    behind = await stored.run(lambda c: outbox.load_events(c, "school", after=events[1].position, limit=9))
    assert [event.id for event in behind] == [events[2].id]
    assert [each.id for each in await stored.run(lambda c: outbox.load_events(c, "other", after=0, limit=9))] == [
        message(7, OTHER).id
    ]


async def test_a_reader_that_follows_while_others_write_misses_nothing(stored: Database) -> None:
    seen: list[str] = []

    async def write(first: int) -> None:
        for number in range(first, 200, 4):
            await tell(stored, message(number))

    async def read() -> None:
        after = 0
        while len(seen) < 200:
            await stored.run(outbox.publish)
            for event in await stored.run(partial(outbox.load_events, owner="school", after=after, limit=7)):
                after, _ = event.position, seen.append(event.id)

    async with asyncio.timeout(60):
        await asyncio.gather(*(write(first) for first in range(4)), read())
    assert sorted(seen) == sorted(message(number).id for number in range(200))


async def test_what_is_claimed_is_hidden_for_a_while_and_there_again_if_its_sender_dies(stored: Database) -> None:
    await tell(stored, message(1), message(2))
    first = await stored.run(lambda c: outbox.claim_deliveries(c, "crm", 200.0, 1, 60.0))
    rest = await stored.run(lambda c: outbox.claim_deliveries(c, "crm", 200.0, 9, 60.0))
    assert [claim.message_id for claim in (*first, *rest)] == [message(1).id, message(2).id]
    assert await stored.run(lambda c: outbox.claim_deliveries(c, "crm", 259.0, 9, 60.0)) == []
    again = await stored.run(lambda c: outbox.claim_deliveries(c, "crm", 261.0, 9, 60.0))
    assert [(claim.message_id, claim.tries) for claim in again] == [(message(1).id, 2), (message(2).id, 2)]
    assert again[0].body == first[0].body == '{"type":"recording.started","data":{"number":1}}'
    assert len(await stored.run(lambda c: outbox.claim_deliveries(c, "log", 261.0, 9, 60.0))) == 2


async def test_an_ended_delivery_stays_ended_and_dead_ones_are_tried_again_on_demand(stored: Database) -> None:
    await tell(stored, message(1), message(2))
    await stored.run(lambda c: outbox.end_delivery(c, "crm", message(1).id, "delivered", 300.0, status=200))
    await stored.run(lambda c: outbox.retry_delivery(c, "crm", message(1).id, 5.0, status=500, error="late"))
    await stored.run(lambda c: outbox.end_delivery(c, "crm", message(2).id, "dead", 300.0, error="refused"))
    assert await stored.run(lambda c: outbox.claim_deliveries(c, "crm", 999.0, 9, 60.0)) == []
    dead = await stored.run(
        lambda c: outbox.list_deliveries(c, "school", state="dead", endpoint=None, before=None, limit=9)
    )
    assert [(row.message_id, row.last_error) for row in dead] == [(message(2).id, "refused")]
    for owner, count in (("other", 0), ("school", 1)):
        again = partial(outbox.redrive, owner=owner, now=400.0, endpoint=None, message_ids=None)
        assert await stored.run(again) == count
    claims = await stored.run(lambda c: outbox.claim_deliveries(c, "crm", 400.0, 9, 60.0))
    assert [(claim.message_id, claim.tries) for claim in claims] == [(message(2).id, 1)]


async def test_enabling_an_endpoint_begins_the_schedule_of_what_waits_anew(stored: Database, seals: Seals) -> None:
    """At its last try, and a week old: neither the next failure nor its age gives it up."""
    await tell(stored, message(1), message(2))
    last = len(STEPS_SECONDS)
    week = 101.0 + GIVE_UP_SECONDS
    values = deliveries.update().where(deliveries.c.message_id == message(1).id)
    await stored.run(lambda c: c.execute(values.values(tries=last, next_try_at=week + 40_000)))
    await stored.run(lambda c: c.execute(deliveries.update().where(deliveries.c.endpoint == "log").values(tries=5)))
    hook = {"url": "https://example.org/hook", "secrets": ["whsec_" + "QUJD" * 8]}
    settings = Settings.model_validate({"deployment": "test", "endpoints": {"crm": hook}})
    now = [week]
    await Messages(settings, stored, seals, lambda: now[0]).enable(OPERATOR, "crm")
    sending = DeliveryQueue(settings, stored, seals, lambda: now[0])
    claims = {claim.message_id: claim for claim in await sending.claim("crm")}
    assert claims[message(1).id].tries == 1
    await sending.report("crm", claims[message(1).id], Response(Outcome.FAILING, error=DeliveryError.TIMEOUT))
    now[0] += 60
    await stored.run(lambda c: outbox.bury_deliveries(c, now[0] - GIVE_UP_SECONDS, now[0], 99))
    states = await stored.run(lambda c: c.execute(sa.select(deliveries.c.endpoint, deliveries.c.state)).all())
    assert {state for name, state in states if name == "crm"} == {"pending"}
    others = sa.select(deliveries.c.tries).where(deliveries.c.endpoint == "log")
    assert set(await stored.run(lambda c: c.execute(others).scalars().all())) == {5}, "no other endpoint's"


async def test_what_waited_too_long_is_given_up_and_old_messages_go_unless_waited_for(stored: Database) -> None:
    await tell(stored, message(1), message(2))
    for name in ("crm", "log"):
        await stored.run(lambda c, name=name: outbox.end_delivery(c, name, message(1).id, "delivered", 300.0))
    assert await stored.run(lambda c: outbox.prune_messages(c, 1000.0, 9)) == 1
    assert await stored.run(lambda c: outbox.bury_deliveries(c, 102.0, 500.0, 9)) == 0
    assert await stored.run(lambda c: outbox.bury_deliveries(c, 103.0, 500.0, 9)) == 2
    assert await stored.run(outbox.count_deliveries) == {("crm", "dead"): 1, ("log", "dead"): 1}
    assert await stored.run(outbox.oldest_pending) is None


async def test_how_an_endpoint_does_is_kept(stored: Database) -> None:
    assert await stored.run(lambda c: outbox.load_endpoint(c, "crm")) == EndpointRow("crm")
    failing = EndpointRow("crm", 3, 5.0, 9.0, None, "timeout")

    def note(connection: sa.Connection) -> None:
        assert outbox.load_endpoint(connection, "crm", lock=True) == EndpointRow("crm")
        outbox.save_endpoint(connection, failing)

    await stored.run(note)
    assert await stored.run(lambda c: outbox.load_endpoint(c, "crm")) == failing
    assert await stored.run(lambda c: outbox.count_failing(c, {"crm": 1, "other": 2})) == 1
    assert await stored.run(lambda c: outbox.count_failing(c, ["other"])) == 0, "it is gone from the settings"
