"""The command `pagereel demo`, which shows the main functions and prints each step. Like any caller, it uses only the
API."""

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

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pagereel.demo.pages import hosts_of
from pagereel.demo.running import DemoError, while_all_run
from pagereel.demo.sandbox import BUCKET, Sandbox, open_sandbox
from service.wording import detail_value, length, percent, size

RECORD_SECONDS = 12
PAUSE_SECONDS = 3
PATIENCE_SECONDS = 120
_PIPE_WIDTH = 140
DRAWN_PAGE = "https://class.example.org/room/42?recorder=1"
METRICS = (
    "pagereel_recordings_requested_total",
    "pagereel_recordings_concluded_total",
    "pagereel_agora_requests_total",
    "pagereel_notifications_total",
    "pagereel_verification_reports_total",
    "pagereel_recorded_seconds_total",
)


async def run_demo(
    *, as_json: bool, keep: Path, database_url: str | None = None, browser: bool = False, page: str | None = None
) -> bool:
    """Run the demo. Return True if the whole recording was verified and the damaged one was not. `keep` is the
    directory of the MP4.

    If `browser` is true, a page is opened: `page`, or the emulator's own page.
    """
    console = Console(quiet=as_json, highlight=False, soft_wrap=True, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagereel-demo-")))
        console.print("Starting a real S3 server, the emulator of Agora and the service …")
        hosts = hosts_of(page) if page else ()
        opened = open_sandbox(root, browser=browser, page_hosts=hosts, database_url=database_url)
        sandbox = await stack.enter_async_context(opened)
        console.print(
            f"  service  {sandbox.api}   (API, /docs, /metrics)\n"
            f"  emulator {sandbox.emulator}\n  S3       {sandbox.store['endpoint']}"
        )
        page = (page or f"{sandbox.emulator}/emulator/page") if browser else DRAWN_PAGE
        house = await stack.enter_async_context(_house(sandbox, page))
        show = _show(house, console, keep)
        result = await while_all_run(sandbox.processes, show)
    result["seconds"] = round(time.monotonic() - began, 1)
    wrong = failures(result)
    for line in wrong:
        console.print(f"  {line}")
    console.print(f"\n{'Failed' if wrong else 'Done'} after {result['seconds']} s.")
    if as_json:
        print(json.dumps(result))
    return not wrong


def failures(result: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing that the demo failed to show: a verified recording, and the findings of a
    damaged one."""
    damaged = result["damaged"]
    coverage = damaged["coverage"]
    absent = {"slice_missing", "gap"} - {finding["code"] for finding in damaged["findings"]}
    checks = {
        f"The verdict of the first recording is {result['verdict']}, not verified.": result["verdict"] == "verified",
        f"The second recording is {damaged['state']}, not incomplete.": damaged["state"] == "incomplete",
        "The coverage of the second recording shows no missing time.": bool(
            coverage and coverage["share"] is not None and coverage["share"] < 1
        ),
        f"The second recording lacks the finding {' and '.join(sorted(absent))}.": not absent,
    }
    return [sentence for sentence, good in checks.items() if not good]


def choose_slice(keys: Sequence[str], window_from_at: float) -> str | None:
    """Return the first slice of the requested window that has a neighbour on both sides, or None if none exists yet.

    Without its first slice a recording begins late and has no gap, and the stop may cut the newest slice short. A
    slice's name ends with the UTC time of its beginning.
    """
    slices = sorted(key for key in keys if key.endswith(".ts"))
    return next((key for key in slices[1:-1] if _began_at(key) >= window_from_at), None)


def _began_at(key: str) -> float:
    digits = key.removesuffix(".ts").rpartition("_")[2]
    return datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() + int(digits[14:17]) / 1000


class House:
    """The sandbox's API for a caller, and the page that is recorded."""

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
async def _house(sandbox: Sandbox, page: str) -> AsyncIterator[House]:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as http:
        yield House(http, sandbox, page)


async def _show(house: House, console: Console, keep: Path) -> dict[str, Any]:
    console.rule("A recording, with a pause")
    recording = await start_recording(house, console)
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
    recording = await start_recording(house, console)
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


async def start_recording(house: House, console: Console) -> str:
    body = {"url": house.page, "labels": {"course": "demo"}}
    headers = {"Prefer": "wait=60", "Idempotency-Key": secrets.token_hex(8)}
    shown = await house.call("POST", "/v1/recordings", json=body, headers=headers)
    console.print(f"  {shown['id']} of {shown['page']}: {shown['state']}")
    if shown["state"] != "recording":
        raise DemoError(await _why_not_recording(house, console, shown))
    return str(shown["id"])


async def _why_not_recording(house: House, console: Console, shown: Mapping[str, Any]) -> str:
    """Return the service's explanation. It exists when the recording has ended, so wait if the recording is ending."""
    if shown["state"] in ("stopping", "uploading", "verifying"):
        shown = await _wait(house, console, shown["id"], said=shown["state"])
    told = await house.call("GET", f"/v1/recordings/{shown['id']}/explanation")
    return f"{shown['page']} was not recorded. {told['summary']}\n  {told['advice']}"


async def _watch(house: House, console: Console, recording: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(2)
        shown = await house.call("GET", f"/v1/recordings/{recording}")
        files = shown["files"]
        count = f"{files['slices']:>3} slice{' ' if files['slices'] == 1 else 's'}"
        console.print(f"  {shown['state']:<10} {count} {size(files['bytes']):>9}")


async def _stop_and_wait(house: House, console: Console, recording: str) -> dict[str, Any]:
    await house.call("POST", f"/v1/recordings/{recording}/stop")
    return await _wait(house, console, recording)


async def _wait(house: House, console: Console, recording: str, said: str = "") -> dict[str, Any]:
    """Print each new state until the recording has ended or is incomplete. `said` is the last printed state."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        shown: dict[str, Any] = await house.call("GET", f"/v1/recordings/{recording}")
        if shown["state"] != said:
            said = shown["state"]
            coverage = shown.get("coverage")
            share = (
                f", {percent(coverage['share'])} of the wanted time"
                if coverage and coverage["expected_seconds"]
                else ""
            )
            console.print(f"  {said}{share}")
        if said in ("verified", "defective", "unproven", "failed", "cancelled", "incomplete"):
            return shown
        await asyncio.sleep(0.3)
    raise DemoError(f"the recording is still {said} after {PATIENCE_SECONDS} s")


async def _delete_slice(house: House, recording: str) -> str:
    """Wait for a slice of the requested window and delete it, as a lifecycle rule or a careless person would."""
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


async def _fetch_mp4(house: House, files: list[dict[str, Any]], keep: Path) -> Path:
    link = next((file["link"] for file in files if file["kind"] == "mp4" and file.get("link")), None)
    if link is None:
        raise DemoError("no MP4 is among the files")
    path = keep / "recording.mp4"
    async with aiohttp.ClientSession() as http, http.get(link) as response:
        response.raise_for_status()
        await asyncio.to_thread(path.write_bytes, await response.read())
    return path


def _short(key: str) -> str:
    """Return the distinguishing end of a file's name, after the task's id and the channel's name."""
    name = key.rsplit("/", 1)[-1]
    return "…_" + name.rpartition("_")[2] if name.endswith((".ts", ".mp4")) else "…" + name[name.rindex(".") :]


def _print_files(console: Console, files: list[dict[str, Any]]) -> None:
    table = Table("file", "kind", "size", "length", box=None, pad_edge=False)
    for file in files:
        seconds = file.get("duration_seconds")
        table.add_row(
            _short(file["key"]),
            file["kind"],
            "" if file["size_bytes"] is None else size(file["size_bytes"]),
            "" if seconds is None else length(seconds),
        )
    console.print(table)


async def _print_timeline(house: House, console: Console, recording: str) -> None:
    entries = (await house.call("GET", f"/v1/recordings/{recording}/timeline", params={"limit": "200"}))["items"]
    table = Table("at", "what", Column(overflow="fold"), box=None, pad_edge=False)
    for entry in entries:
        detail = ", ".join(f"{key}={detail_value(key, value)}" for key, value in entry["detail"].items())
        table.add_row(entry["at"][11:23], entry["kind"], detail)
    console.print(table)


async def _print_metrics(house: House, console: Console) -> None:
    console.rule("Metrics that moved")
    text = await house.call("GET", "/metrics")
    for line in text.splitlines():
        if line.startswith(METRICS) and not line.endswith(" 0.0"):
            console.print(f"  {line}")
