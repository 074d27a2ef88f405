"""What a verdict costs, beside what others charge for less: `make bench-verify`.

(a) A recording of one hour, on a real S3 server, and one of ten, on a store that serves files from the disk, at each
level, as they are and behind a relay that holds each request for 50 ms. (b) In the same run: HEAD for every object by
aiobotocore, rclone's listing of the same prefix, ffprobe and PyAV over all media from the disk. (c) 500 recordings of
an hour at `structure`, from a store that maps 500 prefixes onto one set of files. And how long listing 100,000 keys
holds up the loop. Ratios come first. `--out` writes JSON.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import aiohttp
import av
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from benchmarks import recordings
from benchmarks.stores import CPU, MANY, running
from emulator.s3_server import S3Server
from pagereel.serving import calm_interpreter
from service.buckets import Keys, Usage
from service.buckets.s3 import S3Bucket
from service.recording import Location
from service.report import Level, Verdict
from service.verifier import judge_recording
from service.verifier.reading import list_all

BUCKET = "bench"
LATENCY = 0.05
FLEET = 500
DECODE = "1 h, PyAV decodes the slices, disk"
DECODE_MP4 = "1 h, PyAV decodes the MP4 file, disk"


@dataclass(frozen=True)
class Cost:
    """Of one piece of work: wall and CPU seconds (children included), requests and bytes where they are counted."""

    wall: float
    cpu: float
    requests: int | None = None
    size_bytes: int | None = None


class Figures(dict[str, Cost]):
    """What was measured, by name; each is told on stderr when it is there. `lag`: of the loop, in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.lag: dict[str, float] = {}

    def __setitem__(self, name: str, value: Cost) -> None:
        print(f"{name}: {value}", file=sys.stderr, flush=True)
        super().__setitem__(name, value)


async def cost(repeats: int, work: Callable[[], Awaitable[tuple[int | None, int | None]]]) -> Cost:
    """The median of some runs."""
    runs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), _cpu()
        requests, size = await work()
        runs.append(Cost(time.perf_counter() - wall, _cpu() - cpu, requests, size))
    wall, cpu = (statistics.median(getattr(one, name) for one in runs) for name in ("wall", "cpu"))
    return replace(runs[-1], wall=round(wall, 4), cpu=round(cpu, 4))


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def upload(server: S3Server, folder: Path, prefix: str) -> None:
    client = server.client()
    for name in sorted(_names(folder)):
        with (folder / name).open("rb") as body:
            client.put_object(Bucket=BUCKET, Key=prefix + name, Body=body)
    client.close()


