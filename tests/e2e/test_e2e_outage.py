"""Health, and a database that goes away: refused meanwhile, nothing acknowledged lost, work goes on when it is back."""

import asyncio
import itertools
from pathlib import Path

from house import (
    CLEAN,
    Forge,
    House,
    Living,
    ServiceProcess,
    Store,
    eventually,
    notice,
    settings_values,
    summary,
    toml,
)

from tests.postgres import Postgres


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
                statuses.clear()
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
