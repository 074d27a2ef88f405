"""Builds and connects all components. Only this module depends on all packages. It starts nothing; `serving` does."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import structlog

from metrics import recordings as recording_meter
from metrics import worker as worker_meter
from pagereel.clock import SteadyClock
from service.agora.client import AgoraClient
from service.agora.pace import Rate
from service.buckets.open import Buckets, open_buckets
from service.buckets.troubles import Troubles
from service.database.engine.clock import DatabaseClock
from service.database.engine.database import Database
from service.database.engine.disk_reserve import Reserve
from service.database.engine.postgres import Pool
from service.database.engine.refusal import refusing
from service.database.engine.startup import prepare, refuse_lost_key
from service.database.engine.wakeups import Wakeups
from service.database.notifications.inbox import Inbox
from service.database.sealing import Seals, make_key_file
from service.delivery.deliverer import Deliverer
from service.delivery.queue import DeliveryQueue
from service.delivery.sender import SendPost, send_post
from service.http.sender import Send, open_sender
from service.operations import Operations
from service.operations.accounts.access import ensure_bootstrap_token
from service.operations.ids import Entropy
from service.operations.recordings.adoption import Tasks
from service.operations.recordings.lacking import find_lacking
from service.operations.recordings.secrets import sealing_keys
from service.operations.recordings.unreadable import mark_unreadable
from service.recording import Recording
from service.settings import Settings
from service.stamper import Stamper
from service.verifier import Verifier
from service.worker.loops import Worker
from service.worker.rate_budget import SharedBudget
from service.worker.reconciler import Reconciler
from service.worker.restore import Restoring
from service.worker.store import Work

LINK_SECONDS = 900

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """The components of a process that serves, works or does both."""

    settings: Settings
    operations: Operations
    worker: Worker
    deliverer: Deliverer
    reconciler: Reconciler
    seals: Seals
    buckets: Buckets
    wakeups: Wakeups | None
    reserve: Reserve | None
    clock: Callable[[], float]
    database: Database


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Open database and clients, connect operations and worker, and close all in reverse order. Start nothing.

    Raise `StartRefused` if the database may not or cannot be used.
    """
    async with AsyncExitStack() as stack:
        with refusing(database_url(settings), settings.database.password_place):
            database = await stack.enter_async_context(await Database.open(partial(database_url, settings)))
            clock = await _clock(database)
            await prepare(database, settings.deployment, clock())
            await ensure_bootstrap_token(database, settings, clock())
            await refuse_lost_key(database, settings.database.own_key_file)
            seals = Seals(*sealing_keys(settings))
            await tell_lacking(settings, database, seals, clock)
        inbox = await stack.enter_async_context(Inbox(database, seals))
        buckets = await stack.enter_async_context(open_buckets(settings))
        send = await stack.enter_async_context(open_sender())
        house = wire(
            settings,
            database=database,
            seals=seals,
            inbox=inbox,
            buckets=buckets,
            send=send,
            clock=clock,
            pool=database.pool,
            reserve=(reserve := _reserve(settings, database)),
        )
        if reserve is not None:
            stack.callback(reserve.give_up)  # created again at the next start
        stack.push_async_callback(house.worker.close)
        yield house


def _reserve(settings: Settings, database: Database) -> Reserve | None:
    """Return the disk reserve of an embedded database, or None for PostgreSQL, whose disk is on another machine."""
    if database.writer is None:
        return None
    reserve = Reserve(Path(settings.database.url.removeprefix("sqlite:///")))
    database.writer.when_full = reserve.give_up
    return reserve


def _has_room(reserve: Reserve | None) -> bool:
    return reserve is None or reserve.held


async def _clock(database: Database) -> Callable[[], float]:
    """Return the clock that all processes on this database share. With SQLite there is only one process."""
    if database.pool is None:
        return SteadyClock()
    clock = DatabaseClock(database)
    worker_meter.clock_skewed(await clock.sync())
    return clock


