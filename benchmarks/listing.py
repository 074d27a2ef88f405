"""How long the API takes to show and list recordings when there are many: `make bench-listing`.

Fills a database with recordings of two owners as they are once verified, serves it over the real API in this process,
and times each kind of request from outside, one after another: every filter, pages of 50 and 200, the first page and
one from the middle of the list. Prints a Markdown table. The goal is 50 ms at 100,000 recordings.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import sqlalchemy as sa
from aiohttp import web

from benchmarks.receivers import settings_for
from handlers.keys import Limits
from handlers.routes import build_api
from pagereel.app import open_house
from pagereel.logs import configure_logs
from pagereel.serving import calm_interpreter
from service.database import tables
from service.database.documents import encode
from service.database.engine.database import Database
from service.database.engine.postgres import Pool
from service.operations import Scope
from service.operations.accounts.access import create_token
from service.operations.ids import new_uid, new_ulid
from service.operations.pagination import encode_cursor
from service.policy import Policy
from service.recording import Attempt, AttemptState, Blame, EndReason, Location, Parameters, Recording, State, Watch
from service.report import Coverage, Finding, Interval, Level, ReportSummary, Severity, Verdict
from tests.postgres import Postgres

BATCH = 2000
STATES = [state for state in State if state.terminal]


def one(number: int, began: float) -> Recording:
    """A recording as it is after an hour and a report. Every thousandth is incomplete and labelled as rare."""
    at = began + number
    ulid = new_ulid(at)
    rare = number % 1000 == 0
    state = State.INCOMPLETE if rare else random.choice(STATES)
    recording = Recording(
        id=f"rec_{ulid}",
        owner=("first", "second")[number % 2],
        app="other" if rare else "bench",
        storage="bench",
        location=Location(11, 0, "bucket", "http://127.0.0.1:9", True, (ulid.lower(),)),
        parameters=Parameters(),
        policy=Policy(),
        page="https://class.example.org/room",
        rtmp=None,
        requested_at=at,
        cname=f"bench-{ulid.lower()}",
        labels={"course": f"c{number % 500}", "kind": "rare" if rare else "usual"},
        state=state,
        state_since_at=at,
        end_reason=EndReason.STOPPED,
        blame=Blame.CALLER,
        ended_at=at + 3600,
        watch=Watch(slices=240, size_bytes=10**9, last_slice_at=at + 3590, listed_at=at + 3600),
        looks=2,
        reports=1,
        latest_report=report(at),
        history=40,
    )
    attempt = Attempt(
        number=1,
        cname=recording.cname,
        uid=new_uid(),
        prefix=f"{recording.key_prefix}a1/",
        planned_at=at,
        state=AttemptState.ENDED,
        resource_id=ulid * 16,
        resource_ids=(ulid * 16,),
        sid=f"{number:032x}",
        started_at=at + 1,
        recording_at=at + 5,
        ended_at=at + 3600,
        announced=tuple(f"{number:032x}_bench_{part}.mp4" for part in range(2)),
    )
    return replace(recording, attempts=(attempt,))


def report(at: float) -> ReportSummary:
    """One with two findings."""
    window = Interval(at, at + 3600)
    found = tuple(
        Finding(f"code_{kind}", Severity.WARNING, "A sentence for a person, of the usual length.", None, window)
        for kind in range(2)
    )
    coverage = Coverage(window, 3600, 3590, 0, 10, 0, 5, 0.997)
    return ReportSummary(1, Verdict.VERIFIED, Level.LISTING, at + 3700, 2, found, 2, coverage)


async def fill(database: Database, count: int) -> Recording:
    """Insert them, many at a time; one of the first owner's in the middle."""
    began = time.time() - count
    middle = one(0, began)
    for first in range(0, count, BATCH):
        batch = [one(number, began) for number in range(first, min(first + BATCH, count))]
        await database.run(lambda connection, batch=batch: insert(connection, batch))  # type: ignore[misc]
        if first <= count // 2 < first + BATCH:
            middle = next(each for each in batch if each.owner == "first")
    if database.pool is not None:  # what the server does by itself while a table grows; here it would run meanwhile
        await tidy(database.pool)
    return middle


