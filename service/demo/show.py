"""`pagereel demo`: the whole main job, told as it happens. Uses the service as any caller would: through its API."""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from service.demo.sandbox import BUCKET, DemoError, Sandbox, open_sandbox

RECORD_SECONDS = 12
PAUSE_SECONDS = 3
PATIENCE_SECONDS = 120
DRAWN_PAGE = "https://class.example.org/room/42?recorder=1"
METRICS = (
    "pagereel_recordings_requested_total",
    "pagereel_recordings_concluded_total",
    "pagereel_agora_requests_total",
    "pagereel_notices_total",
    "pagereel_verification_reports_total",
    "pagereel_recorded_seconds_total",
)


async def run_demo(
    *, as_json: bool, keep: Path | None, database_url: str | None = None, browser: bool = False, page: str | None = None
) -> bool:
    """Run it; whether the whole recording was verified and the damaged one was not. `keep`: where the MP4 goes.

    With `browser` a page is really opened: `page`, or the one that comes with the emulator.
    """
    console = Console(quiet=as_json, highlight=False, soft_wrap=True, markup=False, emoji=False)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagereel-demo-")))
        console.print("Starting a real S3 server, the emulator of Agora and the service …")
        hosts = [urlsplit(page).hostname or ""] if page else []
        opened = open_sandbox(root, browser=browser, page_hosts=hosts, database_url=database_url)
        sandbox = await stack.enter_async_context(opened)
        console.print(
            f"  service  {sandbox.api}   (API, /docs, /metrics)\n"
            f"  emulator {sandbox.emulator}\n  S3       {sandbox.store['endpoint']}"
        )
        page = (page or f"{sandbox.emulator}/emulator/page") if browser else DRAWN_PAGE
        house = await stack.enter_async_context(_house(sandbox, page))
        result = await _show(house, console, keep or Path.cwd() / "var" / "demo")
    result["seconds"] = round(time.monotonic() - began, 1)
    good = is_as_it_should_be(result)
    console.print(f"\n{'Done' if good else 'Failed'} after {result['seconds']} s.")
    if as_json:
        print(json.dumps(result))
    return good


def is_as_it_should_be(result: Mapping[str, Any]) -> bool:
    """Whether the demo showed what it is there to show: one recording proven, and of the other one what is missing."""
    damaged = result["damaged"]
    coverage = damaged["coverage"]
    return bool(
        result["verdict"] == "verified"
        and damaged["state"] == "incomplete"
        and coverage is not None
        and coverage["share"] < 1
        and {"slice_missing", "gap"} <= {finding["code"] for finding in damaged["findings"]}
    )


def choose_slice(keys: Sequence[str], window_from_at: float) -> str | None:
    """The first slice of the wanted window, unless it is the newest one: that may be cut short by the stop. None where
    there is none yet. A slice's name ends with the UTC time of its beginning."""
    slices = sorted(key for key in keys if key.endswith(".ts"))
    return next((key for key in slices[:-1] if _began_at(key) >= window_from_at), None)


def _began_at(key: str) -> float:
    digits = key.removesuffix(".ts").rpartition("_")[2]
    return datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() + int(digits[14:17]) / 1000


class _House:
    """The sandbox as a caller of its API sees it, and the page that is recorded."""

    def __init__(self, http: aiohttp.ClientSession, sandbox: Sandbox, page: str) -> None:
        self.http = http
        self.api = sandbox.api
        self.store = sandbox.store
        self.allowance_seconds = sandbox.allowance_seconds
        self.page = page

    async def call(self, method: str, path: str, **more: Any) -> Any:
        async with self.http.request(method, self.api + path, **more) as response:
            if response.content_type == "text/plain":
                return await response.text()
            body = await response.json(content_type=None)
            if response.status >= 400:
                raise DemoError(f"{method} {path}: {response.status} {body.get('detail') or body.get('title')}")
            return body

    @asynccontextmanager
    async def s3(self) -> AsyncIterator[Any]:
        async with get_session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.store["endpoint"],
            aws_access_key_id=self.store["admin_access_key"],
            aws_secret_access_key=self.store["admin_secret_key"],
            config=AioConfig(signature_version="s3v4", s3={"addressing_style": "path"}),
        ) as client:
            yield client


@asynccontextmanager
async def _house(sandbox: Sandbox, page: str) -> AsyncIterator[_House]:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as http:
        yield _House(http, sandbox, page)


async def _show(house: _House, console: Console, keep: Path) -> dict[str, Any]:
    console.rule("A recording, with a pause")
    recording = await _start(house, console)
    await _watch(house, console, recording, RECORD_SECONDS / 2)
    await house.call("POST", f"/v1/recordings/{recording}/pause")
    console.print("  paused")
    await asyncio.sleep(PAUSE_SECONDS)
    await house.call("POST", f"/v1/recordings/{recording}/resume")
    console.print("  resumed")
    await _watch(house, console, recording, RECORD_SECONDS / 2)
    first = await _stop_and_wait(house, console, recording)
    files = (await house.call("GET", f"/v1/recordings/{recording}/files", params={"links": "true"}))["items"]
    _print_files(console, files)
    await _print_timeline(house, console, recording)
    console.print(f"  playable MP4: {await _fetch_mp4(house, files, keep)}")

    console.rule("A second recording, from which one slice is deleted")
    recording = await _start(house, console)
    await _watch(house, console, recording, RECORD_SECONDS / 2)
    victim = await _delete_slice(house, recording)
    console.print(f"  deleted from the bucket: {_short(victim)}")
    second = await _stop_and_wait(house, console, recording)
    findings = (second.get("latest_report") or {}).get("findings", [])
    for finding in findings:
        console.print(Text.assemble("  ", (finding["code"], "bold red"), f" {finding['text']}"))
    console.print(
        "  It is not final: the service verifies it again until the files are complete, or gives up after a day."
    )

    notifications = (await house.call("GET", "/v1/notifications", params={"limit": "200"}))["items"]
    await _print_metrics(house, console)
    return {
        "recording": first,
        "verdict": first["verdict"],
        "files": [{name: file[name] for name in ("key", "kind", "size_bytes")} for file in files],
        "damaged": {
            "id": recording,
            "state": second["state"],
            "deleted": victim,
            "coverage": second["coverage"],
            "findings": findings,
        },
        "notifications": len(notifications),
    }


