"""What the worker and the API do with stored notifications."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from service.database import tables
from service.database.engine.database import Database
from service.database.notifications import stored as notifications
from service.database.notifications.inbox import Inbox
from service.database.notifications.stored import (
    NoticeClaim,
    count_unknown,
    finish_notice,
    list_notices,
    load_notice,
    measure_inbox,
    open_body,
    park_notice,
    prune_notices,
    replay_notice,
    retry_notice,
    sort_notices,
)
from service.database.recordings import insert_recording
from service.database.sealing import Seals
from service.notification import TEST_CNAME
from tests.database.samples import attempt, notice, recording

OURS = recording(1, attempts=(attempt(1, "test-1", 11),))


@pytest.fixture
async def five(database: Database, seals: Seals) -> Database:
    """Five notifications of a recording's attempt."""
    await database.run(lambda c: insert_recording(c, OURS, due_at=None))
    async with Inbox(database, seals) as inbox:
        for number in range(1, 6):
            await inbox.put(notice(number, event_type=70 + number % 2))
    return database


async def claimed(database: Database, now: float, limit: int) -> list[NoticeClaim]:
    return (await database.run(lambda c: sort_notices(c, now, limit, "own"))).claims


async def test_notifications_are_claimed_in_order_and_hidden_until_their_worker_is_given_up(
    five: Database, seals: Seals
) -> None:
    first = await claimed(five, 2000, 3)
    assert [(it.id, it.tries, it.received_at, it.recording_id) for it in first] == [
        (n, 1, 1000.0 + n, OURS.id) for n in (1, 2, 3)
    ]
    assert open_body(first[0], seals) == b'{"noticeId": "1"}'
    assert [claim.id for claim in await claimed(five, 2001, 9)] == [4, 5]
    assert await claimed(five, 2029, 9) == []
    assert [(claim.id, claim.tries) for claim in await claimed(five, 2030, 9)] == [(1, 2), (2, 2), (3, 2)]


async def test_workers_that_claim_at_once_share_the_notifications(five: Database) -> None:
    shares = await asyncio.gather(*(claimed(five, 2000, 2) for _ in range(3)))
    ids = [claim.id for share in shares for claim in share]
    assert len(ids) == len(set(ids))


async def test_behind_a_great_backlog_of_strangers_what_is_a_recordings_goes_first(
    database: Database, seals: Seals
) -> None:
    """After an outage tens of thousands may wait; ours may be anywhere among them."""
    await database.run(lambda c: insert_recording(c, OURS, due_at=None))
    strangers, ours = 4000, {700: 1, 2500: 2, 4000: 3}
    rows = []
    for number in range(strangers + 1):
        one = notice(number + 10, cname=f"stranger-{number % 50}", sid=f"{number % 50:032x}")
        if number in ours:
            one = notice(ours[number])
        rows.append(one._asdict() | {"body": seals.seal(one.body, "notice")})
        del rows[-1]["sent_at"]
    await database.run(lambda c: c.execute(tables.notifications.insert(), rows))
    found: list[str] = []
    rounds = after = settled = 0
    while len(found) < len(ours):
        rounds += 1
        sorted_ = await database.run(lambda c, after=after: sort_notices(c, 5000, 25, "own", after))
        after = sorted_.looked_to
        assert sorted_.more
        settled += len(sorted_.settled)
        found += [claim.recording_id for claim in sorted_.claims]
    assert rounds <= 25, "each round looks at 250 of them"
    assert settled > 0, "those of strangers go on as well"
    late = notice(4)
    async with Inbox(database, seals) as inbox:
        await inbox.put(late)
    sorted_ = await database.run(lambda c: sort_notices(c, 5000, 25, "own", after))
    assert len(sorted_.claims) == 1, "what comes later is found at once"
    for _ in range(200):
        sorted_ = await database.run(lambda c: sort_notices(c, 5000, 25, "own", 4000))
        if not sorted_.more:
            break
    assert (await database.run(measure_inbox))[0] == len(ours) + 1, "all of strangers' are settled"


async def test_more_of_recordings_than_fit_are_found_by_the_next_round(five: Database) -> None:
    first = await five.run(lambda c: sort_notices(c, 2000, 2, "own"))
    second = await five.run(lambda c: sort_notices(c, 2000, 9, "own", first.looked_to))
    assert [claim.id for claim in (*first.claims, *second.claims)] == [1, 2, 3, 4, 5]
    assert first.more
    assert not second.more


async def test_what_is_nobodys_is_settled_and_what_is_a_recordings_is_claimed(database: Database, seals: Seals) -> None:
    started = replace(OURS, attempts=(replace(OURS.attempts[0], sid="a" * 32),))
    await database.run(lambda c: insert_recording(c, started, due_at=None))
    kept = {
        "by cname": notice(1),
        "by sid": notice(2, cname="unknown", sid="a" * 32),
        "by sid alone": notice(3, cname=None, sid="a" * 32),
        "foreign": notice(4, cname="unknown"),
        "unmatched": notice(9, cname="own-lost"),
        "nameless": notice(5, cname=None, sid=None),
        "another app's": notice(6, app="other"),
        "check": notice(7, cname="test_webhook", event_type=30),
        "broken": notice(8, cname=None, sid=None, event_type=None),
    }
    async with Inbox(database, seals) as inbox:
        for each in kept.values():
            await inbox.put(each)
    found = await database.run(lambda c: sort_notices(c, 2000, 9, "own"))
    assert [(claim.id, claim.recording_id) for claim in found.claims] == [(n, OURS.id) for n in (1, 2, 3)]
    assert sorted(found.settled, key=str) == [
        (30, "test"), (70, "foreign"), (70, "foreign"), (70, "foreign"), (70, "unmatched"), (None, "broken")
    ]  # fmt: skip
    rows = await database.run(lambda c: list_notices(c, limit=9))
    assert dict(zip(kept, [(row.outcome, row.recording_id) for row in reversed(rows)], strict=True)) == {
        "by cname": ("new", OURS.id),
        "by sid": ("new", OURS.id),
        "by sid alone": ("new", OURS.id),
        "foreign": ("foreign", None),
        "unmatched": ("unmatched", None),
        "nameless": ("foreign", None),
        "another app's": ("foreign", None),
        "check": ("test", None),
        "broken": ("broken", None),
    }


