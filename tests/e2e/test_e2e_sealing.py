"""What no live sealing key opens (a key dropped too early, a damaged row) holds up nothing else."""

import time

import sqlalchemy as sa
from house import Living, rfc3339

from pagereel import app as service_app


async def test_a_row_that_no_key_opens_is_set_aside_and_the_rest_goes_on(build: Living) -> None:
    built: list[service_app.House] = []
    async with build(touch=built.append) as house:
        database = built[0].operations._database
        unreadable = await house.ask(start_at=rfc3339(time.time() + 2), start_within_seconds=2)

        def damage(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"UPDATE recordings SET sealed = x'00' WHERE id = '{unreadable}'")

        def damaged(connection: sa.Connection) -> None:
            connection.exec_driver_sql(
                "INSERT INTO notifications (app, notice_id, received_at, event_type, cname, body)"
                f" SELECT 'main', 'damaged', 1, 70, cname, x'00' FROM attempts WHERE recording_id = '{recording}'"
            )

        await database.run(damage)
        recording = await house.start()
        await database.run(damaged)
        await house.slices(recording, 1)
        await house.do(recording, "stop")
        await house.until(recording, "verified")

        shown = await house.until(unreadable, "failed")
        assert (shown["end_reason"], shown["blame"]) == ("missed", "us")
        assert await house.tasks(unreadable) == []
        rows = await house.rows("SELECT outcome, tries FROM notifications WHERE notice_id = 'damaged'")
        assert rows[0][0] in ("new", "parked")
        assert rows[0][1] > 0
