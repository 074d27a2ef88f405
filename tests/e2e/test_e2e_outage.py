"""Health, and a database that goes away: refused meanwhile, nothing acknowledged lost, work goes on when it is back."""

import asyncio
import itertools
import os
import time
from pathlib import Path

import pytest
from house import (
    CLEAN,
    Forge,
    House,
    Living,
    ServiceProcess,
    Store,
    eventually,
    killable,
    notice,
    settings_values,
    summary,
    toml,
)

from tests.postgres import Postgres

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
BACK_SECONDS = 10


async def test_health_and_readiness_are_told_without_a_token(house: House) -> None:
    assert (await house.call("GET", "/healthz", token=None, expect=200)).body == {"status": "ok"}
    assert (await house.call("GET", "/readyz", token=None, expect=200)).body == {"status": "ready"}
    async with house.http.get(f"{house.callbacks}/healthz") as response:
        assert response.status == 200


async def _statuses(house: House, answered: list[str], statuses: list[int]) -> None:
    for number in itertools.count():
        status = await house.notify(notice(number))
        statuses.append(status)
        if status == 200:
            answered.append(f"notice-{number}")
        await asyncio.sleep(0.02)  # the pace of the load; nothing is waited for


async def _refused(statuses: list[int]) -> None:
    """From here on; what was committed before the server went may be answered after it."""
    statuses.clear()
    await eventually(lambda: 503 in statuses, what="notices are refused")
    statuses.clear()


async def test_postgresql_stopped_is_503_and_when_it_is_back_the_recording_ends_verified(build: Living) -> None:
    with Postgres(durable=True) as server:
        async with build(database_url=server.create_database()) as house, asyncio.TaskGroup() as group:
            recording = await house.start()
            await house.slices(recording, 1)
            answered: list[str] = []
            statuses: list[int] = []
            load = group.create_task(_statuses(house, answered, statuses))
            await eventually(lambda: len(answered) > 20)
            for away in (server.stop, server.kill9):
                await asyncio.to_thread(away)
                await _refused(statuses)
                refused = await house.call("GET", "/readyz", token=None, expect=503)
                assert refused.body["code"] == "unavailable"
                assert int(refused.headers["Retry-After"]) >= 1
                await house.call("GET", "/healthz", token=None, expect=200)
                await house.call("GET", f"/v1/recordings/{recording}", expect=503)
                await house.call("POST", "/v1/recordings", json={"url": "https://a.example.org/"}, expect=503)
                await eventually(lambda: len(statuses) > 10, what="the callback listener goes on answering")
                assert set(statuses) == {503}
                await asyncio.to_thread(server.start)
                statuses.clear()
                await eventually(lambda: 200 in statuses, what="notices are taken again")
                await house.call("GET", "/readyz", token=None, expect=200)
            await house.slices(recording, 3)
            await house.do(recording, "stop")
            shown = await house.until(recording, "verified")
            load.cancel()
            assert summary(shown, await house.files(recording)) == CLEAN
            kept = {row[0] for row in await house.rows("SELECT notice_id FROM notifications")}
            assert set(answered) <= kept
            assert await house.rows("SELECT count(*) FROM recordings") == [(1,)]
            assert not any(task["running"] for task in await house.tasks())


async def test_an_orderly_end_needs_no_database(forge: Forge, tmp_path: Path, store: Store) -> None:
    config = tmp_path / "pagereel.toml"
    with Postgres() as server:
        values = settings_values(tmp_path, store.server, "http://127.0.0.1:9", 0, server.create_database(), ("main",))
        config.write_text(toml(values))
        service = ServiceProcess(forge, config, "serve")
        try:
            await service.serve()
            await asyncio.to_thread(server.stop)
        finally:
            code = await service.stop()
    assert code == 0, service.log.read_text()


@pytest.mark.proof
async def test_proof_postgresql_away_for_a_minute_under_load_costs_nothing_acknowledged_and_no_recording(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    """The process stays the same one throughout, and takes notices again within ten seconds of the server's return."""
    with Postgres(durable=True) as server:
        patience = {"max_missing_seconds": 120}
        async with killable(forge, tmp_path, store, server.create_database()) as (house, service):
            recordings = [await house.ask(**patience) for _ in range(max(3, round(20 * SCALE)))]
            await asyncio.gather(*(house.until(each, "recording", deadline=60) for each in recordings))
            answered: list[str] = []
            statuses: list[int] = []
            async with asyncio.TaskGroup() as group:
                load = group.create_task(_statuses(house, answered, statuses))
                await eventually(lambda: len(answered) > 20)
                await asyncio.to_thread(server.stop)
                await _refused(statuses)
                await asyncio.sleep(max(8, 60 * SCALE))  # how long it is away is what this is about
                assert set(statuses) == {503}
                await asyncio.to_thread(server.start)
                back, before = time.monotonic(), len(answered)
                await eventually(lambda: len(answered) > before, 60, "notices are taken again")
                took = time.monotonic() - back
                await asyncio.gather(*(house.do(each, "stop") for each in recordings))
                await asyncio.gather(*(house.until(each, "verified", deadline=90) for each in recordings))
                load.cancel()
            kept = {row[0] for row in await house.rows("SELECT notice_id FROM notifications")}
            assert set(answered) <= kept
            assert len(await house.tasks()) == len(recordings)
            assert await service.stop() == 0, "it never ended in between"
    print(f"\n{len(statuses)} answers 503; taken again {took:.1f} s after the server's return")
    assert took <= BACK_SECONDS
