"""The aiohttp application: Agora's routes and the control API.

`build` and `running` are the programmatic interface for tests. `emulator.api.handlers` decides how calls are answered.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from emulator.api import control
from emulator.api import handlers as calls
from emulator.api.agora import Agora
from emulator.api.app_keys import AGORA, GATEWAY
from emulator.api.gateway import Gateway, GatewayRefusal
from emulator.browser.engine import BrowserEngine
from emulator.engines.fault_injection import FaultyEngine
from emulator.engines.interface import Engine
from emulator.engines.synthetic import SyntheticEngine
from emulator.faults.registry import FaultBook
from emulator.notifications.sender import Sender
from emulator.notifications.wire import Envelope
from emulator.process.background import Group
from emulator.process.clock import Clock
from emulator.process.tls import make_context
from emulator.process.workdir import make_home, sweep
from emulator.settings import Settings
from emulator.tasks.context import World
from emulator.uploads.s3 import Uploader


def build(settings: Settings) -> web.Application:
    """Return the emulator as an application. Its tasks run from startup to cleanup."""
    app = web.Application(middlewares=[_gateway_errors])
    app[GATEWAY] = Gateway(settings)
    app.cleanup_ctx.append(lambda app: _world_of(app, settings))
    base = "/v1/apps/{appid}/cloud_recording"
    task = base + "/resourceid/{rid}/sid/{sid}/mode/web"
    app.router.add_post(base + "/acquire", calls.handle("acquire"))
    app.router.add_post(base + "/resourceid/{rid}/mode/web/start", calls.handle("start"))
    app.router.add_get(task + "/query", calls.handle("query"), allow_head=False)
    app.router.add_post(task + "/update", calls.handle("update"))
    app.router.add_post(task + "/stop", calls.handle("stop"))
    for version in ("v1", "v2"):
        if settings.quirks.ncs_ip in ("both", version):
            app.router.add_get(f"/{version}/ncs/ip", calls.handle_ncs, allow_head=False)
    control.add_routes(app)
    return app


async def close(runner: web.AppRunner) -> None:
    """Clean up the runner, and also close the most recently accepted connections. If a server closes in the same
    iteration of the event loop, asyncio (until Python 3.12) loses such a connection and leaves it open."""
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        for listener in getattr(site._server, "sockets", ()):
            loop.remove_reader(listener)
    for _ in range(3):  # iterations of the loop until all accepted connections are registered
        await asyncio.sleep(0)
    await runner.cleanup()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Run the emulator in this process on `settings.host` and `settings.port`, and yield its base URL."""
    context = make_context(settings.tls_names, settings.ca_file) if settings.tls else None
    runner = web.AppRunner(build(settings), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, ssl_context=context).start()
        host, port = runner.addresses[0][:2]
        shown = f"[{host}]" if ":" in host else host
        yield f"{'http' if context is None else 'https'}://{shown}:{port}"
    finally:
        await close(runner)


async def _world_of(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Create the resources of the application. Free them at its cleanup."""
    clock, group, faults = Clock(settings.compression), Group(), FaultBook(settings.seed)
    faults.add(settings.faults, clock.now())
    executor = ThreadPoolExecutor(4, thread_name_prefix="emulator-media")
    uploader = Uploader(
        scheme=settings.storage_scheme, endpoint=settings.storage_endpoint, azure_endpoint=settings.azure_endpoint
    )
    await uploader.warm_up()
    quirks = settings.quirks
    envelope = Envelope(quirks.notice_sid, quirks.service_scene, quirks.redundant_notice_id == "own")
    await asyncio.to_thread(sweep)
    with make_home() as folder:
        engine = FaultyEngine(_make_engine(settings, clock, executor, folder), faults)
        backup = settings.backup_folder or folder / "backup"
        async with Sender(clock, group, envelope, settings.times.retries) as sender:
            world = World(settings, clock, faults, group, sender, uploader, engine, executor, folder, backup)
            app[AGORA] = Agora(world)
            try:
                yield
            finally:
                await group.close()
                await engine.close()
                await uploader.close()
                await asyncio.to_thread(executor.shutdown)


def _make_engine(settings: Settings, clock: Clock, executor: Executor, home: Path) -> Engine:
    if settings.engine == "browser":
        return BrowserEngine(settings.browser, clock, home)
    return SyntheticEngine(settings.engine, clock, executor)


@web.middleware
async def _gateway_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Render the gateway's errors with a body that contains only `message` (agora-reference §1.5)."""
    try:
        response = await handler(request)
    except GatewayRefusal as refusal:
        response = web.json_response({"message": refusal.message}, status=refusal.status)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        response = web.json_response({"message": "no Route matched with those values"}, status=404)
    if not response.prepared:
        response.headers["X-Request-Id"] = uuid.uuid4().hex
    return response
