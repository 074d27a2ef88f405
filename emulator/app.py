"""The aiohttp application: Agora's gateway and routes, and the control API beside them.

For: HTTP. It authenticates, counts, decodes, asks `emulator.agora` and renders. It must not decide what a call means.
`build` and `running` are the programmatic interface for tests.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from emulator import control, requests
from emulator.agora import Agora, Failure
from emulator.clock import Clock
from emulator.engines import make_engine
from emulator.faults import Endpoint, FaultBook, Subject
from emulator.gateway import Gateway, GatewayRefusal
from emulator.group import Group
from emulator.home import make_home, sweep
from emulator.keys import AGORA
from emulator.life import World
from emulator.notices import Envelope, Sender
from emulator.settings import App, Settings
from emulator.upload import Uploader

GATEWAY = web.AppKey("gateway", Gateway)
_BODY_DEADLINE_SECONDS = 10.0
_COMMANDS: dict[Endpoint, str] = {
    "acquire": "AcquireResource",
    "start": "StartCloudRecorder",
    "query": "QueryCloudRecorder",
    "update": "UpdateCloudRecorder",
    "stop": "StopCloudRecorder",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call after the gateway: who calls, what for, with what body. `use` tells it from all other calls."""

    app: App
    endpoint: Endpoint
    rid: str
    sid: str
    body: Any
    use: str


