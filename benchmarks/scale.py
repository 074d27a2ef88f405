"""What a live recording costs the service, from 100 to 10,000 of them: `make bench-scale`.

The real `serve`, its worker and all, in a process of its own on a database in which so many recordings record; Agora
and the bucket are one cheap process that always answers well, with a new slice every 15 s. Each recording is queried
and its bucket listed every two minutes, and sends a notification a minute. Prints a Markdown table: CPU of the service
for each recording and hour, its memory, how late the event loop was, how late steps were. `--live 2000` runs one size.
"""

import argparse
import asyncio
import gc
import hmac
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import sqlalchemy as sa
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.listing import insert
from metrics import REGISTRY
from pagereel.logs import configure_logs
from pagereel.serving import Roles, serve
from service.database import tables
from service.database.engine.database import Database
from service.database.engine.startup import prepare
from service.operations.ids import new_uid, new_ulid
from service.policy import Policy
from service.recording import Attempt, AttemptState, Location, Parameters, Recording, State, Watch
from service.report import Level
from service.settings import Log, Settings
from tests.ports import free_port
from tests.postgres import Postgres

# Imported by each of its processes, so it must import nothing large that the service itself does not have.
SECRET = "bench-ncs-secret"
WATCH_SECONDS = 120
SLICE_SECONDS = 15
NOTICE_SECONDS = 60
SIZES = {100: 1, 1000: 2, 10_000: 16}
LAG_SECONDS = 0.02


# --- Agora and the bucket --------------------------------------------------------------------------------------------


def utc17(at: float) -> str:
    """The instant in a slice's name (agora-reference §9.1)."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(at)) + f"{round(at * 1000) % 1000:03d}"


async def _agora(request: web.Request) -> web.Response:
    await request.read()
    sid = request.match_info["rest"].partition("/sid/")[2][:32]
    said = {"resourceId": "r", "sid": sid, "serverResponse": {"status": 5, "extensionServiceState": []}}
    return web.Response(body=orjson.dumps(said), content_type="application/json")


async def _bucket(request: web.Request) -> web.Response:
    """The slices since the one that is listed after."""
    prefix, after = request.query.get("prefix", ""), request.query.get("start-after", "")
    keys = []
    if after.endswith(".ts"):
        stem, _, stamp = after.rpartition("_")
        last = time.mktime(time.strptime(stamp[:14], "%Y%m%d%H%M%S")) - time.timezone
        slices = range(1, int((time.time() - last) // SLICE_SECONDS))
        keys = [f"{stem}_{utc17(last + number * SLICE_SECONDS)}.ts" for number in slices]
    listed = "".join(
        f'<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag>'
        "<Size>900000</Size></Contents>"
        for key in keys
    )
    text = f"<ListBucketResult><Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
    return web.Response(text=text, content_type="application/xml")


def world(port: int) -> None:
    """Agora and the bucket until SIGTERM."""
    app = web.Application()
    app.router.add_route("*", "/v1/apps/{rest:.*}", _agora)
    app.router.add_route("*", "/{rest:.*}", _bucket)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None, access_log=None)


# --- the service -----------------------------------------------------------------------------------------------------


def settings_text(database: str, groups: int, port: int, callbacks: int) -> str:
    """Settings with an app for each rate group."""
    key = b64encode(b"bench sealing key of 32 bytes !!").decode()
    apps = "\n".join(
        f'[apps.a{number}]\napp_id = "a{number}"\ncustomer_id = "c{number}"\ncustomer_secret = "s"\n'
        f'ncs_secrets = ["{SECRET}"]\nbase_urls = ["http://127.0.0.1:{port}"]'
        for number in range(groups)
    )
    return f"""
