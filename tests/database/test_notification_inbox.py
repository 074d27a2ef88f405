"""The inbox: nobody is told "stored" before it is, whatever fails."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from metrics import REGISTRY
from service.database.engine import startup
from service.database.engine.database import Database
from service.database.notifications import stored as notifications
from service.database.notifications.batches import BODY, IncomingNotice
from service.database.notifications.inbox import Inbox, incoming
from service.database.sealing import Seals, make_key
from service.database.tables import notifications as table
from service.errors import Code, ServiceError
from tests.conftest import DEPLOYMENT
from tests.database.samples import notice
from tests.postgres import Postgres


def ids(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(table.c.notice_id).order_by(table.c.id)).scalars())


def metric(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None
    return value


async def test_a_notification_is_kept_sealed_and_as_it_came(database: Database, seals: Seals) -> None:
    body = b'{"noticeId":"n","url":"rtmp://host/key"}\xff'
    async with Inbox(database, seals) as inbox:
        assert await inbox.put(notice(1, notice_id="n", body=body)) == "accepted"
    stored = await database.run(lambda c: c.execute(sa.select(table.c.body)).scalar_one())
    assert b"rtmp" not in stored
    assert seals.open(stored, BODY) == body
    [row] = await database.run(lambda c: notifications.list_notices(c, limit=9))
    assert row == notifications.NoticeRow(row.id, "main", "n", 1001.0, 70, f"{1:032x}", "test-1", "new", None, 0)


async def test_the_answer_comes_after_the_commit(tmp_path: Path, seals: Seals) -> None:
    """Seen from outside, through a connection of its own, at the very moment of the answer."""
    path = tmp_path / "x.db"
    async with await Database.open(f"sqlite:///{path}") as database:
        await startup.prepare(database, DEPLOYMENT, 0)
        async with Inbox(database, seals) as inbox:
            with closing(sqlite3.connect(path)) as outside:
                for number in range(20):
                    future = inbox.put(notice(number))
                    assert not future.done()
                    await future
                    count = "SELECT count(*) FROM notifications"
                    assert outside.execute(count).fetchone() == (number + 1,)


async def test_a_storm_is_stored_completely_in_few_commits(database: Database, seals: Seals) -> None:
    before = metric("pagereel_intake_batch_size_count")
    async with Inbox(database, seals) as inbox:
        results = await asyncio.gather(*(inbox.put(notice(number)) for number in range(3000)))
    assert results == ["accepted"] * 3000
    assert sorted(await database.run(ids)) == sorted(f"notice-{number}" for number in range(3000))
    assert metric("pagereel_intake_batch_size_count") - before <= 8


@pytest.mark.parametrize("size", [1, 2, 127, 128, 129, 300, 512])
async def test_every_size_of_batch_is_stored_with_its_columns(database: Database, seals: Seals, size: int) -> None:
    async with Inbox(database, seals) as inbox:
        await asyncio.gather(*(inbox.put(notice(number, event_type=number)) for number in range(size)))
    rows = await database.run(lambda c: notifications.list_notices(c, limit=999))
    assert sorted((row.notice_id, row.event_type, row.sid, row.received_at) for row in rows) == sorted(
        (f"notice-{n}", n, f"{n:032x}", 1000.0 + n) for n in range(size)
    )


async def test_a_copy_is_a_duplicate_whether_stored_before_or_in_the_same_batch(
    database: Database, seals: Seals
) -> None:
    async with Inbox(database, seals) as inbox:
        await asyncio.gather(*(inbox.put(notice(number)) for number in range(0, 300, 2)))
        results = await asyncio.gather(*(inbox.put(notice(number % 300)) for number in range(450)))
    expected = ["duplicate" if n % 2 == 0 or n >= 300 else "accepted" for n in range(450)]
    assert results == expected
    assert len(await database.run(ids)) == 300


async def test_equal_ids_of_two_apps_are_two_notifications(database: Database, seals: Seals) -> None:
    async with Inbox(database, seals) as inbox:
        both = await asyncio.gather(inbox.put(notice(1)), inbox.put(notice(1, app="other")))
    assert both == ["accepted", "accepted"]


async def test_two_inboxes_on_one_database_accept_each_notification_once(database: Database, seals: Seals) -> None:
    async with Inbox(database, seals) as first, Inbox(database, seals) as second:
        results = await asyncio.gather(*(inbox.put(notice(n)) for n in range(700) for inbox in (first, second)))
    assert results.count("accepted") == results.count("duplicate") == 700


async def test_the_worker_is_woken_for_new_notifications_only(database: Database, seals: Seals) -> None:
    woken: list[int] = []
    async with Inbox(database, seals, stored=lambda: woken.append(1)) as inbox:
        await inbox.put(notice(1))
        assert woken == [1]
        await inbox.put(notice(1))
        assert woken == [1]


async def test_a_cancelled_waiter_disturbs_nobody(database: Database, seals: Seals) -> None:
    async with Inbox(database, seals) as inbox:
        futures = [inbox.put(notice(number)) for number in range(10)]
        futures[3].cancel()
        rest = await asyncio.gather(*futures[:3], *futures[4:])
    assert rest == ["accepted"] * 9
    assert len(await database.run(ids)) == 10


async def test_closing_stores_what_waits_and_takes_nothing_more(database: Database, seals: Seals) -> None:
    inbox = Inbox(database, seals)
    futures = [inbox.put(notice(number)) for number in range(1000)]
    await inbox.close()
    assert [future.result() for future in futures] == ["accepted"] * 1000
    with pytest.raises(ServiceError):
        inbox.put(notice(1))


async def test_a_failed_commit_is_told_to_all_who_waited_for_it_and_the_next_one_works(
    database: Database, seals: Seals
) -> None:
    await database.run(lambda c: c.exec_driver_sql("ALTER TABLE notifications RENAME TO gone"))
    failed = metric("pagereel_intake_failures_total", reason="database")
    async with Inbox(database, seals) as inbox:
        results = await asyncio.gather(*(inbox.put(notice(n)) for n in range(200)), return_exceptions=True)
        assert {type(result) for result in results} == {ServiceError}
        assert {result.code for result in results if isinstance(result, ServiceError)} == {Code.UNAVAILABLE}
        assert metric("pagereel_intake_failures_total", reason="database") - failed == 200
        await database.run(lambda c: c.exec_driver_sql("ALTER TABLE gone RENAME TO notifications"))
        assert await inbox.put(notice(1)) == "accepted"
    assert await database.run(ids) == ["notice-1"]


async def test_a_batch_that_fails_in_its_middle_leaves_nothing(tmp_path: Path, seals: Seals) -> None:
    async with await Database.open(f"sqlite:///{tmp_path}/x.db") as database:
        await startup.prepare(database, DEPLOYMENT, 0)
        async with Inbox(database, seals) as inbox:
            bad = notice(400, received_at=None)
            results = await asyncio.gather(
                *(inbox.put(bad if n == 400 else notice(n)) for n in range(500)), return_exceptions=True
            )
            assert {type(result) for result in results} == {ServiceError}
            assert await database.run(ids) == []
            assert await inbox.put(notice(1)) == "accepted"


class Stuck:
    """Holds the writer of a SQLite database until told otherwise."""

    def __init__(self, database: Database) -> None:
        self.database, self.entered, self.go_on = database, threading.Event(), threading.Event()

    def _hold(self, _: sa.Connection) -> None:
        self.entered.set()
        self.go_on.wait(20)

    async def hold(self) -> "Stuck":
        self.task = asyncio.ensure_future(self.database.run(self._hold))
        while not self.entered.is_set():
            await asyncio.sleep(0)
        return self

    async def release(self) -> None:
        self.go_on.set()
        await self.task


@pytest.fixture
async def sqlite(tmp_path: Path) -> Database:
    database = await Database.open(f"sqlite:///{tmp_path}/x.db")
    await startup.prepare(database, DEPLOYMENT, 0)
    return database


async def test_who_waits_too_long_is_told_in_time_for_agora_to_repeat(sqlite: Database, seals: Seals) -> None:
    stuck = await Stuck(sqlite).hold()
    async with sqlite, Inbox(sqlite, seals, deadline_seconds=0.1) as inbox:
        futures = [inbox.put(notice(n)) for n in range(600)]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert {getattr(result, "detail", None) for result in results} == {"intake_late"}
        await stuck.release()
        assert await inbox.put(notice(0)) in ("accepted", "duplicate")
        assert await inbox.put(notice(599)) == "accepted"  # it never left: nothing is kept for nobody


async def test_beyond_ten_thousand_waiting_the_next_is_refused_at_once(sqlite: Database, seals: Seals) -> None:
    stuck = await Stuck(sqlite).hold()
    async with sqlite, Inbox(sqlite, seals) as inbox:
        taken = [inbox.put(notice(0))]
        await asyncio.sleep(0)  # the first batch is on its way, all further ones wait
        taken += [inbox.put(notice(n)) for n in range(1, 10_001)]
        with pytest.raises(ServiceError) as raised:
            inbox.put(notice(10_001))
        assert (raised.value.code, raised.value.detail) == (Code.UNAVAILABLE, "intake_full")
        await stuck.release()
        assert set(await asyncio.gather(*taken)) == {"accepted"}


async def test_notifications_overtake_transactions_that_wait(sqlite: Database, seals: Seals) -> None:
    stuck, order = await Stuck(sqlite).hold(), []
    async with sqlite, Inbox(sqlite, seals) as inbox:
        waiting = [asyncio.ensure_future(sqlite.run(lambda c: order.append(len(ids(c))))) for _ in range(3)]
        await asyncio.sleep(0)
        future = inbox.put(notice(1))
        await asyncio.sleep(0)
        await stuck.release()
        await asyncio.gather(future, *waiting)
    assert order == [1, 1, 1]


async def test_the_inbox_works_inline_for_the_simulation(tmp_path: Path, seals: Seals) -> None:
    async with await Database.open(f"sqlite:///{tmp_path}/x.db", inline=True) as database:
        await startup.prepare(database, DEPLOYMENT, 0)
        async with Inbox(database, seals) as inbox:
            results = await asyncio.gather(*(inbox.put(notice(n % 600)) for n in range(1200)))
    assert results == ["accepted"] * 600 + ["duplicate"] * 600


async def test_a_crashed_server_costs_no_acknowledged_notification() -> None:
    with Postgres(durable=True) as server:
        async with await Database.open(server.url()) as database:
            await startup.prepare(database, DEPLOYMENT, 0)
            acknowledged: list[str] = []

            async def put(number: int) -> None:
                await inbox.put(notice(number))
                acknowledged.append(f"notice-{number}")

            async with Inbox(database, Seals(make_key())) as inbox:
                load = [asyncio.create_task(put(n)) for n in range(5000)]
                while len(acknowledged) < 600:
                    await asyncio.sleep(0)
                server.kill9()
                results = await asyncio.gather(*load, return_exceptions=True)
                assert {type(result) for result in results} == {type(None), ServiceError}
                server.start()
                assert set(acknowledged) <= set(await database.run(ids))
                assert await inbox.put(notice(99_999)) == "accepted"


RECEIVER = """
import asyncio, itertools, sys
from service.database.notifications.inbox import Inbox, incoming
from service.database.engine.database import Database
from service.database.sealing import Seals, make_key

