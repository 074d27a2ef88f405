"""A bad network on every side: hostile sockets at the doors, a bad line to Agora, a bad line to the database."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from house import Forge, House, Living, Store, client, eventually, killable, notice, signed

from tests.postgres import Postgres
from tests.tcp_proxy import TcpProxy, Weather

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
SOCKETS = 5000
GOOD = 1000

BAD_LINES = {
    "latency": Weather(latency_seconds=1.5),
    "drip": Weather(drip_bytes=8, drip_seconds=0.2),
    "cut": Weather(cut_after=40),
    "reset": Weather(cut_after=40, reset=True),
    "half-open": Weather(silent=True),
}


@asynccontextmanager
async def _hostile(port: int, count: int) -> AsyncIterator[asyncio.StreamReader]:
    """So many hostile connections, from `hostile`; what it says."""
    words = ("-m", "tests.e2e.hostile", str(port), str(count))
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await child.stdout.readline() == b"ready\n"
        yield child.stdout
    finally:
        child.stdin.close()
        await child.communicate()


async def _p99(house: House, count: int, name: str) -> float:
    """Of so many good notices, four at a time, each over a connection that is kept."""
    took: list[float] = []
    async with client(4) as http:

        async def send(numbers: range) -> None:
            for number in numbers:
                body = notice(f"{name}-{number}")
                began = time.perf_counter()
                url = f"{house.callbacks}/agora/main/notifications"
                async with http.post(url, data=body, headers=signed(body)) as response:
                    assert response.status == 200
                    await response.read()
                took.append(time.perf_counter() - began)

        await asyncio.gather(*(send(range(part, count, 4)) for part in range(4)))
    return sorted(took)[int(len(took) * 0.99)]


@pytest.mark.proof
async def test_proof_5000_hostile_sockets_do_not_hold_up_good_requests(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    count = max(300, round(SOCKETS * SCALE))
    good = max(200, round(GOOD * SCALE))
    async with killable(forge, tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db") as (house, _):
        await _p99(house, good, "warm")
        before = await _p99(house, good, "before")
        async with _hostile(int(house.callbacks.rpartition(":")[2]), count) as said:
            amid = await _p99(house, good, "amid")
            async with asyncio.timeout(60):  # a body that stays silent is cut off
                while int(await said.readline()):
                    pass
    print(f"\n{count} hostile sockets: p99 {before * 1000:.1f} ms before, {amid * 1000:.1f} ms amid them")
    # At a tenth others share the machine; there it only shows that nobody waits for the hostile ones.
    assert amid < (2 * before if SCALE >= 1 else max(2 * before, 1))


@pytest.mark.proof
@pytest.mark.parametrize("line", BAD_LINES)
async def test_proof_a_bad_line_to_agora_delays_and_neither_doubles_nor_loses(build: Living, line: str) -> None:
    """Bad when it starts, while it runs and when it stops; each time until it has been felt."""
    async with TcpProxy() as proxy:
        apps = {"main": {"base_urls": [proxy.url]}}
        patience = {"max_missing_seconds": 120, "start_within_seconds": 100}
        async with build(settings={"apps": apps}) as house:
            proxy.targets.append(int(house.emulator.rpartition(":")[2]))

            async def worsens() -> None:
                proxy.to_client, before = BAD_LINES[line], len(proxy.heard)
                await eventually(lambda: len(proxy.heard) > before, 60, "the bad line is used")
                proxy.calm()
                if BAD_LINES[line].silent:  # Agora's answer is lost for good
                    proxy.cut()

            recording = await house.ask(**patience)
            await worsens()
            await house.until(recording, "recording", deadline=60)
            await worsens()
            await house.slices(recording, 1)
            await house.do(recording, "stop")
            await worsens()
            await house.until(recording, "verified", deadline=60)
            tasks = await house.tasks(recording)
            assert len(tasks) == 1
            assert not tasks[0]["running"]


@pytest.mark.proof
async def test_proof_a_bad_line_to_the_database_is_503_in_time_and_loses_nothing_acknowledged(
    build: Living, postgres: Postgres
) -> None:
    url = postgres.create_database()
    answered: set[str] = set()
    async with TcpProxy(postgres.port) as proxy:
        slow = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        async with build(database_url=slow) as house:
            recording = await house.start(max_missing_seconds=120)
            for name, weather in BAD_LINES.items():
                proxy.to_client = weather
                if weather.cut_after is not None:
                    proxy.cut()
                began = time.monotonic()
                statuses = await asyncio.gather(*(house.notify(notice(f"{name}-{each}")) for each in range(5)))
                assert time.monotonic() - began < 10, "Agora gives up after that"
                assert set(statuses) <= {200, 503}
                answered |= {f"notice-{name}-{each}" for each, status in enumerate(statuses) if status == 200}
                proxy.calm()
                proxy.cut()

                async def taken(name: str = name) -> bool:
                    return await house.notify(notice(f"after-{name}")) == 200

                await eventually(taken, 60, f"notices are taken again after {name}")
            await house.slices(recording, 1)
            await house.do(recording, "stop")
            await house.until(recording, "verified", deadline=60)
            kept = {row[0] for row in await house.rows("SELECT notice_id FROM notifications")}
            assert answered <= kept
