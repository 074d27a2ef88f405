"""A database put back to an older state: what was started after the backup is found, and nothing is started twice."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from house import Forge, Store, cname_of, eventually, killable, rfc3339

from service.database.engine.backup import backup_sqlite
from service.operations.evidence.support_bundle_reader import decide


def _as_if_older(copy: Path, seconds: float) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE deployment SET alive_at = alive_at - ?", (seconds,))
        assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (1,), (
            "the second came after the backup"
        )


async def test_a_restored_service_looks_for_what_runs_before_it_starts_anything(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    database, copy = tmp_path / "pagereel.db", tmp_path / "copy.db"
    async with killable(forge, tmp_path, store, f"sqlite:///{database}") as (house, service):
        known = await house.start(max_missing_seconds=120)
        planned = await house.ask(start_at=rfc3339(time.time() + 9), max_missing_seconds=120)
        over = await house.ask(start_at=rfc3339(time.time() + 9))
        await house.fault(kind="page_dies", seconds=3, cname=cname_of(over))
        await asyncio.to_thread(backup_sqlite, database, copy)
        await house.until(planned, "recording")
        unknown = await house.start()
        await asyncio.gather(*(house.slices(each, 1) for each in (planned, unknown)))
        await house.until(over, "defective")
        await service.kill()
        for leftover in tmp_path.glob("pagereel.db-*"):
            leftover.unlink()
        _as_if_older(copy, 3600)
        copy.replace(database)
        restored_at = time.time()
        await service.serve()
        await eventually(lambda: "restore_known" in service.log.read_text(), 30, "it is known what runs")
        assert '"event": "restored"' in service.log.read_text()

        shown = await house.shown(planned)
        assert shown["attention"]["code"] == "task_lost"
        assert shown["attempts"][0]["sid"] == (await house.tasks(planned))[0]["sid"]
        ended = await house.until(over, "defective")
        assert (ended["end_reason"], ended["blame"]) == ("restored", "us"), "before its hour limit"
        assert ended["instants"]["ended_at"] < rfc3339(restored_at)
        for each in (planned, over):
            bundle = await house.call("GET", f"/v1/recordings/{each}/support-bundle", expect=200)
            kept, arrived, _ = decide(bundle.content)
            assert (kept.state, kept.end_reason) == (arrived.state, arrived.end_reason)
            assert [one.sid for one in kept.attempts] == [one.sid for one in arrived.attempts]
        later = await house.start()
        for each in (planned, known, later, over):
            assert len(await house.tasks(each)) == 1, "nothing was started twice"
        await house.call("GET", f"/v1/recordings/{unknown}", expect=404)

        async def unmatched() -> bool:
            metrics = await house.metrics()
            return any(value for name, value in metrics.items() if 'outcome="unmatched"' in name)

        await eventually(unmatched, 40, "a task that nobody knows is told of")
        for each in (known, later):
            await house.do(each, "stop")
            await house.until(each, "verified")