async def one(inbox, number):
    body = b'{"noticeId":"n-%d","eventType":70,"payload":{"cname":"c"}}' % number
    await inbox.put(incoming("main", body, 1.0))
    sys.stdout.write(f"n-{number}\\n")
    sys.stdout.flush()

async def client(inbox, numbers):
    for number in numbers:
        await one(inbox, number)

async def main():
    async with await Database.open(sys.argv[1]) as database, Inbox(database, Seals(make_key())) as inbox:
        numbers = itertools.count()
        await asyncio.gather(*(client(inbox, numbers) for _ in range(64)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged_first", [1, 500, 3000])
async def test_a_killed_process_has_kept_every_notification_it_acknowledged(
    database_url: str, acknowledged_first: int
) -> None:
    process = subprocess.Popen([sys.executable, "-c", RECEIVER, database_url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(acknowledged_first)]
    os.kill(process.pid, signal.SIGKILL)
    told += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    async with await Database.open(database_url) as database:
        kept = await database.run(ids)
    assert len(told) >= acknowledged_first
    assert "" not in told
    assert set(told) <= set(kept)


def test_what_cannot_be_read_is_kept_without_columns() -> None:
    made = incoming("main", b"{broken", 5.0)
    assert made == IncomingNotice("main", made.notice_id, 5.0, None, None, None, b"{broken", None)
    assert made.notice_id.startswith("sha256:")


@given(st.binary(max_size=40) | st.just(b'{"noticeId":"\\u0000","payload":{"sid":"\\u0000"}}'))
def test_any_body_becomes_a_row_that_both_databases_take(body: bytes) -> None:
    made = incoming("main", body, 5.0)
    assert made.body == body
    assert "\0" not in "".join(filter(None, (made.notice_id, made.sid, made.cname)))


async def test_hostile_texts_reach_both_databases(database: Database, seals: Seals) -> None:
    bodies = [
        b'{"noticeId":"\\u0000a","payload":{"cname":"\\u0000","sid":"\xf0\x9f\x8e\xa5"}}',
        b"\xff\xfe",
        b"",
        b"[1]",
    ]
    async with Inbox(database, seals) as inbox:
        results = await asyncio.gather(*(inbox.put(incoming("main", body, 5.0)) for body in bodies))
    assert results == ["accepted"] * 4


async def test_batches_feed_the_metrics(database: Database, seals: Seals) -> None:
    def now() -> list[float]:
        return [
            metric("pagereel_notifications_total", type="70", outcome="accepted"),
            metric("pagereel_notifications_total", type="other", outcome="accepted"),
            metric("pagereel_notifications_total", type="70", outcome="duplicate"),
            metric("pagereel_notification_delay_seconds_count"),
            metric("pagereel_notification_delay_seconds_bucket", le="2.5"),
            metric("pagereel_intake_commit_seconds_count"),
        ]

    before = now()
    async with Inbox(database, seals) as inbox:
        await asyncio.gather(
            *(inbox.put(one) for one in (notice(1), notice(1), notice(2, event_type=777, sent_at=None)))
        )
    assert [after - old for after, old in zip(now(), before, strict=True)] == [1, 1, 1, 2, 2, 1]
