"""How fast the intake answers Agora, against the ceiling of the same minute: `make bench-intake`.

Every row is measured in interleaved runs with wrk (Debian package `wrk`), one server process and one load thread on
loopback; a run counts only if the server that does nothing used at least 0.9 of a core in it. Prints a Markdown table,
and writes JSON with `--out`.
"""

import argparse
import asyncio
import hmac
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.receivers import SECRET
from tests.postgres import Postgres

HERE = Path(__file__).parent
ROWS = {
    "noop": "(a) aiohttp, 200 and nothing else",
    "parse": "(b) signature and parsing only",
    "sqlite": "(c) intake, SQLite FULL, worker off",
    "sqlite-worker": "(c) intake, SQLite FULL, worker on",
    "postgres": "(d) intake, PostgreSQL with fsync, worker in another process",
    "handwritten": "(e) FastAPI, SQLAlchemy, PostgreSQL, commit a request",
}
BODIES_A_SECOND = 20_000  # more than any receiver takes, so that none comes twice
MINIMUM_CORE = 0.9
LOG_SEGMENTS = 40


def notice(number: int, run: str) -> bytes:
    """A notification of about 400 bytes, as the uploader sends one a minute."""
    sid = f"{number % 50:032x}"
    now = int(time.time() * 1000)
    payload = {
        "cname": f"other-{number % 50}",
        "uid": "527841",
        "sid": sid,
        "sequence": number,
        "sendts": now,
        "serviceType": 2,
        "serviceScene": "web_record",
        "details": {"msgName": "uploading_progress", "progress": number % 10000},
    }
    return json.dumps(
        {
            "noticeId": f"{run}{number:010d}",
            "productId": 3,
            "eventType": 33,
            "notifyMs": now,
            "sid": sid,
            "payload": payload,
        },
        separators=(",", ":"),
    ).encode()


def write_bodies(path: Path, count: int) -> None:
    """Signed notices that no receiver has seen before."""
    run = uuid.uuid4().hex[:22]
    with path.open("wb") as file:
        for number in range(count):
            body = notice(number, run)
            file.write(hmac.digest(SECRET.encode(), body, "sha256").hex().encode() + b"\t" + body + b"\n")
        file.flush()
        os.fsync(file.fileno())  # or the first commits of the receiver would have to wait for these megabytes


