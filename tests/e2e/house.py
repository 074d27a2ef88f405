"""The whole house for a test: the real service on free ports, the emulator of Agora and a real S3 server.

Everything is driven as in life: callers over the API, Agora over the callback listener, the bucket over S3. The service
runs in this process (`living`) or, where it must be killed, in one of its own (`ServiceProcess`).
"""

import asyncio
import hashlib
import hmac
import inspect
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import EllipsisType
from typing import Any, Self

import aiohttp
import asyncpg
from aiohttp import web

from emulator.app import close, running
from emulator.s3_server import S3Server
from emulator.settings import Settings as EmulatorSettings
from handlers import Limits, build_api, build_callbacks
from pagereel import app as service_app
from service.database.engine.database import Database
from service.database.engine.startup import prepare
from service.database.tables import metadata
from service.operations import Scope
from service.operations.accounts.access import create_token
from service.settings import Settings
from tests.ports import free_port

DEPLOYMENT = "test"
BUCKET = "recordings"
TOKEN = "prl_bootstrap_" + "0123456789abcdef" * 4
SEALING_KEY = b64encode(b"a sealing key for tests, 32 byte").decode()
NCS_SECRET = "demo-ncs-secret"
PAGE = "https://class.example.org/room/42?recorder=1"
OVER = frozenset({"verified", "defective", "unproven", "failed", "cancelled"})

# Agora's minutes are seconds here, and ours with them; media always runs in real time.
EMULATOR = {"compression": 15, "engine": "loop", "qps": 1000, "storage_scheme": "http"}
TIMING = {
    "start_allowance_seconds": 1,
    "start_check_seconds": [0.5, 1, 2, 3, 4, 6, 9],
    "start_repeat_seconds": [0.5, 1, 1],
    "retry_seconds": [0.3, 0.6, 1, 2],
    "watch_seconds": 1,
    "find_sid_seconds": 0.5,
    "stop_check_seconds": 0.5,
    "failover_window_seconds": 3,
    "recheck_seconds": [2],
    "upload_wait_seconds": 2,
    "two_reads_apart_seconds": 0.3,
    "announced_look_seconds": [0, 0.7, 1.5, 3],
    "look_seconds": [1, 2, 3, 4, 6, 8, 10, 15, 20, 30],
}


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]], deadline: float = 20.0, what: str = "", every: float = 0.05
) -> Any:
    """Wait until `condition` gives something true and give that; fail after `deadline` seconds."""
    until = time.monotonic() + deadline
    while True:
        found = condition()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        said = what() if callable(what) else what
        assert time.monotonic() < until, f"not true within {deadline:g} s: {said or condition}"
        await asyncio.sleep(every)