deployment = "bench"
[database]
url = "{database}"
sealing_keys = ["{key}"]
[api]
port = 0
[callbacks]
host = "127.0.0.1"
port = {callbacks}
{apps}
[storage.bench]
vendor = 11
bucket = "bench"
endpoint = "http://127.0.0.1:{port}"
path_style = true
write = {{ access_key = "a", secret_key = "s" }}
read = {{ access_key = "a", secret_key = "s" }}
"""


def live(number: int, groups: int, port: int, now: float) -> tuple[Recording, float]:
    """A recording that has recorded for ten minutes, and when it is due: all are spread over a period."""
    began, ulid, sid = now - 600, new_ulid(now - 600), f"{number:032x}"
    due_at = now + random.uniform(0, WATCH_SECONDS)
    recording = Recording(
        id=f"rec_{ulid}",
        owner="bench",
        app=f"a{number % groups}",
        storage="bench",
        location=Location(11, 0, "bench", f"http://127.0.0.1:{port}", True, (ulid.lower(),)),
        parameters=Parameters(),
        policy=Policy(level=Level.STRUCTURE),
        page="https://class.example.org/room",
        rtmp=None,
        requested_at=began,
        cname=f"bench-{ulid.lower()}",
        labels={"lesson": str(number)},
        state=State.RECORDING,
        state_since_at=began,
        window_from_at=began,
        start_deadline_at=began + 120,
        history=10,
    )
    attempt = Attempt(
        number=1,
        cname=recording.cname,
        uid=new_uid(),
        prefix=f"{recording.key_prefix}a1/",
        planned_at=began,
        state=AttemptState.RUNNING,
        resource_id="R" * 400,
        resource_ids=("R" * 400,),
        acquired_at=began,
        start_sent_at=began,
        hours=3,
        sends=1,
        sid=sid,
        started_at=began,
        recording_at=began,
        recorder_start_at=began,
        next_query_at=due_at,
        seen_at=now,
    )
    last = int(now - SLICE_SECONDS)
    after = f"{attempt.prefix}{sid}_{recording.cname}_{utc17(last)}.ts"
    watch = Watch(random.uniform(now, now + WATCH_SECONDS), after, 38, 38 * 900_000, last, now)
    return replace(recording, attempts=(attempt,), watch=watch), due_at


def _insert(connection: sa.Connection, batch: list[tuple[Recording, float]]) -> None:
    insert(connection, [each for each, _ in batch])


async def fill(url: str, count: int, groups: int, port: int) -> list[Recording]:
    async with await Database.open(url) as database:
        await prepare(database, "bench", time.time())
        made = [live(number, groups, port, time.time()) for number in range(count)]
        due = tables.recordings.update().where(tables.recordings.c.id == sa.bindparam("of"))
        due = due.values(due_at=sa.bindparam("at"))
        for first in range(0, count, 1000):
            batch = made[first : first + 1000]
            await database.run(partial(_insert, batch=batch))
            rows = [{"of": each.id, "at": min(at, each.watch.next_list_at or at)} for each, at in batch]
            await database.run(partial(sa.Connection.execute, statement=due, parameters=rows))
    return [each for each, _ in made]


async def _served(settings: Settings, warm: float, seconds: float) -> dict[str, Any]:
    """Serve, and measure after a warm-up. The lag is probed here, finer than the service's own probe."""
    serving = asyncio.create_task(serve(settings, Roles()))
    await asyncio.sleep(warm)
    before, began, lags = time.process_time(), time.monotonic(), []
    steps = _steps()
    buckets = _due_buckets()
    loop = asyncio.get_running_loop()
    while time.monotonic() - began < seconds:
        at = loop.time()
        await asyncio.sleep(LAG_SECONDS)
        lags.append(loop.time() - at - LAG_SECONDS)
    found = {
        "cpu_seconds": time.process_time() - before,
        "seconds": time.monotonic() - began,
        "steps": _steps() - steps,
        "lag_p99_ms": sorted(lags)[int(len(lags) * 0.99)] * 1000,
        "rss_mb": _resident() / 1e6,
        "due": {bound: count - buckets.get(bound, 0) for bound, count in _due_buckets().items()},
    }
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _samples(name: str) -> list[Any]:
    from prometheus_client import generate_latest

    families = text_string_to_metric_families(generate_latest(REGISTRY).decode())
    return [sample for family in families for sample in family.samples if sample.name == name]


def _steps() -> float:
    return sum(float(sample.value) for sample in _samples("pagereel_worker_step_seconds_count"))


def _due_buckets() -> dict[str, float]:
    return {sample.labels["le"]: sample.value for sample in _samples("pagereel_worker_due_lag_seconds_bucket")}


