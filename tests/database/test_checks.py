"""What the console's Check has shown since somebody began to wait for it."""

import json

from service.database.engine.database import Database
from service.database.notifications.inbox import Inbox
from service.database.sealing import Seals
from service.notification import TEST_CNAME
from service.operations.notifications.receiving import Receiving
from service.settings import App


async def test_only_what_comes_after_the_beginning_counts_also_where_it_repeats_what_came_before(
    database: Database, seals: Seals
) -> None:
    apps = {name: App(app_id="a", setup=True) for name in ("main", "other")}
    async with Inbox(database, seals) as inbox:

        def began() -> Receiving:
            return Receiving(apps, database, inbox, lambda: None, lambda: 1000.0)

        async def check(at: Receiving, event: int, app: str = "main") -> None:
            body = {"noticeId": f"check-{event}", "eventType": event, "payload": {"cname": TEST_CNAME}}
            await at.receive(app, json.dumps(body).encode(), None, None)

        first = began()
        after = await first.expect_check()
        await check(first, 1)
        await check(first, 31)
        assert await first.checked_events("main", after) == {1, 31}
        assert await first.checked_events("other", after) == set()

        second, elsewhere = began(), began()
        after = await second.expect_check()
        assert await second.checked_events("main", after) == set(), "an earlier Check says nothing of this one"
        await check(second, 31)
        await check(second, 72, "other")
        await check(second, 72, "other")
        await check(elsewhere, 70)
        await check(elsewhere, 71, "other")
        assert await second.checked_events("main", after) == {31, 70}
