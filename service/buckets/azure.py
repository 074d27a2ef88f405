"""Accesses one Azure container: list, fetch, head, presign, probe. Agora's vendor 5.

azure-storage-blob (extra `azure`) creates the signatures; requests use the process's one aiohttp session, as for the
other vendors. The library's own parsing of a page of 5,000 names would block the loop too long, and its retries would
hide failures from the schedule. The access key is the account's name, the secret key the account's key.
"""

import base64
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp

from service.buckets import Fetched, Headed, Keys, Usage
from service.buckets.answers import Absent, PastEnd
from service.buckets.listing.page import AZURE_SHAPE, PageReader
from service.buckets.listing.walking import Walk, fill_sizes
from service.buckets.vendors import AZURE, VENDORS, check_endpoint
from service.buckets.wire import Wire, read_head
from service.errors import Refused
from service.recording import Location
from service.report import ListedObject

_VERSION = "2021-12-02"  # the oldest version with all used features, so that older stores support it too
_SIGNED_SECONDS = 3600
_MOST_BYTES = 5000
_ACCOUNT_KEY = 44  # base64 of 32 bytes, the shortest possible key


class AzureBucket:
    """A container with its credentials; see `Bucket`. Raises `Refused` on creation without its library or if the keys
    are not an account name and key."""

    def __init__(
        self,
        location: Location,
        keys: Keys,
        *,
        http: aiohttp.ClientSession,
        clock: Callable[[], float] = time.time,
        deadline_seconds: float = 30.0,
        concurrency: int = 32,
    ) -> None:
        self._library = load_library()
        self._container = location.bucket
        self._keys = keys
        self._url = container_url(location, keys)
        self._clock = clock
        self._wire = Wire(location.bucket, http, clock, deadline_seconds, concurrency)

    def __repr__(self) -> str:
        return f"AzureBucket({self._container!r})"

    async def close(self) -> None:
        """Do nothing, since no resource is held."""

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: Walk | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        """Yield the blobs below `prefix` with names after `after`, each once, a page at a time. Azure cannot start
        after a name, so the pages before it are read too."""
        usage = usage or Usage()
        walk = walk or Walk(after)
        while True:
            async with self._wire.asking("list", usage):
                page = await self._read_page(prefix, walk.token, usage, _MOST_BYTES)
            objects = walk.take(await fill_sizes(page.decoded(), lambda key: self.head(key, usage=usage)))
            if objects:
                usage.objects += len(objects)
                yield objects
            if not page.truncated:
                return
            walk.go_on(page.token)

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """Return at most `max_bytes` of the blob, or of its bytes `span` (first, last); None if Azure states that it
        does not exist."""
        usage = usage or Usage()
        headers = {} if span is None else {"x-ms-range": f"bytes={span[0]}-{span[1]}"}
        try:
            async with self._wire.asking("get", usage):
                answer = await self._send("GET", key, headers, object_asked=True)
                return await self._wire.read_object(answer, max_bytes, span, usage)
        except Absent:
            return None
        except PastEnd as error:
            return Fetched(b"", "", error.size_bytes, cut=False)

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Return size and ETag of a blob."""
        async with self._wire.asking("head", usage or Usage()):
            return read_head(await self._send("HEAD", key, {}))

    async def presign(self, key: str, seconds: int) -> str:
        """Return a URL with which anyone can fetch the blob for `seconds`. It is a secret; no request is made."""
        signed = self._library.generate_blob_sas(
            self._keys.access_key,
            self._container,
            key,
            account_key=self._keys.secret_key,
            permission="r",
            expiry=self._expiry(seconds),
        )
        return f"{self._url}/{quote(key)}?{signed}"

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """Return the first blob below `prefix`, to test whether the keys may list it."""
        async with self._wire.asking("list", Usage()):
            page = await self._read_page(prefix, None, Usage(), 2)
        return next(iter(await fill_sizes(page.objects, self.head)), None)

    async def probe_write(self, key: str) -> None:
        """Write a tiny blob, to test whether the keys may write. It is not deleted."""
        async with self._wire.asking("put", Usage()):
            headers = {"x-ms-blob-type": "BlockBlob"}
            (await self._send("PUT", key, headers, b"Pagereel was here.\n", permission="w")).close()

    async def _read_page(self, prefix: str, marker: str | None, usage: Usage, most: int) -> PageReader:
        query = {"restype": "container", "comp": "list", "prefix": prefix, "maxresults": str(most)}
        if marker is not None:
            query["marker"] = marker
        response = await self._send("GET", "", {}, permission="l", query=query.items(), unpacked=True)
        return await self._wire.read_page(response, PageReader(AZURE_SHAPE), usage)

    async def _send(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        permission: str = "r",
        query: Iterable[tuple[str, str]] = (),
        object_asked: bool = False,
        unpacked: bool = False,
    ) -> aiohttp.ClientResponse:
        signed = self._library.generate_container_sas(
            self._keys.access_key,
            self._container,
            account_key=self._keys.secret_key,
            permission=permission,
            expiry=self._expiry(_SIGNED_SECONDS),
        )
        path = f"/{quote(key)}" if key else ""
        asked = urlencode(list(query), quote_via=quote)
        url = f"{self._url}{path}?{asked}{'&' if asked else ''}{signed}"
        return await self._wire.send(
            method, url, {"x-ms-version": _VERSION, **headers}, body, object_asked=object_asked, unpacked=unpacked
        )

    def _expiry(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC) + timedelta(seconds=seconds)


def load_library() -> Any:
    """Return azure-storage-blob. Raise `Refused` if the extra is not installed."""
    try:
        # The import costs half a second and 20 MB, and only Azure needs it.
        from azure.storage import blob  # noqa: PLC0415
    except ModuleNotFoundError:
        raise Refused("storage_library_missing", "Azure needs the extra: pip install 'pagereel[azure]'") from None
    return blob


def _is_account_key(text: str) -> bool:
    try:
        return len(text) >= _ACCOUNT_KEY and bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def container_url(location: Location, keys: Keys) -> str:
    """Return the URL of the container. Raise `Refused` if the keys are not an account name and key."""
    account = keys.access_key
    if not account.isalnum() or not account.isascii() or not _is_account_key(keys.secret_key):
        raise Refused("storage_refused", "Azure wants the account's name as access key, its key as secret key")
    given = check_endpoint(location.endpoint)
    if given is None:
        return f"{str(VENDORS[AZURE].url).format(account=account)}/{location.bucket}"
    # An IP address, as of an emulator, cannot contain the account in its host name (as in Azure's own tools).
    return f"{given}/{account}/{location.bucket}" if _is_address(given) else f"{given}/{location.bucket}"


def _is_address(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
