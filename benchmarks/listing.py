"""How long the API takes to show and list recordings when there are many: `make bench-listing`.

Fills a database with recordings of two owners, serves it over the real API in this process, and times each kind of
request from outside, one after another. Prints a Markdown table. The goal is 50 ms at 100,000 recordings.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import sqlalchemy as sa
from aiohttp import web

from benchmarks.receivers import settings_for
from handlers.keys import Limits
from handlers.routes import build_api
from service.app import open_house
from service.database.recordings import insert_recording
from service.database.run import Database
from service.logs import configure_logs
from service.operations import Scope
from service.operations.access import create_token
from service.operations.ids import new_uid, new_ulid
from service.recording import Attempt, AttemptState, Location, Parameters, Policy, Recording, State
from tests.postgres import Postgres

BATCH = 2000
STATES = [state for state in State if state.terminal]


def one(number: int, began: float) -> Recording:
    """A recording with an attempt behind it. Every thousandth is incomplete and labelled as rare."""
    requested_at = began + number
    ulid = new_ulid(requested_at)
    rare = number % 1000 == 0
    recording = Recording(
        id=f"rec_{ulid}",
        owner=("first", "second")[number % 2],
        app="bench",
        storage="bench",
        location=Location(11, 0, "bucket", "http://127.0.0.1:9", True, (ulid.lower(),)),
        parameters=Parameters(),
        policy=Policy(),
        page="https://class.example.org/room",
        rtmp=None,
        requested_at=requested_at,
        cname=f"bench-{ulid.lower()}",
        labels={"course": f"c{number % 500}", "kind": "rare" if rare else "usual"},
        state=State.INCOMPLETE if rare else random.choice(STATES),
        state_since_at=requested_at,
    )
    attempt = Attempt(1, recording.cname, new_uid(), f"{recording.key_prefix}a1/", requested_at, AttemptState.ENDED)
    return replace(recording, attempts=(attempt,))


async def fill(database: Database, count: int) -> str:
    """Insert them; the id of one of the first owner's in the middle."""
    began, middle = time.time() - count, ""
    for first in range(0, count, BATCH):
        batch = [one(number, began) for number in range(first, min(first + BATCH, count))]

        def insert(connection: sa.Connection, batch: list[Recording] = batch) -> None:
            for recording in batch:
                insert_recording(connection, recording, due_at=None)

        await database.run(insert)
        if first <= count // 2 < first + BATCH:
            middle = next(each.id for each in batch if each.owner == "first")
    return middle


async def measure(url: str, count: int, repeats: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each repeat, by kind of request."""
    settings = settings_for(url, folder)
    configure_logs(settings.log.model_copy(update={"level": "warning"}))
    async with open_house(settings) as house:
        database = house.operations._database
        middle = await fill(database, count)
        token = await create_token(database, owner="first", scopes=list(Scope), now=time.time())
        runner = web.AppRunner(build_api(house.operations, Limits()), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/recordings"
        asked = {
            "one recording": f"{base}/{middle}",
            "newest 50": base,
            "newest 200": f"{base}?limit=200",
            "50 of a rare state": f"{base}?state=incomplete",
            "50 with a rare label": f"{base}?label=kind:rare",
            "50 with two labels": f"{base}?label=course:c0&label=kind:usual",
            "50 of a state that none has": f"{base}?state=recording",
        }
        found: dict[str, list[float]] = {}
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            for name, address in asked.items():
                found[name] = [await timed(http, address) for _ in range(repeats)]
        await runner.cleanup()
    return found


async def timed(http: aiohttp.ClientSession, address: str) -> float:
    began = time.perf_counter()
    async with http.get(address) as answer:
        assert answer.status == 200, answer.status
        await answer.read()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=50)
    chosen = parser.parse_args()
    print(f"| {chosen.count} recordings, milliseconds | SQLite median | longest | PostgreSQL median | longest |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-listing-") as name, Postgres(durable=True) as postgres:
        folder = Path(name)
        urls = (f"sqlite:///{folder}/bench.db", postgres.create_database())
        sqlite, other = (asyncio.run(measure(url, chosen.count, chosen.repeats, folder)) for url in urls)
    for kind, times in sqlite.items():
        cells = [f"{value:.1f}" for each in (times, other[kind]) for value in (statistics.median(each), max(each))]
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