class Server:
    """A receiver as a process; `cores` says how much it has used."""

    def __init__(self, variant: str, database: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.receivers", variant, str(self.port), database, str(folder)]
        self._log = (folder / "server.log").open("ab")
        self.process = subprocess.Popen(command, stderr=self._log, start_new_session=True)

    def wait_ready(self) -> None:
        for _ in range(400):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("the server does not listen")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._log.close()


def load(port: int, connections: int, seconds: float, bodies: Path) -> dict[str, Any]:
    """One wrk run."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "8s", "-s", str(HERE / "notices.lua")]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"],
        env={**os.environ, "BENCH_BODIES": str(bodies)},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    line = next(each for each in done.stdout.splitlines() if each.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found


def lay_in_log(postgres: Postgres) -> None:
    """Log segments to be used again, as a server has that has run for a while. A new one creates each when needed:
    16 MB of zeros and an fsync, a halt of 25 to 55 ms about once a second at full load."""
    postgres.execute(f"ALTER SYSTEM SET min_wal_size = '{LOG_SEGMENTS * 16}MB'")
    postgres.execute("SELECT pg_reload_conf()")
    for _ in range(LOG_SEGMENTS):
        postgres.execute("SELECT pg_logical_emit_message(true, '', '')")
        postgres.execute("SELECT pg_switch_wal()")
    postgres.execute("CHECKPOINT")


def measure(row: str, connections: int, seconds: float, work: Path, postgres: Postgres) -> dict[str, Any]:
    """One run of one row, on a fresh database."""
    folder = Path(tempfile.mkdtemp(dir=work))
    others: list[Server] = []
    variant = {"sqlite": "intake", "sqlite-worker": "intake-worker", "postgres": "intake"}.get(row, row)
    database = f"sqlite:///{folder}/bench.db"
    if row in ("postgres", "handwritten"):
        postgres.execute("CHECKPOINT")
        database = postgres.create_database()
    warm_up, bodies = folder / "warm-up.tsv", folder / "bodies.tsv"
    write_bodies(warm_up, 4000)
    write_bodies(bodies, int(BODIES_A_SECOND * seconds))
    server = Server(variant, database, folder)
    try:
        server.wait_ready()
        if row == "postgres":
            others.append(Server("work", database, folder))
            others[0].wait_ready()
        load(server.port, connections, 1, warm_up)
        before = server.cpu_seconds()
        result = load(server.port, connections, seconds, bodies)
        result["cores"] = (server.cpu_seconds() - before) / seconds
        return result
    finally:
        for each in (*others, server):
            each.close()
        shutil.rmtree(folder, ignore_errors=True)


def median(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in ("rate", "p50_ms", "p99_ms", "cores")}


def table(connections: int, found: dict[str, dict[str, float]]) -> str:
    """Markdown, with ratios to the ceiling, to parsing alone and to the hand-written receiver."""
    lines = [
        f"### {connections} connection{'s' if connections > 1 else ''}\n",
        "| receiver | per second | of (a) | of (b) | × (e) | p50 ms | p99 ms | p99 of (a)'s | server cores |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, one in found.items():
        ratios = [
            one["rate"] / found[other]["rate"] if other in found else float("nan")
            for other in ("noop", "parse", "handwritten")
        ]
        p99 = one["p99_ms"] / found["noop"]["p99_ms"]
        cells = [ROWS[row], f"{one['rate']:.0f}", *(f"{ratio:.2f}" for ratio in ratios)]
        cells += [f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.1f}", f"{p99:.2f}", f"{one['cores']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


# --- a steady rate, while the worker drains a backlog ----------------------------------------------------------------


async def steady(port: int, rate: int, seconds: float) -> dict[str, float]:
    """Open loop: a request is sent when it is due, whether or not the ones before have been answered."""
    import aiohttp

    run, latencies = uuid.uuid4().hex[:22], []
    loop = asyncio.get_running_loop()

    async def send(http: aiohttp.ClientSession, number: int, due: float) -> None:
        body = notice(number, run)
        headers = {"Agora-Signature-V2": hmac.digest(SECRET.encode(), body, "sha256").hex()}
        async with http.post(
            f"http://127.0.0.1:{port}/agora/bench/notifications", data=body, headers=headers
        ) as answer:
            assert answer.status == 200, answer.status
            await answer.read()
        latencies.append((loop.time() - due) * 1000)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as http, asyncio.TaskGroup() as group:
        began = loop.time()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0, due - loop.time()))
            group.create_task(send(http, number, due))
    ordered = sorted(latencies)
    return {"p50_ms": ordered[len(ordered) // 2], "p99_ms": ordered[int(len(ordered) * 0.99)], "max_ms": ordered[-1]}


def measure_steady(work: Path, rate: int, seconds: float) -> dict[str, float]:
    """Latency at a steady rate with the worker in the same process and a backlog of unapplied notices before it."""
    folder = Path(tempfile.mkdtemp(dir=work))
    database = f"sqlite:///{folder}/bench.db"
    bodies = folder / "bodies.tsv"
    write_bodies(bodies, BODIES_A_SECOND * 4)
    filling = Server("intake", database, folder)
    try:
        filling.wait_ready()
        backlog = load(filling.port, 32, 4, bodies)["requests"]
    finally:
        filling.close()
    server = Server("intake-worker", database, folder)
    try:
        server.wait_ready()
        return {"backlog": backlog, "rate": rate, **asyncio.run(steady(server.port, rate, seconds))}
    finally:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 32, 128])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--steady", action=argparse.BooleanOptionalAction, default=True, help="500/s upon a backlog")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started is ended too
    if shutil.which("wrk") is None:
        parser.exit(2, "wrk is not installed (Debian package `wrk`)\n")
    work = Path(tempfile.mkdtemp(prefix="bench-intake-"))
    results: dict[int, dict[str, dict[str, float]]] = {}
    try:
        with Postgres(durable=True) as postgres:
            lay_in_log(postgres)
            for connections in chosen.connections:
                runs: dict[str, list[dict[str, Any]]] = {row: [] for row in chosen.rows}
                for number in range(chosen.runs):
                    one = {row: measure(row, connections, chosen.seconds, work, postgres) for row in chosen.rows}
                    counts = connections == 1 or one["noop"]["cores"] >= MINIMUM_CORE
                    print(
                        f"run {number + 1} at {connections}: {'counts' if counts else 'does not count'}",
                        file=sys.stderr,
                    )
                    for row, result in one.items():
                        if counts:
                            runs[row].append(result)
                if not runs["noop"]:
                    parser.exit(1, "no run counted: the machine was busy with something else\n")
                results[connections] = {row: median(found) for row, found in runs.items()}
                print(table(connections, results[connections]), flush=True)
        steadily = measure_steady(work, 500, 10) if chosen.steady else None
        if steadily:
            print(
                f"At {steadily['rate']}/s with the worker in the same process and a backlog of {steadily['backlog']}: "
                f"p50 {steadily['p50_ms']:.1f} ms, p99 {steadily['p99_ms']:.1f} ms, longest {steadily['max_ms']:.1f} ms"
            )
        if chosen.out:
            chosen.out.write_text(json.dumps({"tables": results, "steady": steadily}, indent=1) + "\n")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