async def test_a_finished_notification_is_never_claimed_again(five: Database) -> None:
    one, two, three, four = await claimed(five, 2000, 4)
    assert await five.run(lambda c: finish_notice(c, one, "applied"))
    assert await five.run(lambda c: finish_notice(c, two, "foreign"))
    assert await five.run(lambda c: park_notice(c, three))
    assert await five.run(lambda c: retry_notice(c, four, 3000))
    assert [claim.id for claim in await claimed(five, 2999, 9)] == [5]
    assert [claim.id for claim in await claimed(five, 3000, 9)] == [4]
    row = await five.run(lambda c: load_notice(c, 1))
    assert row is not None
    assert (row.outcome, row.recording_id) == ("applied", OURS.id)


@pytest.mark.parametrize(
    "late",
    [
        lambda c, claim: finish_notice(c, claim, "applied"),
        lambda c, claim: retry_notice(c, claim, 9000),
        park_notice,
    ],
    ids=["finish", "retry", "park"],
)
@pytest.mark.parametrize("finished", [False, True], ids=["claimed again", "and finished"])
async def test_whoever_claimed_a_notification_too_long_ago_changes_nothing(
    five: Database, late: Callable[..., bool], finished: bool
) -> None:
    [stale] = await claimed(five, 2000, 1)
    [fresh] = await claimed(five, 2031, 1)
    assert fresh.id == stale.id
    if finished:
        assert await five.run(lambda c: finish_notice(c, fresh, "applied"))
    assert not await five.run(lambda c: late(c, stale))
    row = await five.run(lambda c: load_notice(c, fresh.id))
    assert row is not None
    assert row.outcome == ("applied" if finished else "new")


async def test_a_replayed_notification_starts_anew(five: Database) -> None:
    [claim] = await claimed(five, 2000, 1)
    await five.run(lambda c: park_notice(c, claim))
    assert await five.run(lambda c: replay_notice(c, 1))
    assert not await five.run(lambda c: replay_notice(c, 99))
    [claim] = await claimed(five, 0, 1)
    assert (claim.id, claim.tries) == (1, 1)


async def test_listing_filters_and_pages_newest_first(five: Database) -> None:
    _, second = await claimed(five, 2000, 2)
    await five.run(lambda c: finish_notice(c, second, "applied"))

    async def listed(**where: object) -> list[int]:
        return [row.id for row in await five.run(lambda c: list_notices(c, limit=9, **where))]  # type: ignore[arg-type]

    assert await listed() == [5, 4, 3, 2, 1]
    assert await listed(before=4) == [3, 2, 1]
    assert await listed(event_type=71) == [5, 3, 1]
    assert await listed(sid=f"{3:032x}") == [3]
    assert await listed(outcome="applied") == [2]
    assert await listed(recording_id=OURS.id) == [2, 1]
    assert await listed(apps=frozenset({"other"})) == await listed(apps=frozenset()) == []
    assert await listed(apps=frozenset({"main"}), outcome="new", before=5) == [4, 3, 1]
    assert [row.id for row in await five.run(lambda c: list_notices(c, limit=2))] == [5, 4]


async def test_depth_and_age_of_the_inbox_are_measured(five: Database) -> None:
    assert await five.run(measure_inbox) == (5, 1001.0)
    claims = await claimed(five, 2000, 9)
    await five.run(lambda c: [finish_notice(c, claim, "test") for claim in claims])
    assert await five.run(measure_inbox) == (0, None)


async def test_only_old_notifications_that_are_done_with_are_pruned(five: Database) -> None:
    claims = await claimed(five, 2000, 9)
    await five.run(lambda c: [finish_notice(c, claims[n - 1], "test") for n in (1, 2, 4)])
    assert await five.run(lambda c: prune_notices(c, 1004.0, 1)) == 1
    assert await five.run(lambda c: prune_notices(c, 1004.0, 9)) == 1
    assert [row.id for row in await five.run(lambda c: list_notices(c, limit=9))] == [5, 4, 3]
    assert await five.run(lambda c: notifications.load_notice(c, 1)) is None


async def test_a_task_that_nobody_knows_counts_until_it_is_adopted_or_silent(database: Database, seals: Seals) -> None:
    async def unknown(since_at: float) -> int:
        return await database.run(lambda c: count_unknown(c, since_at))

    async with Inbox(database, seals) as inbox:
        for number in range(1, 6):
            await inbox.put(notice(number, cname="own-a" if number < 4 else "own-b", sid=None))
        await inbox.put(notice(6, cname="other-a", sid=None))
        await inbox.put(notice(7, cname=TEST_CNAME, sid=None))
    assert await unknown(0) == 0, "nobody has looked yet"
    await claimed(database, 2000, 9)
    assert await unknown(0) == 2, "each task once, and no other deployment's"
    assert (await unknown(1004.0), await unknown(1006.0)) == (1, 0)
    adopted = recording(1, attempts=(attempt(1, "own-b", 11),))
    await database.run(lambda c: insert_recording(c, adopted, due_at=None))
    assert await unknown(0) == 1
