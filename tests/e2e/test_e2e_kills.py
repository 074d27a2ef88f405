"""`kill -9` of the service under load: what was answered with 200 is kept, and no recorder is lost or doubled."""

import asyncio
import itertools
import os
import random
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from house import (
    TOKEN,
    Forge,
    House,
    Store,
    client,
    eventually,
    instant,
    killable,
    notice,
    signed,
)

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
LOAD_CONNECTIONS = 10
# On PostgreSQL a killed worker's step waits until its lease has run out, so each kill may delay a start by that.
PATIENCE = {"max_missing_seconds": 60}


async def _load(house: House, http: aiohttp.ClientSession, numbers: Iterable[int], answered: set[str]) -> None:
    """Notify without end, and remember what was answered with 200. A connection that breaks proves nothing."""
    for number in numbers:
        body = notice(number)
        try:
            async with http.post(
                f"{house.callbacks}/agora/main/notifications", data=body, headers=signed(body)
            ) as response:
                await response.read()
                if response.status == 200:
                    answered.add(f"notice-{number}")
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0.05)  # not to spin while nobody listens


async def _patiently(house: House, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Call until there is an answer, as a caller does whose service comes back. What was done already is a 409."""
    answer: dict[str, Any] = {}

    async def answers() -> bool:
        nonlocal answer
        key = sha256(f"{path} {more}".encode()).hexdigest()
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key}
        try:
            async with house.http.request(method, house.api + path, headers=headers, **more) as response:
                answer = await response.json()
                assert response.status < 400 or response.status in (409, 503), answer
                return response.status != 503
        except (aiohttp.ClientError, OSError):
            return False

    await eventually(answers, 30, f"{method} {path}")
    return answer


async def _under_load(answered: set[str], more: int) -> None:
    """Until the instant of the kill: so many more notices have been answered."""
    enough = len(answered) + max(1, more)
    await eventually(lambda: len(answered) >= enough, 60, f"{more} more notices are answered")


async def _survive(
    forge: Forge, root: Path, store: Store, database_url: str, *, kills: int, seed: int, notices: int
) -> None:
    """`notices`: so many are acknowledged in all, any number of them between a start of the service and its kill."""
    dice = random.Random(seed)
    answered: set[str] = set()
    async with killable(forge, root, store, database_url) as (house, service), client(LOAD_CONNECTIONS) as http:
        numbers = itertools.count()
        async with asyncio.TaskGroup() as group:
            load = [group.create_task(_load(house, http, numbers, answered)) for _ in range(LOAD_CONNECTIONS)]
            ids: list[str] = []
            for kill in range(kills):
                # One starts right before each of ten kills or so; the last one meets the stops.
                starts = kill % max(1, kills // 10) == 0
                if kill < kills - 1 and starts:
                    url = f"https://class.example.org/{kill}"
                    asked = await _patiently(house, "POST", "/v1/recordings", json={"url": url, **PATIENCE})
                    ids.append(asked["id"])
                elif kill == kills - 1:
                    await asyncio.gather(*(house.slices(one, 1) for one in ids))
                    await asyncio.gather(*(_patiently(house, "POST", f"/v1/recordings/{one}/stop") for one in ids))
                left = max(0, notices - len(answered))
                await _under_load(answered, left if kill == kills - 1 else dice.randint(0, 2 * left // (kills - kill)))
                await service.kill()
                await service.serve()
            await asyncio.gather(*(house.until(one, "verified", deadline=60) for one in ids))
            for task in load:
                task.cancel()
        kept = {row[0] for row in await house.rows("SELECT notice_id FROM notifications")}
        assert len(answered) >= notices
        print(f"\n{kills} kills, {len(answered)} notices acknowledged")
        assert answered <= kept, f"acknowledged and lost: {len(answered - kept)} of {len(answered)}"
        doubled = "SELECT notice_id FROM notifications GROUP BY app, notice_id HAVING count(*) > 1"
        assert await house.rows(doubled) == []
        tasks = await house.tasks()
        assert not [task for task in tasks if task["running"]]
        for one in {task["cname"] for task in tasks}:
            lives = sorted((instant(t["started_at"]), instant(t["ended_at"])) for t in tasks if t["cname"] == one)
            for (_, ended), (started, _) in itertools.pairwise(lives):
                assert ended <= started, f"two tasks ran at once for {one}: {lives}"
        assert await service.stop() == 0


async def test_ten_kills_lose_no_acknowledged_notice_and_no_recorder(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    await _survive(forge, tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db", kills=10, seed=11, notices=1_500)


@pytest.mark.proof
async def test_proof_200_kills_lose_no_acknowledged_notice_and_no_recorder_on_either_database(
    forge: Forge, tmp_path: Path, store: Store, database_url: str
) -> None:
    kills = max(10, round(200 * SCALE))
    await _survive(forge, tmp_path, store, database_url, kills=kills, seed=12, notices=500 * kills)
