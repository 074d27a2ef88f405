"""Probes of the external systems in the settings, without billed starts, for `pagereel check-config --probe` and
`pagereel setup`."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pagereel.listeners import ListenerRefused, try_listener
from service.agora.budget import LocalBudget
from service.agora.client import AgoraClient
from service.buckets import Bucket, Keys
from service.buckets.azure import container_url, load_library
from service.buckets.dialects import probe_dialect
from service.buckets.open import Buckets, dialect_of, open_buckets, read_keys
from service.buckets.vendors import AZURE, Dialect, resolve
from service.database.engine.database import Database
from service.database.engine.errors import StartRefused
from service.database.engine.refusal import check_place, refusing
from service.database.engine.startup import check_writable, prepare, refuse_lost_key
from service.database.outbox import load_endpoint
from service.database.sealing import Seals
from service.delivery.sender import error_of, send_head
from service.errors import OutsideError, ServiceError, Unavailable
from service.http.connections import connection_reason, exchange_reason
from service.http.sender import open_sender
from service.messages import DeliveryError
from service.operations.ids import new_uid
from service.operations.recordings.lacking import describe_lacking
from service.operations.recordings.secrets import sealing_keys
from service.recording import Location
from service.report import Level
from service.settings import Api, Callbacks, Endpoint, Settings, StorageProfile, Urls, location
from service.urls.rules import parse_endpoint_url
from service.verifier.decoding.process import can_decode

PROBE = "pagereelprobe"
# The limit for each probe, because a person waits for the result.
TRY_SECONDS = 20.0
_DISABLED = "it is disabled, so it was not tried, and gets no messages until you enable it:"
_ONLY_READ = "Pagereel never writes with them: give it keys that may only list and read"
_NOBODY_BEHIND = frozenset({502, 503, 504})

LACKING = {
    "apps": "apps: there is none, so nothing can be recorded: add an [apps.<name>] table",
    "storage": "storage: no profile can be written to, so nothing can be recorded: add a [storage.<name>] table",
}
"""The error for each table of the settings that every recording needs."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The result of one probe. `problem` is None if the probe succeeded, or if it was not tried because it is disabled
    (`tried` False). `warning` describes something that works but should be changed."""

    what: str
    problem: str | None = None
    tried: bool = True
    warning: str | None = None


async def probe(settings: Settings, database_url: str) -> AsyncIterator[Probed]:
    """Probe the database, the listeners, Agora's credentials, every bucket with both key pairs, and every endpoint, in
    sequence.

    The write probe leaves one small object, `pagereelprobe`, below the profile's prefix, because probes never delete.
    """
    disabled: list[str] = []
    if lacking := _lacking_file(database_url):
        yield lacking
    else:
        yield await _try("database", _database(settings, database_url, disabled))
    for name, where in (("api", settings.api), ("callbacks", settings.callbacks)):
        yield await _listener(name, where)
    async with open_sender() as send:
        for name, app in settings.apps.items():
            client = AgoraClient(app, send, LocalBudget().take)
            yield await _try(f"Agora, app {name}: credentials and app ID", _acquire(client, settings.deployment))
    async with open_buckets(settings) as buckets:
        for name, profile in settings.storage.items():
            if not profile.read_only:
                yield await _try(f"storage {name}: write keys may write", _write(buckets, profile, _handed(profile)))
            yield await _try(f"storage {name}: read keys may list and read", _read(buckets, profile))
            if await _readers_write(buckets, profile):
                yield Probed(f"storage {name}: read keys may also write", warning=_ONLY_READ)
    for name, endpoint in settings.endpoints.items():
        if name in disabled:
            yield Probed(f"endpoint {name}: {_DISABLED} `pagereel endpoints enable {name}`", tried=False)
            continue
        yield await _try(f"endpoint {name}: answers a HEAD request", _reach(endpoint, settings.urls))


def unreachable(settings: Settings) -> dict[str, str]:
    """Return the storage profiles without a valid address, with the values that their settings lack. Make no
    request."""
    found = {}
    for name, profile in settings.storage.items():
        try:
            if profile.vendor == AZURE:
                load_library()
                container_url(location(profile, PROBE), read_keys(profile))
            else:
                resolve(location(profile, PROBE), dialect_of(profile))
        except OutsideError as error:
            found[name] = error.detail
    return found


def undecodable(settings: Settings) -> dict[str, str]:
    """Return the storage profiles whose level needs PyAV if it is not installed, each with the remedy."""
    if can_decode():
        return {}
    return {
        name: f"level {profile.level} decodes pictures, and PyAV is not installed here: "
        'install `pagereel[media]`, or set level = "structure"'
        for name, profile in settings.storage.items()
        if profile.level.reaches(Level.CONTENT) and not profile.read_only
    }


def events_missing(seen: set[int]) -> list[int]:
    """Return the event types of web page recording that must be enabled in the console and have not arrived yet."""
    return sorted({1, 4, 11, 12, 30, 31, 32, 33, 70, 71, 72, 73, 100} - seen)


async def source_addresses(settings: Settings, app: str) -> list[str]:
    """Return the current source addresses of Agora's notifications (agora-reference §7.6). Raise `OutsideError`."""
    async with open_sender() as send:
        return list(await AgoraClient(settings.apps[app], send, LocalBudget().take).ncs_ips())