async def _start(house: _House, console: Console) -> str:
    body = {"url": house.page, "labels": {"course": "demo"}}
    headers = {"Prefer": "wait=60", "Idempotency-Key": secrets.token_hex(8)}
    shown = await house.call("POST", "/v1/recordings", json=body, headers=headers)
    console.print(f"  {shown['id']} of {shown['page']}: {shown['state']}")
    if shown["state"] != "recording":
        raise DemoError(f"the recording did not start: it is {shown['state']} {shown.get('attention') or ''}")
    return str(shown["id"])


async def _watch(house: _House, console: Console, recording: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(2)
        shown = await house.call("GET", f"/v1/recordings/{recording}")
        files = shown["files"]
        console.print(f"  {shown['state']:<10} {files['slices']:>3} slices {files['bytes'] / 1e6:6.2f} MB")


async def _stop_and_wait(house: _House, console: Console, recording: str) -> dict[str, Any]:
    await house.call("POST", f"/v1/recordings/{recording}/stop")
    said = ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        shown: dict[str, Any] = await house.call("GET", f"/v1/recordings/{recording}")
        if shown["state"] != said:
            said = shown["state"]
            coverage = shown.get("coverage")
            share = f", {coverage['share']:.1%} of the wanted time" if coverage and coverage["expected_seconds"] else ""
            console.print(f"  {said}{share}")
        if said in ("verified", "defective", "unproven", "failed", "cancelled", "incomplete"):
            return shown
        await asyncio.sleep(0.3)
    raise DemoError(f"the recording is still {said} after {PATIENCE_SECONDS} s")


async def _delete_slice(house: _House, recording: str) -> str:
    """Remove a slice of the wanted window, as a lifecycle rule or a careless hand would; wait until one is there."""
    shown = await house.call("GET", f"/v1/recordings/{recording}")
    window_from_at = datetime.fromisoformat(shown["instants"]["requested_at"]).timestamp() + house.allowance_seconds
    prefix = f"demo/{recording.removeprefix('rec_').lower()}/"
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with house.s3() as s3:
        while time.monotonic() < deadline:
            listed = await s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
            victim = choose_slice([item["Key"] for item in listed.get("Contents", [])], window_from_at)
            if victim is not None:
                await s3.delete_object(Bucket=BUCKET, Key=victim)
                return victim
            await asyncio.sleep(0.5)
    raise DemoError(f"no slice of the wanted window came within {PATIENCE_SECONDS} s")


async def _fetch_mp4(house: _House, files: list[dict[str, Any]], keep: Path) -> Path:
    link = next((file["link"] for file in files if file["kind"] == "mp4" and file.get("link")), None)
    if link is None:
        raise DemoError("no MP4 is among the files")
    await asyncio.to_thread(keep.mkdir, parents=True, exist_ok=True)
    path = keep / "recording.mp4"
    async with aiohttp.ClientSession() as http, http.get(link) as response:
        response.raise_for_status()
        await asyncio.to_thread(path.write_bytes, await response.read())
    return path


def _short(key: str) -> str:
    """What tells a file from its neighbours: the end of its name, behind the task's id and the channel's."""
    name = key.rsplit("/", 1)[-1]
    return "…_" + name.rpartition("_")[2] if name.endswith((".ts", ".mp4")) else "…" + name[name.rindex(".") :]


def _print_files(console: Console, files: list[dict[str, Any]]) -> None:
    table = Table("file", "kind", "bytes", "seconds", box=None, pad_edge=False)
    for file in files:
        seconds = file.get("duration_seconds")
        table.add_row(
            _short(file["key"]),
            file["kind"],
            str(file["size_bytes"]),
            "" if seconds is None else f"{seconds:.2f}",
        )
    console.print(table)


async def _print_timeline(house: _House, console: Console, recording: str) -> None:
    entries = (await house.call("GET", f"/v1/recordings/{recording}/timeline", params={"limit": "200"}))["items"]
    table = Table("at", "what", Column(overflow="fold"), box=None, pad_edge=False)
    for entry in entries:
        detail = ", ".join(f"{key}={value}" for key, value in entry["detail"].items())
        table.add_row(entry["at"][11:23], entry["kind"], detail)
    console.print(table)


async def _print_metrics(house: _House, console: Console) -> None:
    console.rule("Metrics that moved")
    text = await house.call("GET", "/metrics")
    for line in text.splitlines():
        if line.startswith(METRICS) and not line.endswith(" 0.0"):
            console.print(f"  {line}")
