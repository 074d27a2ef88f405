"""Opens the buckets of the settings' storage profiles once and shares them.

A recording is pinned to a place, not to keys: the profile's current keys are used, so a rotation needs no restart.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiobotocore.session import AioSession, get_session

from service.buckets import Bucket, Keys
from service.buckets.azure import AzureBucket
from service.buckets.s3 import S3Bucket
from service.buckets.vendors import AZURE, Dialect
from service.errors import OutsideError, Unavailable
from service.recording import Location, Recording
from service.settings import Settings, StorageProfile, location

_CONNECTIONS = 64


class Buckets:
    """Opens a bucket for reading on first use. See `open_buckets`."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._http = http
        self._session: AioSession = get_session()
        self._open: dict[tuple[object, ...], Bucket] = {}

    def bucket_of(self, recording: Recording) -> Bucket:
        """Return the bucket that the recording is pinned to, with its profile's read-only keys. Raise `Unavailable` if
        the settings no longer contain the profile."""
        profile = self._settings.storage.get(recording.storage)
        if profile is None:
            raise Unavailable("storage_not_configured", f"the settings have no storage {recording.storage!r} any more")
        return self.bucket(recording.location, read_keys(profile), profile)

    def bucket(self, location: Location, keys: Keys, profile: StorageProfile, dialect: Dialect | None = None) -> Bucket:
        """Return the bucket at a place, opened with these keys; `dialect` replaces the profile's for a test. Raise
        `Refused` if it cannot be opened."""
        dialect = dialect or dialect_of(profile)
        at = (location.vendor, location.region, location.bucket, location.endpoint, location.path_style)
        name = (*at, keys.access_key, keys.secret_key, keys.session_token, dialect)
        if name not in self._open:
            self._open[name] = (
                AzureBucket(location, keys, http=self._http, concurrency=profile.concurrency)
                if location.vendor == AZURE
                else S3Bucket(
                    location,
                    keys,
                    http=self._http,
                    session=self._session,
                    dialect=dialect,
                    concurrency=profile.concurrency,
                )
            )
        return self._open[name]

    async def warm_up(self) -> None:
        """Create every profile's client now, since the first one in a process blocks the loop for a tenth of a second.
        No request is made; a place that cannot be resolved raises when it is used."""
        for profile in self._settings.storage.values():
            with contextlib.suppress(OutsideError):
                await self.bucket(location(profile, ""), read_keys(profile), profile).presign("warm-up", 1)

    async def close(self) -> None:
        for bucket in self._open.values():
            await bucket.close()


@asynccontextmanager
async def open_buckets(settings: Settings) -> AsyncIterator[Buckets]:
    """Provide all buckets over one connection pool, until the block ends."""
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ttl_dns_cache=30)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        buckets = Buckets(settings, http)
        try:
            yield buckets
        finally:
            await buckets.close()


def read_keys(profile: StorageProfile) -> Keys:
    """Return the profile's current keys for reading."""
    return Keys(profile.read.access_key.get(), profile.read.secret_key.get())


def dialect_of(profile: StorageProfile) -> Dialect:
    """Return the dialect that the profile configures."""
    return Dialect(profile.region_name, profile.signature, profile.list_version, profile.legacy_vendor)
