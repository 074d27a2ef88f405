"""Runs the components that `app` built, as one supervised group: the two listeners, the worker, and the tasks that
follow files and clocks. An error at the start ends the process with its reason. Later, each task continues after an
error of one round."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog
from aiohttp import web

from handlers.callbacks import build_callbacks
from handlers.keys import Limits
from handlers.routes import ROUTES, SERVICE_ROUTES, build_api
from handlers.slow_requests import DripRunner
from metrics import recordings as recording_meter
from metrics import worker as worker_meter
from pagereel.app import House, open_house, report_unreadable
from pagereel.listeners import address, refused
from pagereel.probes import events_missing
from service.database.engine.clock import DatabaseClock
from service.database.engine.disk_reserve import Reserve
from service.database.sealing import SealError
from service.isolation import isolate
from service.lifecycle.rules.notifications import event_name
from service.operations.accounts.access import ensure_bootstrap_token
from service.operations.recordings.secrets import sealing_keys
from service.operations.recordings.unreadable import count_unreadable
from service.settings import Api, Callbacks, Secret, Settings

# NCS reuses its connections, and aiohttp's own default is an hour.
KEEPALIVE_SECONDS = 15
SHUTDOWN_SECONDS = 10
KEYS_SECONDS = 10
PAGES_SECONDS = 300
CLOCK_SECONDS = 10
RESERVE_SECONDS = 5
# At shutdown: the time in which a connected client may send its request, and the interval of that check.
ASK_SECONDS = 3
CALM_SECONDS = 0.02
OPEN_FILES = 65_536
# The queue of new connections. With aiohttp's 128, a flood makes legitimate clients retry after a second.
BACKLOG = 1024
POLL_SECONDS = 0.5
# How long a thread computes while the loop waits for the interpreter.
SWITCH_SECONDS = 0.001

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a process. Without `api`, its API listener serves health and metrics only."""

    api: bool = True
    callbacks: bool = True
    work: bool = True


async def serve(settings: Settings, roles: Roles) -> None:
    """Run until SIGTERM or SIGINT. Then claim nothing more, and continue to answer Agora until the running steps are
    done or a second signal arrives."""
    worker_meter.built(version("pagereel"))
    worker_meter.works(settings.worker.concurrency if roles.work else 0)
    _allow_connections()
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: hurry.set() if stop.is_set() else stop.set())
    async with open_house(settings) as house, AsyncExitStack() as listeners, asyncio.TaskGroup() as group:
        await house.buckets.warm_up()
        calm_interpreter()
        routes = ROUTES if roles.api else SERVICE_ROUTES
        limits = Limits(settings.limits.max_body_bytes, settings.limits.read_seconds)
        api = build_api(house.operations, limits, routes=routes, console=roles.api)
        print(await _listen(listeners, "api", api, settings.api), flush=True)
        if roles.callbacks:
            print(await _listen_to_agora(house, listeners), flush=True)
        _log.info("started", version=version("pagereel"), worker=roles.work)
        following = [
            group.create_task(_follow_keys(house), name="keys"),
            group.create_task(_follow_pages(house), name="pages"),
        ]
        if not roles.work:  # working processes measure these themselves
            following += [group.create_task(each.measure(), name="gauges") for each in (house.worker, house.deliverer)]
        if house.wakeups is not None:
            following.append(group.create_task(house.wakeups.run(), name="wakeups"))
        if isinstance(house.clock, DatabaseClock):
            following.append(group.create_task(_follow_clock(house.clock), name="clock"))
        if house.reserve is not None:
            following.append(group.create_task(_follow_reserve(house.reserve), name="reserve"))
        if roles.work:
            await house.reconciler.beat()
            await house.worker.take_over()
        working = [
            group.create_task(each.run(), name=type(each).__name__.lower())
            for each in (house.reconciler, house.worker, house.deliverer)
            if roles.work
        ]
        await stop.wait()
        seconds = settings.worker.drain_seconds if working else 0
        _log.info("stopping", drain_seconds=seconds)
        if working:
            await _drain(house, seconds, hurry)
        for task in (*working, *following):
            task.cancel()


async def _drain(house: House, seconds: float, hurry: asyncio.Event) -> None:
    """Let running work finish within `seconds`. Release the rest, at once when `hurry` is set."""

    def drained(seconds: float) -> asyncio.Future[Any]:
        return asyncio.gather(house.worker.drain(seconds), house.deliverer.drain(seconds))

    ending, hurrying = drained(seconds), asyncio.ensure_future(hurry.wait())
    await asyncio.wait((ending, hurrying), return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    if not ending.done():
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)  # else asyncio logs the unretrieved cancellation
        ending = drained(0)
    await ending


def _allow_connections() -> None:
    """Raise the limit of open files to at most `OPEN_FILES`, so that a flood of connections leaves some free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def calm_interpreter() -> None:
    """Exclude the objects built so far from garbage collection, because one full collection of them blocks the loop for
    40 to 70 ms. Newer objects are collected in small steps (20,000 objects at once take up to 10 ms), and survivors
    rarely. A computing thread (an exposition, a page, a report) yields to the loop after 1 ms instead of 5."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(4_000, 250, 100)
    sys.setswitchinterval(SWITCH_SECONDS)


async def _follow_keys(house: House) -> None:
    """Apply changed files of sealing keys and of the bootstrap token. Other secrets are read where they are used."""
    path = house.settings.bootstrap_token_file
    token = None if path is None else Secret.of_file(path)
    live = None if token is None else token.get()
    used = sealing_keys(house.settings)
    while True:
        await asyncio.sleep(KEYS_SECONDS)
        if token is not None:
            live = await isolate("keys", _follow_token(house, token, live), live)
        used = await isolate("keys", _follow_sealing_keys(house, used), used)


