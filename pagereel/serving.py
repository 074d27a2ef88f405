"""Runs what `app` built: one supervised group with the two listeners, the worker, and what follows files and clocks.
What is wrong with the start ends the process with its reason; each of them goes on after an error of one round."""

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

# NCS keeps its connections; aiohttp's own default is an hour.
KEEPALIVE_SECONDS = 15
SHUTDOWN_SECONDS = 10
KEYS_SECONDS = 10
PAGES_SECONDS = 300
CLOCK_SECONDS = 10
RESERVE_SECONDS = 5
# At the end: how long somebody who has connected has to ask, and how often that is looked at.
ASK_SECONDS = 3
CALM_SECONDS = 0.02
OPEN_FILES = 65_536
# Connections that wait to be taken in: with aiohttp's 128 a flood makes the good ones try again after a second.
BACKLOG = 1024
POLL_SECONDS = 0.5
# How long a thread computes while the loop waits for the interpreter.
SWITCH_SECONDS = 0.001

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Roles:
    """What a process does. Without `api` its API listener has health and metrics only."""

    api: bool = True
    callbacks: bool = True
    work: bool = True


async def serve(settings: Settings, roles: Roles) -> None:
    """Run until SIGTERM or SIGINT: then claim nothing more, keep answering Agora until the steps under way are done, or
    until a second signal."""
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
        if not roles.work:  # those that work measure by themselves
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
    """Let what is under way end within so many seconds; what is left is given back, at once when there is a hurry."""

    def drained(seconds: float) -> asyncio.Future[Any]:
        return asyncio.gather(house.worker.drain(seconds), house.deliverer.drain(seconds))

    ending, hurrying = drained(seconds), asyncio.ensure_future(hurry.wait())
    await asyncio.wait((ending, hurrying), return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    if not ending.done():
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)  # else it complains that nobody took its cancellation
        ending = drained(0)
    await ending


def _allow_connections() -> None:
    """Have as many open files as the system allows, within reason: a flood of connections must not leave
    none for those that matter."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def calm_interpreter() -> None:
    """Keep the garbage collector off what is built by now and stays: one full collection of it holds the loop for 40 to
    70 ms. What comes later is looked at in short turns (20,000 objects at once take up to 10 ms), and what survives
    that seldom. A thread that computes (an exposition, a page, a report) gives way to the loop after 1 ms, not 5."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(4_000, 250, 100)
    sys.setswitchinterval(SWITCH_SECONDS)


async def _follow_keys(house: House) -> None:
    """Take up changed files of sealing keys and of the bootstrap token. Other secrets are read where they are used."""
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
    except SealError as error:  # what was in use stays; the next turn says so again
        _log.error("sealing_keys_refused", error=str(error))
        return used
    _log.info("sealing_keys_changed")
    await report_unreadable(house.database, house.seals, house.clock)
    return now


async def _follow_pages(house: House) -> None:
    """Count the pages that no key opens again and again: recordings end, and another process may store more."""
    while True:
        await asyncio.sleep(PAGES_SECONDS)
        counting = house.database.run(lambda connection: count_unreadable(connection, house.seals))
        unreadable = await isolate("gauges", counting, None)
        if unreadable is not None:
            recording_meter.unreadable(unreadable)


async def _follow_reserve(reserve: Reserve) -> None:
    """Keep the room that is left when the disk is full, and tell whether it is there."""
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
    """Keep to the database's clock, and tell how far this machine's is off."""
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
    """Open one listener until the stack closes; the line that says where it is.

    Bodies stay as they came: unpacking a small one can take a second of the loop, also for a request that is refused.
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
    """The beginning of a URL that leads there."""
    return f"http://{address(host, port)}"


async def close(runner: web.AppRunner) -> None:
    """Let nobody new in, and answer those who are: also who has connected and not asked yet. aiohttp by itself would
    hang up on them, and whatever sends to this process in a rolling replacement would see that."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(CALM_SECONDS)  # those in the backlog are taken in
    # Where a server closes in the turn of the loop that lets somebody in, asyncio (until Python 3.12) forgets them.
    for site in runner.sites:
        for listener in getattr(site._server, "sockets", ()):
            loop.remove_reader(listener)
    for _ in range(3):  # turns, until all who were let in are known
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
    """Take in notifications until the console's Check has shown every event type, or for so long; which are missing.
    What came before does not count: it says nothing of the way that Agora takes now.

    The callback listener alone runs: nothing is started and nothing but the Check is applied to anything."""
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