def unrecordable(settings: Settings) -> list[str]:
    """Return why these settings allow no recording at all. In that case every request is refused."""
    found = []
    if not settings.apps:
        found.append(LACKING["apps"])
    if all(profile.read_only for profile in settings.storage.values()):
        found.append(LACKING["storage"])
    return found


async def _try(what: str, trying: Awaitable[None]) -> Probed:
    """Run one probe. Any error becomes its problem and does not affect other probes."""
    try:
        async with asyncio.timeout(TRY_SECONDS) as limit:
            await trying
    except Exception as error:
        if limit.expired():
            return Probed(what, f"no result within {TRY_SECONDS:g} s: it does not answer, or very slowly")
        return Probed(what, reason_of(error))
    return Probed(what)


def reason_of(error: BaseException) -> str:
    """Return why an external operation failed, for a person. An unexpected error is named only by its type, because its
    text may contain a secret."""
    if (reason := connection_reason(error)) is not None:
        return reason
    # These errors' own texts are more precise than those of their causes.
    if isinstance(error, OutsideError | ServiceError | StartRefused | ListenerRefused) and str(error):
        return str(error)
    if (reason := exchange_reason(error)) is not None:
        return reason
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else "the system gives no reason"
    return f"Pagereel has an internal error ({type(error).__name__}); please report it"


async def _listener(name: str, where: Api | Callbacks) -> Probed:
    what = f"listener {name}"
    try:
        free = await try_listener(name, where)
    except ListenerRefused as error:
        return Probed(what, str(error))
    return Probed(what if free else f"{what} (a Pagereel that runs has it)")


def _lacking_file(url: str) -> Probed | None:
    """Return the result for a missing SQLite file, or None. The file is only checked, because `serve` creates it."""
    file = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or file.exists():
        return None
    try:
        check_place(file)
    except StartRefused as error:
        return Probed("database", str(error))
    return Probed(f"database ({file} does not exist yet: `pagereel serve` creates it)")


async def _database(settings: Settings, url: str, disabled: list[str]) -> None:
    """Probe the database. Add the endpoints of the settings that are disabled in it to `disabled`."""
    with refusing(url, settings.database.password_place):
        async with await Database.open(url, beside=True) as database:
            await prepare(database, settings.deployment, time.time())
            await refuse_lost_key(database, settings.database.own_key_file)
            await database.run(check_writable)
            for name in settings.endpoints:
                row = await database.run(partial(load_endpoint, name=name))
                disabled += [name] if row.disabled_at is not None else []
            await _refuse_lacking(database, settings)


async def _refuse_lacking(database: Database, settings: Settings) -> None:
    own = settings.database.own_key_file
    if own is not None and not own.exists():
        return  # it is created at the first start
    seals = Seals(*sealing_keys(settings))
    found = await database.run(lambda connection: describe_lacking(connection, settings, seals))
    if found:
        raise StartRefused("; ".join(found))


async def _acquire(client: AgoraClient, deployment: str) -> None:
    """Acquire a resource id, which costs nothing and expires after 5 minutes (agora-reference §2)."""
    await client.acquire(f"{deployment}-probe", new_uid(), 1)


def _handed(profile: StorageProfile) -> Keys:
    """Return the keys that Agora gets."""
    keys = profile.write_credentials()
    return Keys(keys.access_key, keys.secret_key, keys.session_token)


async def _write(buckets: Buckets, profile: StorageProfile, keys: Keys) -> None:
    bucket = buckets.bucket(location(profile, PROBE), keys, profile)
    await bucket.probe_write("/".join((*profile.prefix, PROBE)))


async def _readers_write(buckets: Buckets, profile: StorageProfile) -> bool:
    """Return True if the read keys may write. Return False without a test for Azure, whose account keys may always
    write, and for read-only profiles."""
    if profile.read_only or profile.vendor == AZURE:
        return False
    return (await _try("", _write(buckets, profile, read_keys(profile)))).problem is None


async def _reach(endpoint: Endpoint, rules: Urls) -> None:
    """Raise an error if the endpoint is not reachable. Any HTTP status of a HEAD request is accepted, because a
    receiver need not support that method, except the statuses of a proxy without a receiver behind it."""
    try:
        status = await send_head(parse_endpoint_url(endpoint.url.get(), rules), endpoint.timeout_seconds)
    except Exception as error:
        if connection_reason(error) is not None:
            raise
        word = DeliveryError.FORBIDDEN_URL if isinstance(error, ValueError) else error_of(error)
        raise Unavailable(word, "docs/messages.md#why-a-message-does-not-get-through has what to do") from None
    if status in _NOBODY_BEHIND:
        raise Unavailable(DeliveryError.SERVER_ERROR, f"HTTP {status}")


async def _read(buckets: Buckets, profile: StorageProfile) -> None:
    def open_as(place: Location, dialect: Dialect) -> Bucket:
        return buckets.bucket(place, read_keys(profile), profile, dialect)

    prefix = "".join(f"{part}/" for part in profile.prefix)
    await probe_dialect(open_as, location(profile, PROBE), dialect_of(profile), prefix)
