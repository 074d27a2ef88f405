"""Tries what the settings name, without a billed start: for `pagereel check-config --probe` and `pagereel setup`."""

import os
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from service.agora.budget import LocalBudget
from service.agora.client import AgoraClient
from service.agora.wire import open_sender
from service.buckets import Bucket, Keys
from service.buckets.azure import container_url, load_library
from service.buckets.dialects import probe_dialect
from service.buckets.open import Buckets, dialect_of, open_buckets, read_keys
from service.buckets.vendors import AZURE, Dialect, resolve
from service.database.outage import StartRefused
from service.database.run import Database
from service.database.startup import check_writable, prepare
from service.errors import OutsideError, ServiceError
from service.operations.ids import new_uid
from service.recording import Location
from service.report import Level
from service.settings import Settings, StorageProfile, location
from service.verifier.decoder import can_decode

PROBE = "pagereelprobe"


@dataclass(frozen=True, slots=True)
class Probed:
    """One thing that was tried. `problem` None: it works."""

    what: str
    problem: str | None = None


async def probe(settings: Settings, database_url: str) -> AsyncIterator[Probed]:
    """Try database, Agora's credentials and every bucket with both key pairs, one after another.

    The write probe leaves one tiny object, `pagereelprobe`, below the profile's prefix: nothing here deletes."""
    yield await _try("database", _database(settings, database_url))
    async with open_sender() as send:
        for name, app in settings.apps.items():
            client = AgoraClient(app, send, LocalBudget().take)
            yield await _try(f"Agora, app {name}: credentials and app ID", _acquire(client, settings.deployment))
    async with open_buckets(settings) as buckets:
        for name, profile in settings.storage.items():
            if not profile.read_only:
                yield await _try(f"storage {name}: write keys may write", _write(buckets, profile))
            yield await _try(f"storage {name}: read keys may list and read", _read(buckets, profile))


def unreachable(settings: Settings) -> dict[str, str]:
    """Storage profiles that lead nowhere, each with what its settings lack. Nothing is asked."""
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
    """Storage profiles whose level needs PyAV where that is not installed, each with the remedy."""
    if can_decode():
        return {}
    return {
        name: f"level {profile.level} decodes pictures, and PyAV is not installed here: "
        'install `pagereel[media]`, or set level = "structure"'
        for name, profile in settings.storage.items()
        if profile.level.reaches(Level.CONTENT) and not profile.read_only
    }


def events_missing(seen: set[int]) -> list[int]:
    """The event types a web page recording should have switched on in the console and has not shown yet."""
    return sorted({1, 4, 11, 12, 30, 31, 32, 33, 70, 71, 72, 73, 100} - seen)


async def source_addresses(settings: Settings, app: str) -> list[str]:
    """Where notifications come from, as Agora says now (agora-reference §7.6). Raises `OutsideError`."""
    async with open_sender() as send:
        return list(await AgoraClient(settings.apps[app], send, LocalBudget().take).ncs_ips())


async def _try(what: str, trying: Awaitable[None]) -> Probed:
    """One thing tried; whatever it meets is its problem, and no other's."""
    try:
        await trying
    except Exception as error:
        return Probed(what, reason_of(error))
    return Probed(what)


def reason_of(error: BaseException) -> str:
    """Why something outside did not work, for a person. What was not foreseen is named by its type alone: its text may
    hold what is secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, aiohttp.ClientConnectorError):
            return _connection_reason(cause)
        cause = cause.__cause__
    if isinstance(error, OutsideError | ServiceError | StartRefused | OSError):
        return str(error) or type(error).__name__
    return f"Pagereel has an internal error ({type(error).__name__}); please report it"


def _connection_reason(error: aiohttp.ClientConnectorError) -> str:
    host, port = error.host, error.port
    shown = f"[{host}]" if ":" in (host or "") else host
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"cannot resolve {host}"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {shown}:{port} is not trusted"
        case aiohttp.ClientConnectorSSLError():
            return f"{shown}:{port} does not speak valid TLS"
    return f"cannot connect to {shown}:{port}: {os.strerror(error.errno) if error.errno else 'no connection'}"


async def _database(settings: Settings, url: str) -> None:
    if url.startswith("sqlite:///"):
        _check_place(Path(url.removeprefix("sqlite:///")))
    async with await Database.open(url, beside=True) as database:
        await prepare(database, settings.deployment, time.time())
        await database.run(check_writable)


def _check_place(file: Path) -> None:
    """Raise `StartRefused` where no file can be, so that a person need not guess."""
    if file.is_dir():
        raise StartRefused(f"{file} is a folder: name a file in it")
    if not file.parent.is_dir():
        raise StartRefused(f"the folder {file.parent} does not exist: create it")


async def _acquire(client: AgoraClient, deployment: str) -> None:
    """A resource id costs nothing and is forgotten after 5 minutes (agora-reference §2)."""
    await client.acquire(f"{deployment}-probe", new_uid(), 1)


async def _write(buckets: Buckets, profile: StorageProfile) -> None:
    keys = profile.write_credentials()
    handed = Keys(keys.access_key, keys.secret_key, keys.session_token)
    bucket = buckets.bucket(location(profile, PROBE), handed, profile)
    await bucket.probe_write("/".join((*profile.prefix, PROBE)))


async def _read(buckets: Buckets, profile: StorageProfile) -> None:
    def open_as(place: Location, dialect: Dialect) -> Bucket:
        return buckets.bucket(place, read_keys(profile), profile, dialect)

    prefix = "".join(f"{part}/" for part in profile.prefix)
    await probe_dialect(open_as, location(profile, PROBE), dialect_of(profile), prefix)
