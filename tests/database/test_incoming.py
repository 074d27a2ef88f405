"""Stored notifications as operators see them: what was applied is its owner's, the rest is everybody's."""

import pytest

from service.database.actions import list_actions
from service.database.engine.database import Database
from service.database.notifications.inbox import Inbox
from service.database.notifications.stored import finish_notice, park_notice, sort_notices
from service.database.recordings import insert_recording
from service.database.sealing import Seals
from service.errors import ServiceError
from service.operations import Caller, Scope
from service.operations.notifications.incoming import MOST_PAGES, Incoming
from tests.database.samples import attempt, notice, recording

SCHOOL = Caller("t1", "school", frozenset({Scope.OPERATE}))
OTHER = Caller("t2", "other", frozenset({Scope.OPERATE}))


@pytest.fixture
async def stored(database: Database, seals: Seals) -> Incoming:
    """Thirty notifications of a recording of `school`, of which the last is parked, and one that is nobody's."""
    ours = recording(1, attempts=(attempt(1, "test-1", 11),))
    await database.run(lambda c: insert_recording(c, ours, due_at=None))
    async with Inbox(database, seals) as inbox:
        for number in range(1, 31):
            await inbox.put(notice(number))
        await inbox.put(notice(31, cname="elsewhere", sid="f" * 32))
    claims = (await database.run(lambda c: sort_notices(c, 2000, 50, "own"))).claims
    for claim in claims[:-1]:
        await database.run(lambda c, claim=claim: finish_notice(c, claim, "applied"))
    await database.run(lambda c: park_notice(c, claims[-1]))
    return Incoming(database, lambda: None, lambda: 3000.0)


async def _all(incoming: Incoming, caller: Caller, limit: int) -> tuple[list[int], int]:
    """The numbers that a caller sees page by page, and how many pages that took."""
    seen: list[int] = []
    cursor, pages = None, 0
    while True:
        page = await incoming.notices(caller, sid=None, event_type=None, outcome=None, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        seen += [item.id for item in page.items]
        pages += 1
        cursor = page.next
        if cursor is None:
            return seen, pages


async def test_the_owners_operator_sees_all_and_another_what_is_nobodys_or_waits_for_help(stored: Incoming) -> None:
    assert (await _all(stored, SCHOOL, 7))[0] == list(range(31, 0, -1))
    assert (await _all(stored, OTHER, 7))[0] == [31, 30]


async def test_what_is_passed_over_bounds_a_page_and_never_ends_the_list(stored: Incoming) -> None:
    seen, pages = await _all(stored, OTHER, 1)
    assert seen == [31, 30]
    assert pages == 2 + -(-29 // MOST_PAGES), "ten are looked through for one page"


async def test_a_replay_is_the_owners_and_is_noted(stored: Incoming, database: Database) -> None:
    for number in (3, 99):
        with pytest.raises(ServiceError, match="no such notification"):
            await stored.replay(OTHER, number)
    assert (await stored.replay(SCHOOL, 3)).outcome == "applied", "what is applied is not told twice"
    assert (await stored.replay(OTHER, 30)).outcome == "new", "what is parked anybody may try again"
    noted = {
        owner: await database.run(lambda c, owner=owner: list_actions(c, owner, limit=9))
        for owner in ("school", "other")
    }
    assert noted["school"] == []
    assert [(row.action, row.subject, row.token_id) for row in noted["other"]] == [("replay", "30", "t2")]