def wire(
    settings: Settings,
    *,
    database: Database,
    seals: Seals,
    inbox: Inbox,
    buckets: Buckets,
    send: Send,
    send_message: SendPost = send_post,
    pool: Pool | None = None,
    reserve: Reserve | None = None,
    clock: Callable[[], float] | None = None,
    entropy: Entropy = os.urandom,
) -> House:
    """Connect operations and worker to the open components. All access to the outside of the process is an argument."""
    clock = clock or SteadyClock()
    rate = Rate(settings.limits.requests_per_second, settings.limits.burst)
    budget = SharedBudget(database, rate, clock)
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{entropy(3).hex()}"
    clients = {name: AgoraClient(app, send, budget.take, clock) for name, app in settings.apps.items()}
    paces = {name: profile.read_bytes_per_second for name, profile in settings.storage.items()}
    troubles = Troubles()
    verifier = Verifier(lambda recording: troubles.watch(recording.id, buckets.bucket_of(recording)), paces)
    room = partial(_has_room, reserve)
    work = Work(settings, database, seals, worker_id=worker_id, clock=clock, entropy=entropy, room=room)
    worker = Worker(settings, work, clients=clients, verifier=verifier, clock=clock, troubles=troubles)
    reconciler = Reconciler(Restoring(database, clock), clients=clients, verifier=verifier)
    stamper = Stamper(settings.signing, send, clock)
    wakeups = None if pool is None else Wakeups(pool, {"steps": worker.wake, "notices": worker.wake_notices})
    operations = Operations(
        settings,
        database,
        seals,
        inbox,
        links=lambda recording, keys: _links(buckets, recording, keys),
        fetch=lambda recording, key, most: _fetch(buckets, recording, key, most),
        tasks=Tasks(lambda app, task: clients[app].query(task, overdue=True), verifier.find_sid),
        signing_key=lambda: next(iter(signing_keys(settings)), None),
        stamp=stamper.stamp if stamper.configured else None,
        room=room,
        wake=partial(_wake, worker.wake, wakeups, "steps"),
        wake_notices=partial(_wake, worker.wake_notices, wakeups, "notices"),
        clock=clock,
        entropy=entropy,
    )
    deliverer = Deliverer(settings, DeliveryQueue(settings, database, seals, clock), send=send_message, clock=clock)
    return House(settings, operations, worker, deliverer, reconciler, seals, buckets, wakeups, reserve, clock, database)


def _wake(own: Callable[[], None], others: Wakeups | None, name: str) -> None:
    own()
    if others is not None:
        others.ring(name)


async def _links(buckets: Buckets, recording: Recording, keys: list[str]) -> dict[str, str]:
    bucket, links = buckets.bucket_of(recording), {}
    for key in keys:
        links[key] = await bucket.presign(key, LINK_SECONDS)
        # Signing never suspends, so without this, a long playlist would delay every other answer.
        await asyncio.sleep(0)
    return links


async def _fetch(buckets: Buckets, recording: Recording, key: str, most: int) -> bytes | None:
    found = await buckets.bucket_of(recording).fetch(key, most)
    return None if found is None or found.cut else found.content


def database_url(settings: Settings) -> str:
    """Return the database's URL. If the password has its own setting, insert it."""
    url, password = settings.database.url, settings.database.password
    if password is None or "@" not in url:
        return url
    before, host = url.split("@", 1)
    return f"{before}:{quote(password.get(), safe='')}@{host}"


async def tell_lacking(settings: Settings, database: Database, seals: Seals, clock: Callable[[], float]) -> None:
    """Log the settings that recordings need and that are missing, and mark recordings whose page cannot be read. The
    process starts nevertheless, because other recordings must still be stopped."""
    lacking = await database.run(lambda connection: find_lacking(connection, settings))
    for setting, count in lacking:
        _log.error("setting_lacking", setting=setting, recordings=count)
    await report_unreadable(database, seals, clock)


async def report_unreadable(database: Database, seals: Seals, clock: Callable[[], float]) -> None:
    """Mark, count and log the recordings whose page cannot be decrypted with a current key."""
    unreadable = await mark_unreadable(database, seals, clock)
    recording_meter.unreadable(unreadable)
    if unreadable:
        _log.error("pages_not_readable", recordings=unreadable)


def signing_keys(settings: Settings) -> list[str]:
    """Return the keys that sign manifests, newest first. These are the keys of the settings, or the embedded database's
    own key, which is created at the first call. With PostgreSQL and no configured key, return an empty list, because
    all replicas must share the key."""
    if settings.signing.keys is not None:
        return [key.get() for key in settings.signing.keys]
    path = settings.database.url.removeprefix("sqlite:///")
    return [] if path == settings.database.url else [make_key_file(Path(f"{path}.signing.key"))]
