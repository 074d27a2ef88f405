"""What the emulator's tests share: names, bodies, a client on Agora's paths, a receiver of notices, waiting."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import av
from aiohttp import web

from emulator.app import close, running
from emulator.s3_server import S3Server
from emulator.settings import Settings

APP, CUSTOMER, SECRET, NCS_SECRET = "app1", "customer1", "customer-secret-1", "demo-ncs-secret"
BUCKET = "recordings"
BASE = f"/v1/apps/{APP}/cloud_recording"


async def until(fact: Callable[[], Any | Awaitable[Any]], seconds: float = 20.0) -> Any:
    """Wait until `fact` gives something true and give that; fail after a deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        assert time.monotonic() < deadline, f"did not come true within {seconds} s"
        await asyncio.sleep(0.05)


@dataclass
class Notices:
    """A receiver that records, unless it `keeps` nothing; `statuses` are what it answers next.

    It leaves the first `unanswered` requests without an answer. `peers`: the other end of each request's connection.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    keeps: bool = True
    unanswered: int = 0
    peers: list[tuple[str, int]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        if self.keeps:
            self.raw.append((dict(request.headers), body))
            self.bodies.append(json.loads(body))
        if len(self.peers) <= self.unanswered:
            await self.ended.wait()
        return web.json_response({}, status=self.statuses.pop(0) if self.statuses else 200)

    def events(self, event: int | None = None) -> list[dict[str, Any]]:
        return [body for body in self.bodies if event in (None, body["eventType"])]

    def types(self) -> list[int]:
        return [body["eventType"] for body in self.bodies]


@asynccontextmanager
async def receiving() -> AsyncIterator[Notices]:
    notices = Notices()
    app = web.Application()
    app.router.add_post("/notices", notices.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    notices.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notices"
    try:
        yield notices
    finally:
        notices.ended.set()
        await close(runner)


@dataclass
class Session:
    """One started task as its caller knows it."""

    rid: str
    sid: str
    cname: str
    uid: str


class Client:
    """Speaks Agora's paths with the right credentials unless told otherwise."""

    def __init__(self, base_url: str, http: aiohttp.ClientSession, s3: S3Server) -> None:
        self.base_url, self.http, self.s3 = base_url, http, s3

    async def send(
        self, method: str, path: str, body: Any = None, *, user: tuple[str, str] | None = (CUSTOMER, SECRET)
    ) -> tuple[int, Any]:
        headers = {} if user is None else {"Authorization": aiohttp.encode_basic_auth(*user)}
        async with self.http.request(method, self.base_url + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def acquire(self, cname: str = "lesson42", uid: str = "1", **request: Any) -> str:
        body = {"cname": cname, "uid": uid, "clientRequest": {"scene": 1, **request}}
        status, answer = await self.send("POST", f"{BASE}/acquire", body)
        assert status == 200, answer
        return str(answer["resourceId"])

    async def start(self, cname: str = "lesson42", uid: str = "1", **changes: Any) -> Session:
        rid = await self.acquire(cname, uid)
        status, answer = await self.try_start(rid, cname, uid, **changes)
        assert status == 200, answer
        return Session(rid, answer["sid"], cname, uid)

    async def try_start(self, rid: str, cname: str = "lesson42", uid: str = "1", **changes: Any) -> tuple[int, Any]:
        body = {"cname": cname, "uid": uid, "clientRequest": client_request(self.s3, **changes)}
        return await self.send("POST", f"{BASE}/resourceid/{rid}/mode/web/start", body)

    async def call(self, session: Session, action: str, request: Any = None) -> tuple[int, Any]:
        path = f"{BASE}/resourceid/{session.rid}/sid/{session.sid}/mode/web/{action}"
        if action == "query":
            return await self.send("GET", path)
        return await self.send(
            "POST", path, {"cname": session.cname, "uid": session.uid, "clientRequest": request or {}}
        )

    async def status(self, session: Session) -> int:
        """query's status, or 404."""
        code, answer = await self.call(session, "query")
        return int(answer["serverResponse"]["status"]) if code == 200 else code

    async def reach(self, session: Session, *statuses: int) -> None:
        async def there() -> bool:
            return await self.status(session) in statuses

        await until(there)

    async def task(self, session: Session) -> dict[str, Any]:
        """The task as the control API lists it."""
        _, answer = await self.send("GET", f"/emulator/tasks?sid={session.sid}")
        (task,) = answer["tasks"]
        return dict(task)

    async def fault(self, **fault: Any) -> None:
        status, answer = await self.send("POST", "/emulator/faults", fault)
        assert status == 201, answer

    async def slices(self, session: Session, count: int, seconds: float = 20.0) -> None:
        """Wait until the task has uploaded so many slices."""

        async def enough() -> bool:
            return bool((await self.task(session))["slices_uploaded"] >= count)

        await until(enough, seconds)

    def objects(self, folder: str = "rec", containing: str = "", ending: str = "") -> dict[str, bytes]:
        """What lies under a folder of the bucket, by file name."""
        client = self.s3.client()
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{folder}/")
            found = {}
            for item in (item for page in pages for item in page.get("Contents", [])):
                if containing not in item["Key"] or not item["Key"].endswith(ending):
                    continue
                with client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"] as body:
                    found[item["Key"].removeprefix(f"{folder}/")] = body.read()
            return found
        finally:
            client.close()


@asynccontextmanager
async def emulating(
    s3: S3Server,
    notices: Notices | None = None,
    events: list[int] | None = None,
    redundant: bool = False,
    **overrides: Any,
) -> AsyncIterator[Client]:
    """An emulator; `notices` gets all events, or only those named, or all by two routes."""
    callback = {} if notices is None else {"url": notices.url, "secret": NCS_SECRET}
    callbacks = [] if notices is None else [{**callback, "events": events, "redundant": redundant}]
    app = {"app_id": APP, "customer_id": CUSTOMER, "customer_secret": SECRET, "callbacks": callbacks}
    values = {"apps": [app], "compression": 60, "engine": "loop", "qps": 1000, **overrides}
    async with running(Settings.model_validate(values)) as base_url, aiohttp.ClientSession() as http:
        yield Client(base_url, http, s3)


def client_request(s3: S3Server, **changes: Any) -> dict[str, Any]:
    """A good clientRequest; changes go to the page, or by name to storage, rtmp, av."""
    storage = {
        "vendor": 11,
        "region": 0,
        "bucket": BUCKET,
        "accessKey": s3.access_key,
        "secretKey": s3.secret_key,
        "fileNamePrefix": ["rec"],
        "extensionParams": {"endpoint": s3.endpoint},
        **changes.pop("storage", {}),
    }
    rtmp, av_types = changes.pop("rtmp", None), changes.pop("av", None)
    policy = changes.pop("push_policy", "error_ignore")
    private = changes.pop("private", None)
    page = {
        "url": "https://class.example.org/room/42?token=page-secret#frag",
        "audioProfile": 0,
        "videoWidth": 320,
        "videoHeight": 240,
        "maxRecordingHour": 3,
        **changes,
    }
    services: list[dict[str, Any]] = [{"serviceName": "web_recorder_service", "serviceParam": page}]
    if rtmp is not None:
        push = {"serviceName": "rtmp_publish_service", "errorHandlePolicy": policy}
        services.append({**push, "serviceParam": {"outputs": [{"rtmpUrl": rtmp}]}})
    request: dict[str, Any] = {
        "extensionServiceConfig": {"extensionServices": services},
        "storageConfig": storage,
    }
    if av_types is not None:
        request["recordingFileConfig"] = {"avFileType": av_types}
    if private is not None:
        request["recordingConfig"] = {"privateParams": private}
    return request


@dataclass(frozen=True)
class Decoded:
    """What PyAV finds in a file, in seconds. Video time runs from the first frame's start to the last one's end."""

    video_first: float
    video_seconds: float
    audio_seconds: float
    frames: int
    channels: int
    width: int
    height: int
    first_is_key: bool
    clocks: tuple[int, ...]


def decode(data: bytes) -> Decoded:
    from emulator.media.test_pattern import read_clock

    with av.open(io.BytesIO(data)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        pictures, samples = [], 0
        for frame in container.decode(video, audio):
            if isinstance(frame, av.VideoFrame):
                pictures.append((frame.time, frame.key_frame, read_clock(frame.to_ndarray()[: frame.height])))
            else:
                samples += frame.samples
        times = [time for time, _, _ in pictures]
        step = 1 / 15
        return Decoded(
            video_first=times[0],
            video_seconds=times[-1] - times[0] + step,
            audio_seconds=samples / 48000,
            frames=len(pictures),
            channels=audio.codec_context.channels,
            width=video.codec_context.width,
            height=video.codec_context.height,
            first_is_key=pictures[0][1],
            clocks=tuple(clock for _, _, clock in pictures),
        )