def service(config: Path, warm: float, seconds: float) -> None:
    """The service as a process of its own; prints what was measured as JSON."""
    configure_logs(Log(level="error"))
    gc.collect()
    found = asyncio.run(_served(Settings.load(config, {}), warm, seconds))
    print(json.dumps(found), flush=True)


# --- the measurement -------------------------------------------------------------------------------------------------


async def notify(recordings: list[Recording], port: int) -> None:
    """A notification a minute for each recording, until it is cancelled."""
    async with aiohttp.ClientSession() as http:
        for number in itertools.count():
            one = recordings[number % len(recordings)]
            attempt = one.attempts[0]
            payload: dict[str, Any] = {"cname": one.cname, "uid": str(attempt.uid), "sid": attempt.sid}
            payload |= {
                "sequence": number,
                "sendts": round(time.time() * 1000),
                "serviceType": 2,
                "details": {"progress": 9000},
            }
            said = {"noticeId": f"n{number}", "productId": 3, "eventType": 33, "notifyMs": 1, "payload": payload}
            body = orjson.dumps(said)
            headers = {"Agora-Signature-V2": hmac.digest(SECRET.encode(), body, "sha256").hex()}
            url = f"http://127.0.0.1:{port}/agora/{one.app}/notifications"
            try:
                async with http.post(url, data=body, headers=headers) as answer:
                    await answer.read()
            except aiohttp.ClientError:
                await asyncio.sleep(1)  # it is not up yet, or ends
            await asyncio.sleep(NOTICE_SECONDS / len(recordings))


async def measure(url: str, count: int, groups: int, seconds: float) -> dict[str, Any]:
    port, callbacks = free_port(), free_port()
    own = [sys.executable, "-m", "benchmarks.scale"]
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as name:
        config = Path(name) / "bench.toml"
        config.write_text(settings_text(url, groups, port, callbacks))
        recordings = await fill(url, count, groups, port)
        with subprocess.Popen([*own, "--world", str(port)]) as stand_in:
            try:
                run = [*own, "--serve", str(config), "--seconds", str(seconds)]
                child = await asyncio.create_subprocess_exec(*run, stdout=subprocess.PIPE)
                telling = asyncio.create_task(notify(recordings, callbacks))
                said, _ = await child.communicate()
                telling.cancel()
            finally:
                stand_in.terminate()
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def due_p99(due: dict[str, float]) -> str:
    """The lowest bound that 99 % of the steps were within."""
    total = due["+Inf"]
    return next(bound for bound, count in due.items() if count >= 0.99 * total) if total else "-"


def row(count: int, kind: str, found: dict[str, Any]) -> str:
    each = found["cpu_seconds"] / found["seconds"] / count * 3600
    cells = [f"{count}", kind, f"{each:.1f}", f"{100 * found['cpu_seconds'] / found['seconds']:.1f} %"]
    cells += [f"{found['steps'] / found['seconds']:.1f}", f"{found['rss_mb']:.0f}", f"{found['lag_p99_ms']:.1f}"]
    return f"| {' | '.join([*cells, due_p99(found['due'])])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, help="this many recordings only, on SQLite")
    parser.add_argument("--groups", type=int, default=3, help="rate groups with --live")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--world", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.world:
        world(chosen.world)
        return
    if chosen.serve:
        service(chosen.serve, 5, chosen.seconds)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started is ended too
    sizes = {chosen.live: chosen.groups} if chosen.live else SIZES
    print("| live | database | CPU s each an hour | CPU in all | steps/s | memory MB | lag p99 ms | due-lag p99 ≤ s |")
    print("|---|---|---|---|---|---|---|---|")
    with Postgres(durable=True) as postgres:
        for count, groups in sizes.items():
            with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
                url = f"sqlite:///{folder}/bench.db"
                print(row(count, "SQLite", asyncio.run(measure(url, count, groups, chosen.seconds))), flush=True)
            if not chosen.live:
                url = postgres.create_database()
                print(row(count, "PostgreSQL", asyncio.run(measure(url, count, groups, chosen.seconds))), flush=True)


if __name__ == "__main__":
    main()