async def tidy(pool: Pool) -> None:
    """Have the server count and clean what was inserted."""
    connection = await pool.connect()
    try:
        await connection.execute("VACUUM ANALYZE", timeout=120)
    finally:
        await connection.close()


def insert(connection: sa.Connection, batch: list[Recording]) -> None:
    """What `insert_recording` does for one."""
    rows = {
        tables.recordings: [
            {column: getattr(one, column) for column in ("id", "owner", "app", "storage", "requested_at", "version")}
            | {"state": one.state.value, "document": encode(one)}
            for one in batch
        ],
        tables.attempts: [
            {"recording_id": one.id, "number": it.number, "cname": it.cname, "uid": it.uid, "sid": it.sid}
            for one in batch
            for it in one.attempts
        ],
        tables.labels: [
            {"owner": one.owner, "name": name, "value": value, "requested_at": one.requested_at, "recording_id": one.id}
            for one in batch
            for name, value in one.labels.items()
        ],
    }
    for table, values in rows.items():
        connection.execute(table.insert(), values)


async def measure(url: str, count: int, repeats: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each repeat, sorted, by kind of request."""
    settings = settings_for(url, folder)
    configure_logs(settings.log.model_copy(update={"level": "warning"}))
    async with open_house(settings) as house:
        database = house.operations._database
        middle = await fill(database, count)
        calm_interpreter()
        token = await create_token(database, owner="first", scopes=list(Scope), now=time.time())
        runner = web.AppRunner(build_api(house.operations, Limits()), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/recordings"
        found: dict[str, list[float]] = {}
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            for name, asked in questions(middle).items():
                found[name] = sorted([await timed(http, base + asked) for _ in range(repeats)])
        await runner.cleanup()
    return found


def questions(middle: Recording) -> dict[str, str]:
    """What is asked for, by name."""
    late = encode_cursor(middle.requested_at, middle.id)
    before = {"to": datetime.fromtimestamp(middle.requested_at, UTC).isoformat().replace("+00:00", "Z")}
    filters: dict[str, list[tuple[str, str]]] = {
        "no filter": [],
        "an app": [("app", "bench")],
        "a usual state": [("state", "verified")],
        "a rare state": [("state", "incomplete")],
        "a state that none has": [("state", "recording")],
        "a rare app": [("app", "other")],
        "a usual label": [("label", "kind:usual")],
        "a rare label": [("label", "kind:rare")],
        "two labels": [("label", "course:c0"), ("label", "kind:usual")],
        "a time": list(before.items()),
        "state, app, label and time": [
            ("state", "verified"),
            ("app", "bench"),
            ("label", "kind:usual"),
            *before.items(),
        ],
    }
    asked = {"one recording": f"/{middle.id}"}
    for name, where in filters.items():
        for limit in (50, 200):
            for place, cursor in (("first page", []), ("from the middle", [("cursor", late)])):
                asked[f"{name}, {limit}, {place}"] = "?" + urlencode([*where, ("limit", str(limit)), *cursor])
    return asked


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started is ended too
    print(f"| {chosen.count} recordings, milliseconds | SQLite p50 | p99 | PostgreSQL p50 | p99 |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-listing-") as name, Postgres(durable=True) as postgres:
        folder = Path(name)
        urls = (f"sqlite:///{folder}/bench.db", postgres.create_database())
        sqlite, other = (asyncio.run(measure(url, chosen.count, chosen.repeats, folder)) for url in urls)
    for kind, times in sqlite.items():
        cells = [f"{each[int(len(each) * share)]:.1f}" for each in (times, other[kind]) for share in (0.5, 0.99)]
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