def build(settings: Settings) -> web.Application:
    """The emulator as an application, ready to be run. Its tasks live from startup to cleanup."""
    app = web.Application(middlewares=[_gateway_errors])
    app[GATEWAY] = Gateway(settings)
    app.cleanup_ctx.append(lambda app: _world_of(app, settings))
    base = "/v1/apps/{appid}/cloud_recording"
    task = base + "/resourceid/{rid}/sid/{sid}/mode/web"
    app.router.add_post(base + "/acquire", _route("acquire"))
    app.router.add_post(base + "/resourceid/{rid}/mode/web/start", _route("start"))
    app.router.add_get(task + "/query", _route("query"), allow_head=False)
    app.router.add_post(task + "/update", _route("update"))
    app.router.add_post(task + "/stop", _route("stop"))
    for version in ("v1", "v2"):
        app.router.add_get(f"/{version}/ncs/ip", _ncs_addresses, allow_head=False)
    control.add_routes(app)
    return app


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """The emulator in this process, on `settings.host` and `settings.port`; gives its base URL."""
    runner = web.AppRunner(build(settings), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _world_of(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Everything that lives as long as the application."""
    clock, group, faults = Clock(settings.compression), Group(), FaultBook()
    faults.add(settings.faults, clock.now())
    executor = ThreadPoolExecutor(4, thread_name_prefix="emulator-media")
    engine = make_engine(settings.engine, clock, executor)
    uploader = Uploader(
        scheme=settings.storage_scheme, endpoint=settings.storage_endpoint, patience_seconds=settings.upload_seconds
    )
    await uploader.warm_up()
    envelope = Envelope(settings.quirks.notice_sid, settings.quirks.service_scene)
    await asyncio.to_thread(sweep)
    with make_home() as folder:
        async with Sender(clock, group, envelope, settings.times.retries) as sender:
            world = World(settings, clock, faults, group, sender, uploader, engine, executor, folder)
            app[AGORA] = Agora(world)
            try:
                yield
            finally:
                await group.close()
                await engine.close()
                await uploader.close()
                await asyncio.to_thread(executor.shutdown)


@web.middleware
async def _gateway_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What the gateway in front of Agora answers: a body with only `message` (reference 1.5)."""
    try:
        response = await handler(request)
    except GatewayRefusal as refusal:
        response = web.json_response({"message": refusal.message}, status=refusal.status)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        response = web.json_response({"message": "no Route matched with those values"}, status=404)
    if not response.prepared:
        response.headers["X-Request-Id"] = uuid.uuid4().hex
    return response


def _route(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        agora, match = request.app[AGORA], request.match_info
        app = request.app[GATEWAY].admit(request, match["appid"], agora.world.clock.now())
        body, use = await _read_body(request), uuid.uuid4().hex
        call = Call(app, endpoint, match.get("rid", ""), match.get("sid", ""), body, use)
        status, answer = await _answer(agora, call)
        if agora.world.faults.use("drop_answer", _subject(agora, call), endpoint) is not None:
            return _hang_up(request)
        return web.json_response(answer, status=status)

    return handle


async def _answer(agora: Agora, call: Call) -> tuple[int, dict[str, Any]]:
    """Status and body, faults on the wire included."""
    faults, subject = agora.world.faults, _subject(agora, call)
    delay = faults.use("delay_answer", subject, call.endpoint)
    if delay is not None:
        await asyncio.sleep(delay.seconds or 0.0)
    planned = faults.use("answer", subject, call.endpoint)
    if planned is not None:
        return planned.status or 500, planned.body or {}
    try:
        task = agora.tasks.get(call.sid)
        if task is not None and faults.absent(task.subject, agora.world.clock.now()):
            raise Failure(404, 404, "failed to find worker")
        return 200, await _perform(agora, call)
    except requests.Refused as refused:
        failure = Failure(400, refused.code, refused.reason)
    except Failure as error:
        failure = error
    return failure.status, _render_failure(agora, call, failure)


async def _perform(agora: Agora, call: Call) -> dict[str, Any]:
    longest = agora.world.settings.quirks.cname_max_bytes
    match call.endpoint:
        case "acquire":
            return agora.acquire(call.app, requests.parse_acquire(call.body, cname_max_bytes=longest))
        case "start":
            return agora.start(call.app, call.rid, requests.parse_start(call.body, cname_max_bytes=longest))
        case "query":
            return agora.query(call.app, call.rid, call.sid)
        case "update":
            request = requests.parse_update(call.body, cname_max_bytes=longest)
            return agora.update(call.app, call.rid, call.sid, request)
        case _:
            stop = requests.parse_stop(call.body, cname_max_bytes=longest)
            return await agora.stop(call.app, call.rid, call.sid, stop)


def _render_failure(agora: Agora, call: Call, failure: Failure) -> dict[str, Any]:
    """The short or the long body (reference 1.5)."""
    if agora.world.settings.quirks.error_body == "short":
        return {"code": failure.code, "reason": failure.reason}
    subject = _subject(agora, call)
    return {
        "cname": subject.cname,
        "uid": subject.uid,
        "resourceId": call.rid,
        "sid": call.sid,
        "code": failure.code,
        "serverResponse": {"command": _COMMANDS[call.endpoint], "payload": {"message": failure.reason}},
    }


def _subject(agora: Agora, call: Call) -> Subject:
    """What faults on the wire may match: the task if there is one, otherwise what the body says."""
    task = agora.tasks.get(call.sid)
    if task is not None:
        return replace(task.subject, use=call.use)
    body = call.body if isinstance(call.body, dict) else {}
    return Subject(str(body.get("cname", "")), str(body.get("uid", "")), 0.0, call.use)


async def _read_body(request: web.Request) -> Any:
    """The JSON body, None for a GET; malformed JSON gives a text, which every parser refuses."""
    if request.method == "GET":
        return None
    try:
        async with asyncio.timeout(_BODY_DEADLINE_SECONDS):
            return json.loads(await request.read())
    except (ValueError, TimeoutError):
        return "malformed"


def _hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _ncs_addresses(request: web.Request) -> web.StreamResponse:
    """Where notices come from (reference 7.6)."""
    request.app[GATEWAY].authenticate(request)
    hosts = [{"primaryIP": address} for address in request.app[AGORA].world.settings.ncs_addresses]
    return web.json_response({"data": {"service": {"hosts": hosts}}})
