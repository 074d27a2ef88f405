"""What the worker and the API do with stored notifications."""

import asyncio

import pytest

from service.database import notifications
from service.database.inbox import Inbox
from service.database.notifications import (
    claim_notices,
    finish_notice,
    list_notices,
    load_notice,
    measure_inbox,
    open_body,
    park_notice,
    prune_notices,
    replay_notice,
    retry_notice,
)
from service.database.run import Database
from service.database.sealing import Seals
from tests.database.samples import notice


@pytest.fixture
async def five(database: Database, seals: Seals) -> Database:
    async with Inbox(database, seals) as inbox:
        for number in range(1, 6):
            await inbox.put(notice(number, event_type=70 + number % 2))
    return database


async def test_notifications_are_claimed_in_order_and_hidden_until_their_worker_is_given_up(
    five: Database, seals: Seals
) -> None:
    first = await five.run(lambda c: claim_notices(c, 2000, 3))
    assert [(claim.id, claim.tries, claim.received_at) for claim in first] == [(n, 1, 1000.0 + n) for n in (1, 2, 3)]
    assert open_body(first[0], seals) == b'{"noticeId": "1"}'
    assert [claim.id for claim in await five.run(lambda c: claim_notices(c, 2001, 9))] == [4, 5]
    assert await five.run(lambda c: claim_notices(c, 2029, 9)) == []
    again = await five.run(lambda c: claim_notices(c, 2030, 9))
    assert [(claim.id, claim.tries) for claim in again] == [(1, 2), (2, 2), (3, 2)]


async def test_workers_that_claim_at_once_share_the_notifications(five: Database) -> None:
    shares = await asyncio.gather(*(five.run(lambda c: claim_notices(c, 2000, 2)) for _ in range(3)))
    claimed = [claim.id for share in shares for claim in share]
    assert len(claimed) == len(set(claimed))


async def test_a_finished_notification_is_never_claimed_again(five: Database) -> None:
    await five.run(lambda c: finish_notice(c, 1, "applied", "rec_1"))
    await five.run(lambda c: finish_notice(c, 2, "foreign"))
    await five.run(lambda c: park_notice(c, 3))
    await five.run(lambda c: retry_notice(c, 4, 3000))
    assert [claim.id for claim in await five.run(lambda c: claim_notices(c, 2999, 9))] == [5]
    assert [claim.id for claim in await five.run(lambda c: claim_notices(c, 3000, 9))] == [4]
    row = await five.run(lambda c: load_notice(c, 1))
    assert row is not None
    assert (row.outcome, row.recording_id) == ("applied", "rec_1")


async def test_a_replayed_notification_starts_anew(five: Database) -> None:
    await five.run(lambda c: claim_notices(c, 2000, 1))
    await five.run(lambda c: park_notice(c, 1))
    assert await five.run(lambda c: replay_notice(c, 1))
    assert not await five.run(lambda c: replay_notice(c, 99))
    [claim] = await five.run(lambda c: claim_notices(c, 0, 1))
    assert (claim.id, claim.tries) == (1, 1)


async def test_listing_filters_and_pages_newest_first(five: Database) -> None:
    await five.run(lambda c: finish_notice(c, 2, "applied", "rec_1"))

    async def listed(**where: object) -> list[int]:
        return [row.id for row in await five.run(lambda c: list_notices(c, limit=9, **where))]  # type: ignore[arg-type]

    assert await listed() == [5, 4, 3, 2, 1]
    assert await listed(before=4) == [3, 2, 1]
    assert await listed(event_type=71) == [5, 3, 1]
    assert await listed(sid=f"{3:032x}") == [3]
    assert await listed(outcome="applied") == await listed(recording_id="rec_1") == [2]
    assert await listed(apps=frozenset({"other"})) == await listed(apps=frozenset()) == []
    assert await listed(apps=frozenset({"main"}), outcome="new", before=5) == [4, 3, 1]
    assert [row.id for row in await five.run(lambda c: list_notices(c, limit=2))] == [5, 4]


async def test_depth_and_age_of_the_inbox_are_measured(five: Database) -> None:
    assert await five.run(measure_inbox) == (5, 1001.0)
    await five.run(lambda c: [finish_notice(c, n, "test") for n in range(1, 6)])
    assert await five.run(measure_inbox) == (0, None)


async def test_only_old_notifications_that_are_done_with_are_pruned(five: Database) -> None:
    await five.run(lambda c: [finish_notice(c, n, "test") for n in (1, 2, 4)])
    assert await five.run(lambda c: prune_notices(c, 1004.0, 1)) == 1
    assert await five.run(lambda c: prune_notices(c, 1004.0, 9)) == 1
    assert [row.id for row in await five.run(lambda c: list_notices(c, limit=9))] == [5, 4, 3]
    assert await five.run(lambda c: notifications.load_notice(c, 1)) is None
