"""`pagereel verify` over many recordings: some at once, with progress, and to be interrupted."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from corpus import recording
from wire_bucket_rig import BUCKET, Opens

from emulator.s3_server import S3Server
from service.buckets import Keys, Usage
from service.buckets.s3 import S3Bucket
from service.media.listing.discovery import FoundRecording, Wanted
from service.report import Level, ListedObject, Verdict
from service.verifier.foreign import Judged, discover, judge_found
from tests.store_proxy import StoreProxy

ONE, TWO = "1" * 32, "2" * 32
COUNT = 12


@pytest.fixture
async def proxy(weed: S3Server) -> AsyncIterator[StoreProxy]:
    async with StoreProxy(weed.endpoint) as made:
        yield made


@pytest.fixture
def far(proxy: StoreProxy, weed: S3Server, opens: Opens) -> S3Bucket:
    """The bucket as it is seen from a distance."""
    proxy._latency_seconds = 0.1
    return opens(proxy.endpoint, Keys(weed.reader_access_key, weed.reader_secret_key))


@pytest.fixture
def prefix(weed: S3Server) -> str:
    """A prefix with twelve recordings."""
    made = f"p{uuid.uuid4().hex}/"
    for number in range(COUNT):
        put(weed, made, recording(f"{number:032x}", f"room-{number}"))
    return made


def put(weed: S3Server, folder: str, files: dict[str, bytes]) -> None:
    client = weed.client()
    for name, body in files.items():
        client.put_object(Bucket=BUCKET, Key=folder + name, Body=body)
    client.close()


async def judge(bucket: S3Bucket, found: list[FoundRecording], at_once: int) -> list[Judged]:
    judged: list[Judged] = []
    await judge_found(bucket, found, Level.LISTING, Wanted(), judged.append, at_once=at_once)
    return judged


@pytest.mark.parametrize("at_once", [1, 3, 8])
async def test_so_many_recordings_are_judged_at_once_and_no_more(
    far: S3Bucket, proxy: StoreProxy, prefix: str, at_once: int
) -> None:
    found, _ = await discover(far, prefix, Usage())
    proxy.most_under_way = 0
    judged = await judge(far, found, at_once)
    assert proxy.most_under_way == at_once
    assert len(judged) == len({one.recording.sid for one in judged}) == COUNT
    assert all(one.report and one.report.verdict is Verdict.VERIFIED for one in judged)


async def test_an_error_of_ours_in_one_recording_leaves_the_others_their_reports(far: S3Bucket, prefix: str) -> None:
    found, _ = await discover(far, prefix, Usage())
    found[4].objects.append(ListedObject("k", 1, "e", "yesterday"))  # type: ignore[arg-type]
    judged = {one.recording.sid: one for one in await judge(far, found, 3)}
    assert isinstance(judged[f"{4:032x}"].error, TypeError)
    assert [sid for sid, one in judged.items() if one.report is None] == [f"{4:032x}"]


async def test_who_cancels_leaves_no_request_under_way_and_has_all_that_is_judged(
    far: S3Bucket, proxy: StoreProxy, prefix: str
) -> None:
    found, _ = await discover(far, prefix, Usage())
    judged: list[Judged] = []

    def take(one: Judged) -> None:
        judged.append(one)
        judging.cancel()  # as an interrupt does: before anything else can run

    judging = asyncio.ensure_future(judge_found(far, found, Level.LISTING, Wanted(), take, at_once=4))
    with pytest.raises(asyncio.CancelledError):
        await judging
    assert judged
    assert not verifying()
    assert proxy.requests < COUNT + 4


def verifying() -> list[str]:
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return [name for name in names if name.startswith(("judge_found", "each."))]


def command(endpoint: str, weed: S3Server, folder: Path, *words: str) -> list[str]:
    settings = folder / "pagereel.toml"
    settings.write_text(
        f'deployment = "test"\n[storage.old]\nvendor = 11\nendpoint = "{endpoint}"\nbucket = "{BUCKET}"\n'
        f'path_style = true\nread_only = true\n[storage.old.read]\naccess_key = "{weed.reader_access_key}"\n'
        f'secret_key = "{weed.reader_secret_key}"\n'
    )
    return [sys.executable, "-m", "pagereel", "--config", str(settings), "verify", "--storage", "old", *words]


def children(pid: int) -> set[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return set(map(int, listed.read_text().split())) if listed.exists() else set()


def media(sid: str, folder: Path) -> dict[str, bytes]:
    """A recording of twelve slices that hold pictures and sound, made by ffmpeg."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=5", "-f", "lavfi", "-i", "sine"]
    coding = ["-t", "24", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-pix_fmt", "yuv420p", "-threads", "1"]
    slicing = ["-c:a", "aac", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0", f"{folder}/all.m3u8"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *coding, *slicing], check=True, timeout=100)
    named = recording(sid, "room", slices=12, seconds=2.0)
    slices = sorted(name for name in named if name.endswith(".ts"))
    return named | {name: (folder / f"all{number}.ts").read_bytes() for number, name in enumerate(slices)}


async def test_an_interrupted_run_prints_what_is_judged_and_leaves_no_process(
    weed: S3Server, proxy: StoreProxy, tmp_path: Path
) -> None:
    folder = f"p{uuid.uuid4().hex}/"
    for sid in (ONE, TWO):
        put(weed, folder, media(sid, tmp_path))
    words = ["--prefix", folder, "--level", "full", "--at-once", "1", "--json-lines"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(proxy.endpoint, weed, tmp_path, *words), stdout=pipe, stderr=pipe
    )
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    stalled = asyncio.Event()

    async def stall(request: web.Request, _: bytes) -> web.StreamResponse | None:
        if TWO in request.path and children(process.pid):
            stalled.set()
            await asyncio.Event().wait()
        return None

    proxy.fault = stall
    await asyncio.wait_for(stalled.wait(), 60)
    decoders = children(process.pid)
    process.send_signal(signal.SIGINT)
    rest, told = await asyncio.wait_for(process.communicate(), 40)
    assert (first["sid"], first["verdict"]) == (ONE, "verified")
    assert process.returncode == 130
    assert rest == b""
    assert told.decode() == "pagereel: interrupted; 1 of 2 are not verified\n"
    assert decoders
    assert not [pid for pid in decoders if Path(f"/proc/{pid}").exists()]


async def test_an_interrupted_run_with_json_is_one_document_that_says_so(
    weed: S3Server, proxy: StoreProxy, prefix: str, tmp_path: Path
) -> None:
    asked = asyncio.Event()

    async def stall(request: web.Request, _: bytes) -> web.StreamResponse | None:
        if f"{3:032x}_room-3.m3u8" in request.path:
            asked.set()
            await asyncio.Event().wait()
        return None

    proxy.fault = stall
    words = ["--prefix", prefix, "--level", "listing", "--at-once", "1", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command(proxy.endpoint, weed, tmp_path, *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await asyncio.wait_for(asked.wait(), 60)
    process.send_signal(signal.SIGINT)
    printed, _ = await asyncio.wait_for(process.communicate(), 40)
    shown: dict[str, Any] = json.loads(printed)
    assert (process.returncode, shown["interrupted"], shown["found"]) == (130, True, COUNT)
    assert [one["sid"] for one in shown["recordings"]] == [f"{number:032x}" for number in range(3)]


@pytest.mark.parametrize("extra", [[], ["--json"]])
async def test_progress_with_count_rate_and_time_left_is_for_a_terminal_alone(
    weed: S3Server, proxy: StoreProxy, prefix: str, tmp_path: Path, extra: list[str]
) -> None:
    proxy._latency_seconds = 0.15
    words = command(proxy.endpoint, weed, tmp_path, "--prefix", prefix, "--level", "listing", "--at-once", "1", *extra)
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    )
    os.close(slave)
    shown = bytearray()

    def read() -> None:
        try:
            shown.extend(os.read(master, 65536))
        except OSError:  # the terminal's other side is closed
            asyncio.get_running_loop().remove_reader(master)

    asyncio.get_running_loop().add_reader(master, read)
    await asyncio.wait_for(process.communicate(), 100)
    asyncio.get_running_loop().remove_reader(master)
    os.close(master)
    assert process.returncode == 0
    counted = re.findall(rb"verifying (\d+) of 12, [\d.]+ a second.*?left.*?0:00:\d\d", bytes(shown))
    assert (len(set(counted)) > 2) is not bool(extra)


def test_nothing_but_the_table_is_printed_where_there_is_no_terminal(
    weed: S3Server, prefix: str, tmp_path: Path
) -> None:
    words = command(weed.endpoint, weed, tmp_path, "--prefix", prefix, "--level", "listing")
    done = subprocess.run(words, capture_output=True, check=True, timeout=100)
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    assert done.stdout.count(b"verified") == COUNT + 1