def instant(text: str) -> float:
    """Unix seconds of an RFC 3339 text."""
    return datetime.fromisoformat(text).timestamp()


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def signed(body: bytes, secret: str = NCS_SECRET) -> dict[str, str]:
    """Agora's two signature headers, made without the service's code."""
    return {
        "Content-Type": "application/json",
        "Agora-Signature": hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def notice(number: int | str, event: int = 33, **payload: Any) -> bytes:
    """The body of a notification about a task that is not ours, unless `payload` says otherwise."""
    inside = {"cname": f"foreign-{number}", "uid": "7", "sid": f"sid-{number}", "sequence": 1, "serviceType": 2}
    inside |= {"sendts": round(time.time() * 1000), "details": {"msgName": "uploading_progress", "progress": 5000}}
    body = {"noticeId": f"notice-{number}", "productId": 3, "eventType": event, "notifyMs": 1735689612345}
    return json.dumps({**body, "payload": {**inside, **payload}}).encode()


# --- settings --------------------------------------------------------------------------------------------------------


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`, table by table."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def toml(values: Mapping[str, Any], place: str = "") -> str:
    """TOML with dotted keys; a value's JSON is its TOML."""
    lines = []
    for name, value in values.items():
        if value is None:  # laid over another: there is no such key then
            continue
        key = f"{place}{name}"
        lines.append(toml(value, f"{key}.") if isinstance(value, Mapping) else f"{key} = {json.dumps(value)}")
    return "\n".join(lines)


def settings_values(
    root: Path, s3: S3Server, emulator: str, callbacks_port: int, database_url: str, apps: Iterable[str]
) -> dict[str, Any]:
    """Settings for a house whose emulator and S3 server run already."""
    (root / "token").write_text(TOKEN)
    return {
        "deployment": DEPLOYMENT,
        "bootstrap_token_file": str(root / "token"),
        "database": {"url": database_url, "sealing_keys": [SEALING_KEY]},
        "api": {"port": 0},
        "callbacks": {"host": "127.0.0.1", "port": callbacks_port},
        "apps": {
            name: {
                "app_id": f"id-{name}",
                "customer_id": f"customer-{name}",
                "customer_secret": f"customer-secret-{name}",
                "ncs_secrets": [NCS_SECRET],
                "base_urls": [emulator],
            }
            for name in apps
        },
        "storage": {
            "archive": {
                "vendor": 11,
                "bucket": BUCKET,
                "endpoint": s3.endpoint,
                "path_style": True,
                "prefix": ["rec"],
                # Decoding costs half a second of CPU a look; the main job shows it, the corpus proves it.
                "level": "structure",
                "write": {"access_key": s3.access_key, "secret_key": s3.secret_key},
                "read": {"access_key": s3.reader_access_key, "secret_key": s3.reader_secret_key},
            }
        },
        "presets": {
            "default": {"video_width": 320, "video_height": 240, "video_fps": 10, "app": "main", "storage": "archive"}
        },
        "worker": {"poll_seconds": 0.2, "lease_seconds": 5},
        "limits": {"requests_per_second": 500, "burst": 100},
        "timing": dict(TIMING),
    }


def emulator_settings(
    callbacks_port: int, apps: Iterable[str], receivers: Mapping[str, str], over: Mapping[str, Any]
) -> dict[str, Any]:
    """The emulator's settings; notices of an app go to `receivers[app]`, or straight to the service."""
    own = f"http://127.0.0.1:{callbacks_port}/agora"
    known = [
        {
            "app_id": f"id-{name}",
            "customer_id": f"customer-{name}",
            "customer_secret": f"customer-secret-{name}",
            "callbacks": [{"url": receivers.get(name, f"{own}/{name}/notifications"), "secret": NCS_SECRET}],
        }
        for name in apps
    ]
    return {"apps": known, **EMULATOR, **over}


# --- the bucket ------------------------------------------------------------------------------------------------------


class Store:
    """What lies in the bucket, seen and changed with the admin's keys."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self._client = server.client()

    def close(self) -> None:
        self._client.close()

    async def keys(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(self._keys, prefix)

    def _keys(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    async def read(self, key: str) -> bytes:
        return await asyncio.to_thread(self._read, key)

    def _read(self, key: str) -> bytes:
        with self._client.get_object(Bucket=BUCKET, Key=key)["Body"] as body:
            content: bytes = body.read()
            return content

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._client.delete_object, Bucket=BUCKET, Key=key)

    async def put(self, key: str, content: bytes) -> None:
        await asyncio.to_thread(self._client.put_object, Bucket=BUCKET, Key=key, Body=content)


# --- the house -------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """An answer of the API."""

    status: int
    body: Any
    headers: Mapping[str, str]
    content: bytes


@dataclass
class House:
    """A service somebody can call, and what stands around it. `every`: how often its waits look, in seconds."""

    api: str
    callbacks: str
    emulator: str
    store: Store
    http: aiohttp.ClientSession
    database_url: str
    token: str = TOKEN
    tokens: dict[str, str] = field(default_factory=dict)
    every: float = 0.05

    # --- as a caller ---

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | EllipsisType | None = ...,
        expect: int | None = None,
        **more: Any,
    ) -> Answer:
        """Any call, with the house's own token unless another (or None) is given."""
        headers = {**more.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {self.token if token is ... else token}"
        async with self.http.request(method, self.api + path, headers=headers, **more) as response:
            content = await response.read()
            body = json.loads(content) if "json" in response.content_type else content.decode(errors="replace")
            answer = Answer(response.status, body, response.headers.copy(), content)
        if expect is not None:
            assert answer.status == expect, f"{method} {path}: {answer.status} {answer.body}"
        return answer

    async def ask(self, **body: Any) -> str:
        """The id of a new recording."""
        answer = await self.call("POST", "/v1/recordings", json={"url": PAGE, **body}, expect=202)
        return str(answer.body["id"])

    async def start(self, **body: Any) -> str:
        """The id of a new recording, which records."""
        recording = await self.ask(**body)
        await self.until(recording, "recording")
        return recording

    async def shown(self, recording: str) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.call("GET", f"/v1/recordings/{recording}", expect=200)).body
        return shown

    async def do(self, recording: str, what: str, expect: int | None = 202, **more: Any) -> Answer:
        return await self.call("POST", f"/v1/recordings/{recording}/{what}", expect=expect, **more)

    async def until(self, recording: str, *states: str, deadline: float = 30.0) -> dict[str, Any]:
        """The recording once it is in one of the states; fails at once where it ended in another."""
        shown: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal shown
            shown = await self.shown(recording)
            assert shown["state"] in states or shown["state"] not in OVER, f"{shown['state']}: {shown}"
            return shown["state"] in states

        await eventually(there, deadline, lambda: f"{recording} is {states}, but {shown}", self.every)
        return shown

    async def timeline(self, recording: str) -> list[dict[str, Any]]:
        path = f"/v1/recordings/{recording}/timeline"
        entries: list[dict[str, Any]] = (await self.call("GET", path, params={"limit": "200"}, expect=200)).body[
            "items"
        ]
        return entries

    async def files(self, recording: str, **params: str) -> list[dict[str, Any]]:
        path = f"/v1/recordings/{recording}/files"
        answer = await self.call("GET", path, params={"limit": "200", **params}, expect=200)
        entries: list[dict[str, Any]] = answer.body["items"]
        return entries

    async def metrics(self) -> dict[str, float]:
        """Every series and its value."""
        text = (await self.call("GET", "/metrics", token=None, expect=200)).body
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    # --- as Agora ---

    async def notify(self, body: bytes, headers: Mapping[str, str] | None = None, app: str = "main") -> int:
        """The status that a notification is answered with; `headers` None: signed well."""
        url = f"{self.callbacks}/agora/{app}/notifications"
        sent = {"Content-Type": "application/json", **(signed(body) if headers is None else headers)}
        async with self.http.post(url, data=body, headers=sent) as response:
            await response.read()
            return response.status

    async def tasks(self, recording: str | None = None) -> list[dict[str, Any]]:
        """All tasks the emulator ever ran, or those of a recording."""
        params = {} if recording is None else {"cname": cname_of(recording)}
        async with self.http.get(f"{self.emulator}/emulator/tasks", params=params) as response:
            found: list[dict[str, Any]] = (await response.json())["tasks"]
            return found

    async def fault(self, **fault: Any) -> None:
        async with self.http.post(f"{self.emulator}/emulator/faults", json=fault) as response:
            assert response.status == 201, await response.text()

    async def faults(self) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.emulator}/emulator/faults") as response:
            found: list[dict[str, Any]] = (await response.json())["faults"]
            return found

    async def strikes(self) -> list[dict[str, Any]]:
        """What faults have struck so far."""
        async with self.http.get(f"{self.emulator}/emulator/faults") as response:
            found: list[dict[str, Any]] = (await response.json())["strikes"]
            return found

    async def no_more_faults(self) -> None:
        async with self.http.delete(f"{self.emulator}/emulator/faults") as response:
            assert response.status == 200

    async def slices(self, recording: str, count: int) -> None:
        """Wait until the recorder has uploaded so many slices."""

        async def enough() -> bool:
            tasks = await self.tasks(recording)
            return sum(task["slices_uploaded"] for task in tasks) >= count

        await eventually(enough, 30, f"{count} slices of {recording}", self.every)

    async def take_slice(self, recording: str) -> tuple[str, bytes]:
        """Take the first slice out of the bucket; its key and what it held."""
        key = next(key for key in await self.store.keys(prefix_of(recording)) if key.endswith(".ts"))
        content = await self.store.read(key)
        await self.store.delete(key)
        return key, content

    async def billed(self, recording: str, seconds: float) -> None:
        """Wait until the recorder has run for so long, pauses included."""

        async def enough() -> bool:
            return sum(task["billed_seconds"] for task in await self.tasks(recording)) >= seconds

        await eventually(enough, seconds + 20, f"{seconds} s of {recording}", self.every)

    # --- as an administrator ---

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database answers, over a connection of its own."""
        if self.database_url.startswith("sqlite"):
            return await asyncio.to_thread(_sqlite_rows, self.database_url.removeprefix("sqlite:///"), sql)
        connection = await asyncpg.connect(self.database_url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def forget(self, recording: str) -> None:
        """Lose the recording and all that hangs on it, as an older backup does. Nobody else may write meanwhile."""
        for delete in (f"ledger WHERE recording_id = '{recording}'", f"recordings WHERE id = '{recording}'"):
            await self.rows(f"DELETE FROM {delete}")

    async def snapshot(self, *without: str) -> dict[str, list[str]]:
        """Every row of every table, in an order of its own."""
        names = [name for name in metadata.tables if name not in without]
        return {name: sorted(map(repr, await self.rows(f"SELECT * FROM {name}"))) for name in names}


Living = Callable[..., AbstractAsyncContextManager[House]]


def cname_of(recording: str) -> str:
    return f"{DEPLOYMENT}-{recording.removeprefix('rec_').lower()}"


def prefix_of(recording: str) -> str:
    return f"rec/{recording.removeprefix('rec_').lower()}/"


def _sqlite_rows(path: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with connection:
            return connection.execute(sql).fetchall()


@asynccontextmanager
async def living(
    root: Path,
    store: Store,
    *,
    database_url: str | None = None,
    apps: Iterable[str] = ("main",),
    receivers: Mapping[str, str] | None = None,
    emulator: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    owners: Mapping[str, Iterable[Scope]] | None = None,
    touch: Callable[[service_app.House], None] = lambda house: None,
) -> AsyncIterator[House]:
    """The house with its service in this process.

    `emulator` and `settings` are laid over the usual ones; `owners` get tokens of their own; `touch` sees what was
    built before anything runs.
    """
    port, url = free_port(), database_url or f"sqlite:///{root}/pagereel.db"
    async with AsyncExitStack() as stack:
        plan = emulator_settings(port, apps, receivers or {}, emulator or {})
        agora = await stack.enter_async_context(running(EmulatorSettings.model_validate(plan)))
        values = merge(settings_values(root, store.server, agora, port, url, apps), settings or {})
        (root / "pagereel.toml").write_text(toml(values))
        loaded = Settings.load(root / "pagereel.toml", env={})
        tokens = await make_tokens(loaded, owners or {})
        service = await stack.enter_async_context(service_app.open_house(loaded))
        touch(service)
        callbacks = build_callbacks(service.operations, Limits(loaded.callbacks.max_body_bytes))
        api_url = await _listen(
            stack, build_api(service.operations, Limits(loaded.limits.max_body_bytes), console=True), 0
        )
        callbacks_url = await _listen(stack, callbacks, port)
        await stack.enter_async_context(_working(service))
        http = await stack.enter_async_context(client())
        yield House(api_url, callbacks_url, agora, store, http, url, tokens=tokens)


def client(connections: int = 100) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=60), connector=aiohttp.TCPConnector(limit=connections)
    )


async def make_tokens(settings: Settings, owners: Mapping[str, Iterable[Scope]]) -> dict[str, str]:
    """A token for each owner, made before the service holds the database."""
    if not owners:
        return {}
    now = time.time()
    async with await Database.open(service_app.database_url(settings)) as database:
        await prepare(database, settings.deployment, now)
        return {
            owner: await create_token(database, owner=owner, scopes=scopes, now=now) for owner, scopes in owners.items()
        }


async def _listen(stack: AsyncExitStack, application: web.Application, port: int) -> str:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(close, runner)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


@asynccontextmanager
async def _working(service: service_app.House) -> AsyncIterator[None]:
    workers = [asyncio.create_task(each.run(), name="worker") for each in (service.worker, service.deliverer)]
    try:
        yield
    finally:
        for worker in workers:
            if worker.done():
                worker.result()  # whatever ended it is what the test must fail with
        try:
            await asyncio.gather(service.worker.drain(5), service.deliverer.drain(5))
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)


# --- processes -------------------------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PAGEREEL_")}


class Forge:
    """Forks `pagereel` processes from one that has imported everything; see `forge`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.forge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"null\n", "it is ready"
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its pipes, which ends it
            pass

    def ask(self, **order: Any) -> Any:
        """One order and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


class Process:
    """A process that can be ended and started again; all it writes is in `log`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._pid = 0
        self._code: int | None = 0
        self._from = 0

    def _launch(self) -> int:
        raise NotImplementedError

    def _poll(self) -> int | None:
        raise NotImplementedError

    def _ended(self) -> bool:
        if self._code is None:
            self._code = self._poll()
        return self._code is not None

    @property
    def pid(self) -> int:
        return self._pid

    async def start(self, ready: str) -> str:
        """Run it until its output matches `ready`; gives what that captures."""
        self._from = self.log.stat().st_size if self.log.exists() else 0
        self._pid, self._code = self._launch(), None

        def said() -> re.Match[str] | None:
            text = self.log.read_bytes()[self._from :].decode(errors="replace") if self.log.exists() else ""
            found = re.search(ready, text)
            assert found or not self._ended(), f"it ended at its start: {text[-3000:]}"
            return found

        found: re.Match[str] = await eventually(said, 30, f"{self.log.name} says {ready}")
        return found.group(1)

    async def over(self, deadline: float = 60) -> tuple[int, str]:
        """Wait for its own end; the exit code and all that it wrote."""
        await eventually(self._ended, deadline, f"{self.log.name}: it ends")
        assert self._code is not None
        return self._code, self.log.read_bytes()[self._from :].decode()

    async def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory runs out."""
        await self._end(signal.SIGKILL, 10)

    async def stop(self) -> int:
        """SIGTERM, as an orchestrator does it; the exit code."""
        try:
            return await self._end(signal.SIGTERM, 30)
        except BaseException:
            await self.kill()
            raise

    async def _end(self, number: signal.Signals, deadline: float) -> int:
        if not self._ended():
            os.kill(self._pid, number)
            await eventually(self._ended, deadline, f"{self.log.name}: it ends")
        assert self._code is not None
        return self._code


class EmulatorProcess(Process):
    """`pagereel-emulator serve`."""

    def __init__(self, config: Path) -> None:
        super().__init__(config.with_name("emulator.log"))
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def _launch(self) -> int:
        words = ("-m", "emulator", "serve", "--config", str(self._config), "--log-level", "debug")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *words], stdout=log, stderr=log, env=_environment(), start_new_session=True
            )
        return self._process.pid

    def _poll(self) -> int | None:
        assert self._process is not None
        return self._process.poll()


class ServiceProcess(Process):
    """`pagereel --config CONFIG …`."""

    def __init__(self, forge: Forge, config: Path, *words: str) -> None:
        super().__init__(config.with_name(f"{words[0]}.log"))
        self._forge = forge
        self._words = ["--config", str(config), *words]

    def _launch(self) -> int:
        pid: int = self._forge.ask(log=str(self.log), words=self._words)
        return pid

    def _poll(self) -> int | None:
        code: int | None = self._forge.ask(poll=self._pid)
        return code

    async def serve(self) -> str:
        """Start it; the URL of its API. Its callbacks are listened for by then."""
        return await self.start(r"api listening on (\S+)\ncallbacks listening on \S+\n")


@asynccontextmanager
async def killable(
    forge: Forge, root: Path, store: Store, database_url: str, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[House, ServiceProcess]]:
    """A house whose service is a process of its own, on ports that it keeps over its deaths."""
    port, api_port = free_port(), free_port()
    async with AsyncExitStack() as stack:
        plan = emulator_settings(port, ("main",), {}, {})
        agora = await stack.enter_async_context(running(EmulatorSettings.model_validate(plan)))
        values = settings_values(root, store.server, agora, port, database_url, ("main",))
        (root / "pagereel.toml").write_text(toml(merge(merge(values, {"api": {"port": api_port}}), settings or {})))
        http = await stack.enter_async_context(client())
        api = f"http://127.0.0.1:{api_port}"
        service = ServiceProcess(forge, root / "pagereel.toml", "serve")
        stack.push_async_callback(service.stop)
        await service.serve()
        yield House(api, f"http://127.0.0.1:{port}", agora, store, http, database_url), service


def summary(shown: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What two runs of the same story must have in common."""
    return {
        **{name: shown[name] for name in ("state", "end_reason", "blame", "verdict", "level", "warnings", "attention")},
        "attempts": [(attempt["state"], attempt["sid"] is not None) for attempt in shown["attempts"]],
        "pauses": len(shown["pauses"]),
        "unexplained_seconds": shown["coverage"]["unexplained_seconds"],
        "kinds": {file["kind"] for file in files},
        "missing": [file["key"] for file in files if file["missing"]],
    }


# The end of a recording that was started, recorded for a while and was stopped by its caller.
CLEAN = {
    "state": "verified",
    "end_reason": "stopped",
    "blame": "caller",
    "verdict": "verified",
    "level": "structure",
    "warnings": [],
    "attention": None,
    "attempts": [("ended", True)],
    "pauses": 0,
    "unexplained_seconds": 0,
    "kinds": {"playlist", "slice", "mp4"},
    "missing": [],
}