class Bench:
    def __init__(self, http: aiohttp.ClientSession, boto: AioSession, keys: Keys) -> None:
        self.http, self.boto, self.keys = http, boto, keys

    def bucket(self, endpoint: str) -> S3Bucket:
        return S3Bucket(Location(11, 0, BUCKET, endpoint, True, ()), self.keys, http=self.http, session=self.boto)

    async def judged(self, endpoint: str, hours: int, level: Level, repeats: int) -> Cost:
        async with self.bucket(endpoint) as bucket:
            await bucket.presign("warm-up", 1)

            async def work() -> tuple[int, int]:
                report = await judge_recording(bucket, recordings.expected(f"{hours}h/", hours), level, seed=1)
                if report.verdict is not Verdict.VERIFIED or report.level is not level:
                    raise RuntimeError(
                        f"{report.verdict} at {report.level}: {[one.text for one in report.findings][:3]}"
                    )
                return report.requests, report.bytes_read

            return await cost(repeats, work)

    async def heads(self, endpoint: str, hours: int) -> Cost:
        """HEAD for every object, 64 at once, with the pool to match."""
        config = AioConfig(s3={"addressing_style": "path"}, max_pool_connections=64, retries={"total_max_attempts": 1})
        settings: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": endpoint, "config": config}
        settings |= {"aws_access_key_id": self.keys.access_key, "aws_secret_access_key": self.keys.secret_key}
        names = sorted(_names(FOLDERS[hours]))
        async with self.boto.create_client("s3", **settings) as client:
            turns = asyncio.Semaphore(64)

            async def head(name: str) -> None:
                async with turns:
                    await client.head_object(Bucket=BUCKET, Key=f"{hours}h/{name}")

            async def work() -> tuple[int, None]:
                await asyncio.gather(*map(head, names))
                return len(names), None

            await head(names[0])
            return await cost(3 if hours == 1 else 1, work)

    async def rclone(self, endpoint: str, hours: int) -> Cost:
        command = [str(Path(sys.executable).parent / "rclone"), "lsjson", "-R", "--fast-list", "--no-mimetype"]
        command += ["--no-modtime", "--files-only", "--retries", "1", "--low-level-retries", "1"]
        command += [f"bench:{BUCKET}/{hours}h"]
        env = os.environ | {
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_BENCH_ENDPOINT": endpoint,
            "RCLONE_CONFIG_BENCH_ACCESS_KEY_ID": self.keys.access_key,
            "RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY": self.keys.secret_key,
        }

        async def work() -> tuple[None, None]:
            ran = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, check=True)
            assert len(json.loads(ran.stdout)) == len(_names(FOLDERS[hours])), "rclone sees every object"
            return None, None

        return await cost(3, work)

    async def listing(self, endpoint: str, hours: int) -> Cost:
        """The listing alone, as rclone does it."""
        async with self.bucket(endpoint) as bucket:
            await bucket.presign("warm-up", 1)

            async def work() -> tuple[int, int]:
                usage = Usage()
                await list_all(bucket, f"{hours}h/", "", 100_000, usage)
                return usage.requests, usage.bytes_read

            return await cost(3, work)

    async def fleet(self, endpoint: str) -> Cost:
        """The fleet, judged by one process a core as so many workers would."""
        cores = len(os.sched_getaffinity(0))
        parts = [(FLEET * one // cores, FLEET * (one + 1) // cores) for one in range(cores)]

        async def part(first: int, end: int) -> tuple[int, int]:
            command = [sys.executable, "-m", "benchmarks.fleet", endpoint, self.keys.access_key, str(first), str(end)]
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            told, _ = await process.communicate()
            requests, size = json.loads(told)
            return requests, size

        async def work() -> tuple[int, int]:
            done = await asyncio.gather(*(part(*one) for one in parts))
            return sum(requests for requests, _ in done), sum(size for _, size in done)

        return await cost(1, work)

    async def cpu_of(self, endpoint: str) -> float:
        """How many seconds of CPU a mapped store has used."""
        async with self.http.get(f"{endpoint}/{BUCKET}/{CPU}") as answer:
            return float(await answer.text())

    async def lag(self, endpoint: str) -> tuple[Cost, float, float]:
        """Listing a hundred thousand keys, with the longest and the 99.9th percentile delay of a task that only
        wants to run every millisecond."""
        delays: list[float] = []
        loop = asyncio.get_running_loop()

        async def watch() -> None:
            while True:
                before = loop.time()
                await asyncio.sleep(0.001)
                delays.append(loop.time() - before - 0.001)

        async with self.bucket(endpoint) as bucket:
            await bucket.presign("warm-up", 1)
            watching = asyncio.ensure_future(watch())

            async def work() -> tuple[int, int]:
                usage = Usage()
                found = await list_all(bucket, "many/", "", 2 * MANY, usage)
                assert len(found) == MANY, len(found)
                return usage.requests, usage.bytes_read

            spent = await cost(1, work)
            watching.cancel()
        delays.sort()
        return spent, delays[-1], delays[int(len(delays) * 0.999)]


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != "whole"]


FOLDERS: dict[int, Path] = {}


async def ffprobe(hours: int) -> Cost:
    """ffprobe counts the packets of every slice."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "json"]
    command += ["-allowed_extensions", "ALL", str(FOLDERS[hours] / f"{recordings.STEM}.m3u8")]

    async def work() -> tuple[None, None]:
        await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
        return None, None

    return await cost(1, work)


async def decoded(hours: int, pattern: str, *, processes: int = 1) -> Cost:
    """Every picture and sound of all files of one kind, decoded by PyAV as it does by itself: one after the other, in
    one thread of each process."""
    paths = sorted(FOLDERS[hours].glob(pattern))
    size = sum(path.stat().st_size for path in paths)

    async def work() -> tuple[None, int]:
        if processes == 1:
            await asyncio.to_thread(_decode_all, [str(path) for path in paths])
            return None, size
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            loop = asyncio.get_running_loop()
            parts = [[str(path) for path in paths[one::processes]] for one in range(processes)]
            await asyncio.gather(*(loop.run_in_executor(pool, _decode_all, part) for part in parts))
        return None, size

    return await cost(1, work)


def _decode_all(paths: list[str]) -> None:
    for path in paths:
        with av.open(path) as container:
            for _ in container.decode():
                pass


async def measure(chosen: argparse.Namespace, server: S3Server) -> dict[str, Any]:
    figures = Figures()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(chosen.limit or None):
            await fill(figures, chosen, server)
    return {
        "ratios": ratios(figures),
        "loop_lag_ms": figures.lag,
        "figures": {name: asdict(one) for name, one in figures.items()},
    }


async def fill(figures: Figures, chosen: argparse.Namespace, server: S3Server) -> None:
    """Measure one after another."""
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=64)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        bench = Bench(http, AioSession(), Keys(server.reader_access_key, server.reader_secret_key))
        mapped = stack.enter_context(running("mapped", str(FOLDERS[1])))
        calm_interpreter()  # as the service does
        figures["LIST of 100,000 keys"], longest, usual = await bench.lag(mapped)
        figures.lag = {"longest": round(longest * 1000, 1), "p99.9": round(usual * 1000, 1)}
        for hours, folder in FOLDERS.items():
            # Ten hours are more than the small S3 server takes.
            quick = server.endpoint if hours == 1 else stack.enter_context(running("mapped", str(folder)))
            slow = stack.enter_context(running("delay", quick.rpartition(":")[2], str(LATENCY)))
            for name, endpoint in (("0 ms", quick), ("50 ms", slow)):
                for level in map(Level, chosen.levels.split(",")):
                    if level in (Level.BYTES, Level.FULL) and (hours > 1 or endpoint is slow):
                        continue
                    repeats = 1 if level in (Level.BYTES, Level.FULL) or hours > 1 else 3
                    figures[f"{hours} h, {level}, {name}"] = await bench.judged(endpoint, hours, level, repeats)
                figures[f"{hours} h, LIST alone, {name}"] = await bench.listing(endpoint, hours)
                figures[f"{hours} h, HEAD per object (aiobotocore), {name}"] = await bench.heads(endpoint, hours)
                figures[f"{hours} h, rclone lsjson, {name}"] = await bench.rclone(endpoint, hours)
        if shutil.which("ffprobe"):
            figures["1 h, ffprobe -count_packets, disk"] = await ffprobe(1)
        figures[DECODE] = await decoded(1, "*.ts")
        cores = len(os.sched_getaffinity(0))
        figures[f"{DECODE}, {cores} processes"] = await decoded(1, "*.ts", processes=cores)
        figures[DECODE_MP4] = await decoded(1, "*.mp4")
        before = await bench.cpu_of(mapped)
        figures[f"{FLEET} x 1 h, structure"] = fleet = await bench.fleet(mapped)
        used = round(await bench.cpu_of(mapped) - before, 1)
        figures[f"{FLEET} x 1 h, the store beside it"] = Cost(fleet.wall, used)


def ratios(figures: Figures) -> dict[str, float]:
    def over(one: str, other: str, name: str) -> float:
        return float(round(getattr(figures[one], name) / max(getattr(figures[other], name), 1e-6), 2))

    head, rclone = "1 h, HEAD per object (aiobotocore), {}", "1 h, rclone lsjson, {}"

    def known(names: dict[str, tuple[str, str, str]]) -> dict[str, float]:
        return {told: over(*each) for told, each in names.items() if each[0] in figures and each[1] in figures}

    return known(
        {
            "CPU of HEAD per object / CPU of listing, 0 ms": (head.format("0 ms"), "1 h, listing, 0 ms", "cpu"),
            "wall of LIST alone / wall of rclone, 50 ms": ("1 h, LIST alone, 50 ms", rclone.format("50 ms"), "wall"),
            "wall of listing / wall of rclone, 50 ms": ("1 h, listing, 50 ms", rclone.format("50 ms"), "wall"),
            "CPU of full decode / CPU of structure, 1 h": (DECODE, "1 h, structure, 0 ms", "cpu"),
            "CPU of full decode / CPU of content, 1 h": (DECODE, "1 h, content, 0 ms", "cpu"),
            "CPU of bytes / CPU of content, 1 h": ("1 h, bytes, 0 ms", "1 h, content, 0 ms", "cpu"),
            "CPU of full / CPU of PyAV on the slices, 1 h": ("1 h, full, 0 ms", DECODE, "cpu"),
            "wall of full / wall of PyAV on the slices, 1 h": ("1 h, full, 0 ms", DECODE, "wall"),
        }
    )


def show(result: dict[str, Any]) -> None:
    print("| ratio | |\n|---|---|")
    for name, value in result["ratios"].items():
        print(f"| {name} | **{value}** |")
    lag = result["loop_lag_ms"]
    if lag:
        told = f"{lag['longest']} ms (p99.9 {lag['p99.9']} ms)"
        print(f"| longest delay of the loop while listing 100,000 keys | {told} |")
    print("\n| work | wall s | CPU s | requests | MB |\n|---|---|---|---|---|")
    for name, one in result["figures"].items():
        size = "" if one["size_bytes"] is None else f"{one['size_bytes'] / 1e6:.2f}"
        print(f"| {name} | {one['wall']:.3f} | {one['cpu']:.3f} | {one['requests'] or ''} | {size} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", default="1,10")
    parser.add_argument("--levels", default=",".join(Level))
    parser.add_argument("--folder", type=Path, help="Where the media are kept between runs. Default: nowhere.")
    parser.add_argument("--limit", type=float, default=0, help="Seconds; what was not measured by then is left out.")
    parser.add_argument("--out", type=Path, help="Write JSON there.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as name, S3Server() as server:
        server.make_bucket(BUCKET)
        for hours in map(int, chosen.hours.split(",")):
            FOLDERS[hours] = (chosen.folder or Path(name)) / f"{hours}h"
            recordings.write(FOLDERS[hours], hours)
            if hours == 1:
                upload(server, FOLDERS[hours], "1h/")
        result = asyncio.run(measure(chosen, server))
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    show(result)


if __name__ == "__main__":
    main()