async def _follow_token(house: House, token: Secret, live: str | None) -> str | None:
    if token.get() != live:
        await ensure_bootstrap_token(house.database, house.settings, house.clock())
        live = token.get()
        _log.info("bootstrap_token_changed")
    return live


async def _follow_sealing_keys(house: House, used: list[str]) -> list[str]:
    now = sealing_keys(house.settings)
    if now == used:
        return used
    try:
        house.seals.use(*now)
    except SealError as error:  # the previous keys stay in use, and the next round reports the error again
        _log.error("sealing_keys_refused", error=str(error))
        return used
    _log.info("sealing_keys_changed")
    await report_unreadable(house.database, house.seals, house.clock)
    return now


async def _follow_pages(house: House) -> None:
    """Count the unreadable pages periodically, because recordings end and another process may store more."""
    while True:
        await asyncio.sleep(PAGES_SECONDS)
        counting = house.database.run(lambda connection: count_unreadable(connection, house.seals))
        unreadable = await isolate("gauges", counting, None)
        if unreadable is not None:
            recording_meter.unreadable(unreadable)


async def _follow_reserve(reserve: Reserve) -> None:
    """Keep the disk reserve, and report whether it is held."""
    held = True
    while True:
        await isolate("reserve", asyncio.to_thread(reserve.keep), None)
        worker_meter.room_left(reserve.held)
        if reserve.held != held:
            held = reserve.held
            if held:
                _log.info("disk_room", held=held)
            else:
                _log.error("disk_room", held=held)
        await asyncio.sleep(RESERVE_SECONDS)


async def _follow_clock(clock: DatabaseClock) -> None:
    """Synchronize with the database's clock, and record the skew of this machine's clock."""
    while True:
        await asyncio.sleep(CLOCK_SECONDS)
        skew = await isolate("clock", clock.sync(), None)
        if skew is not None:
            worker_meter.clock_skewed(skew)


async def _listen_to_agora(house: House, stack: AsyncExitStack) -> str:
    settings = house.settings.callbacks
    app = build_callbacks(house.operations, Limits(settings.max_body_bytes, settings.read_seconds))
    return await _listen(stack, "callbacks", app, settings, DripRunner)


async def _listen(
    stack: AsyncExitStack,
    name: str,
    app: web.Application,
    where: Api | Callbacks,
    kind: type[web.AppRunner] = web.AppRunner,
) -> str:
    """Open one listener until the stack closes. Return the line that states its address.

    Bodies are not decompressed, because decompressing a small body can block the loop for a second, even for a refused
    request.
    """
    runner = kind(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    stack.push_async_callback(close, runner)
    try:
        await web.TCPSite(runner, where.host, where.port, backlog=BACKLOG).start()
    except OSError as error:
        raise refused(name, where, error) from error
    return f"{name} listening on {origin_of(*runner.addresses[0][:2])}"


def origin_of(host: str, port: int) -> str:
    """Return the origin of URLs that lead to this address."""
    return f"http://{address(host, port)}"


async def close(runner: web.AppRunner) -> None:
    """Accept no new connections, and answer the existing ones, including those whose request has not arrived yet.
    aiohttp alone would close them, and clients would see that during a rolling replacement."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(CALM_SECONDS)  # connections in the backlog are accepted meanwhile
    # If a server closes in the iteration of the loop that accepts a connection, asyncio (until Python 3.12) loses it.
    for site in runner.sites:
        for listener in getattr(site._server, "sockets", ()):
            loop.remove_reader(listener)
    for _ in range(3):  # iterations of the loop until all accepted connections are registered
        await asyncio.sleep(0)
    for site in runner.sites:
        await site.stop()
    for _ in range(round(ASK_SECONDS / CALM_SECONDS)):
        if not _anybody_new(runner):
            break
        await asyncio.sleep(CALM_SECONDS)
    await runner.cleanup()


def _anybody_new(runner: web.AppRunner) -> bool:
    server = runner._server
    return server is not None and any(each._request_count == 0 for each in server.connections)


async def listen_for_check(settings: Settings, app: str, seconds: float, say: Callable[[str], object]) -> list[int]:
    """Receive notifications until the console's Check has shown every event type, for at most `seconds`. Return the
    missing types.

    Earlier notifications do not count, because they do not prove that Agora's current address works. Only the callback
    listener runs. Nothing is started, and only the Check is processed.
    """
    public = settings.callbacks.public_url or f"https://<your host>:{settings.callbacks.port}"
    say(f"Callback URL for Agora's console: {public.rstrip('/')}/agora/{app}/notifications")
    if not settings.apps[app].ncs_secrets:
        say("No NCS secret is set yet: only the unsigned Check is accepted (setup = true).")
    async with open_house(settings) as house, AsyncExitStack() as listeners:
        before = await house.operations.receiving.expect_check()
        say(await _listen_to_agora(house, listeners))
        say("Press Check in Agora's console now (Notifications, Cloud Recording) …")
        seen: set[int] = set()
        deadline = asyncio.get_running_loop().time() + seconds
        while (missing := events_missing(seen)) and asyncio.get_running_loop().time() < deadline:
            for event in sorted(await house.operations.receiving.checked_events(app, before) - seen):
                say(f"  event {event_name(event)} came")
                seen.add(event)
            await asyncio.sleep(POLL_SECONDS)
    say(f"Still missing: {', '.join(map(event_name, missing))}" if missing else "Every event type arrived.")
    return missing
