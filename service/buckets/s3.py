"""Accesses one bucket with the S3 protocol: list, fetch, head, presign, probe.

aiobotocore resolves the address of the bucket, presigns and writes the probe. Read requests are signed by `signing` and
sent over the process's one aiohttp session: a call of the client costs more than everything else, and its parsers fail
on irrelevant headers. One call is one request: `patient` and the caller's schedule repeat. Nothing is deleted, and no
key, signature or signed URL is shown.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.awsrequest import AWSPreparedRequest

from service.buckets import Fetched, Headed, Keys, Usage
from service.buckets.answers import Absent, NotUnderstood, PastEnd
from service.buckets.listing.page import NotWellFormed, PageReader
from service.buckets.listing.walking import Walk, fill_sizes
from service.buckets.signing import Door, Signs, encode_query, signer
from service.buckets.vendors import Address, Dialect, resolve
from service.buckets.wire import Wire, read_head
from service.errors import Unavailable
from service.recording import Location
from service.report import ListedObject

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_NONE: Mapping[str, str] = {}
_PROBE = b"Pagereel was here.\n"
_PROBE_MD5 = base64.b64encode(hashlib.md5(_PROBE, usedforsecurity=False).digest()).decode()


class S3Bucket:
    """A bucket with its credentials. Cheap to create and safe to share between tasks; `http` and `session` must stay
    open while it is used. `deadline_seconds` bounds each request including its answer's body, `concurrency` the
    concurrent requests: others wait for a slot, and the wait is not part of the deadline.

    All methods raise `Refused` (a repetition will not help: 401, 403, no such bucket, wrong region) or `Unavailable`
    (DNS, connect, time-out, 408, 429, 5xx, an answer that is not S3), never the libraries' own errors.
    """

    def __init__(
        self,
        location: Location,
        keys: Keys,
        *,
        http: aiohttp.ClientSession,
        session: AioSession,
        dialect: Dialect = Dialect(),  # noqa: B008 - immutable
        clock: Callable[[], float] = time.time,
        deadline_seconds: float = 30.0,
        concurrency: int = 32,
    ) -> None:
        self._location = location
        self._keys = keys
        self._session = session
        self._dialect = dialect
        self._clock = clock
        self._encoded = False
        self._wire = Wire(location.bucket, http, clock, deadline_seconds, concurrency)
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._opened: _Opened | None = None

    def __repr__(self) -> str:
        return f"S3Bucket({self._location.bucket!r} of vendor {self._location.vendor})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the client. It holds no connection, so an omitted call leaks nothing."""
        self._opened = None
        await self._stack.aclose()

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None, walk: Walk | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        """Yield the objects below `prefix` with keys after `after`, each once, a page at a time."""
        usage = usage or Usage()
        walk = walk or Walk(after)
        while True:
            page = await self._read_page(prefix, after, walk.token, usage)
            decoded = page.decoded(prefix)
            objects = walk.take(await fill_sizes(decoded, lambda key: self.head(key, usage=usage)))
            if objects:
                usage.objects += len(objects)
                yield objects
            if not page.truncated:
                return
            following = page.token
            if (await self._open()).address.list_version == 1:
                following = decoded[-1].key if decoded else None
            walk.go_on(following)
            await asyncio.sleep(0)  # decoding a page and signing the next request are two turns of the loop

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """Return at most `max_bytes` of the object, or of its bytes `span` (first, last); None if the bucket states
        that it does not exist."""
        usage = usage or Usage()
        opened = await self._open()
        headers = {} if span is None else {"range": f"bytes={span[0]}-{span[1]}"}
        if span is None and opened.address.own_checksums:
            headers["x-amz-checksum-mode"] = "ENABLED"
        try:
            async with self._wire.asking("get", usage):
                path = opened.door.object_path(key)
                answer = await self._ask(opened, "GET", path, headers=headers, object_asked=True)
                return await self._wire.read_object(answer, max_bytes, span, usage)
        except Absent:
            return None
        except PastEnd as error:
            return Fetched(b"", "", error.size_bytes, cut=False)

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Return size and ETag of an object. An answer to HEAD has no body, so a 404 does not prove here that the
        object is absent: it is an error, and `fetch` decides."""
        opened = await self._open()
        async with self._wire.asking("head", usage or Usage()):
            return read_head(await self._ask(opened, "HEAD", opened.door.object_path(key)))

    async def presign(self, key: str, seconds: int) -> str:
        """Return a URL with which anyone can fetch the object for `seconds`. It is a secret; no request is made."""
        client = (await self._open()).client
        asked = {"Bucket": self._location.bucket, "Key": key}
        return await client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """Return the first object below `prefix`, to test whether the keys may list it."""
        # A plain request, so that each dialect that is tried costs one request.
        page = await self._read_page(prefix, "", None, Usage(), most=2, encoded=False)
        return next(iter(await fill_sizes(page.decoded(prefix), self.head)), None)

    async def probe_write(self, key: str) -> None:
        """Write a tiny object, to test whether the keys may write. It is not deleted."""
        opened = await self._open()
        # A bucket with Object Lock requires a checksum.
        digest: dict[str, Any] = {"ContentMD5": _PROBE_MD5} if opened.address.own_checksums else {}
        async with self._wire.asking("put", Usage()):
            await opened.client.put_object(Bucket=self._location.bucket, Key=key, Body=_PROBE, **digest)

    async def _open(self) -> "_Opened":
        if self._opened is not None:
            return self._opened
        async with self._opening:
            if self._opened is None:
                address = resolve(self._location, self._dialect)
                client = await self._stack.enter_async_context(
                    self._session.create_client(
                        "s3",
                        region_name=address.region,
                        endpoint_url=address.url,
                        aws_access_key_id=self._keys.access_key,
                        aws_secret_access_key=self._keys.secret_key,
                        aws_session_token=self._keys.session_token,
                        config=self._config(address),
                    )
                )
                url = await client.generate_presigned_url("list_objects_v2", Params={"Bucket": self._location.bucket})
                door = Door.of(url.partition("?")[0])
                self._opened = _Opened(address, client, door, signer(address, door, self._location.bucket, self._keys))
                self._encoded = address.encoded_listing
            return self._opened

    def _config(self, address: Address) -> AioConfig:
        door = _Door(self._send)
        # Over TLS botocore would append a checksum to the body, in an encoding that aiohttp does not send.
        return AioConfig(
            http_session_cls=lambda **_: door,  # type: ignore[arg-type] # it is called with the settings of a pool
            signature_version="s3v4" if address.signature == "v4" else "s3",
            s3={"addressing_style": address.addressing},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_supported" if address.own_checksums else "when_required",
            retries={"total_max_attempts": 1},
        )

    async def _read_page(
        self,
        prefix: str,
        after: str,
        token: str | None,
        usage: Usage,
        *,
        most: int = 1000,
        encoded: bool | None = None,
    ) -> PageReader:
        """Return one page of a listing, requested in another form if the first cannot be parsed: some stores refuse to
        encode keys, and unencoded keys with control characters are not valid XML."""
        opened = await self._open()
        encoded = self._encoded if encoded is None else encoded
        query = _page_query(opened.address, prefix, after, token, most)
        refused = repaired = False
        while True:
            try:
                page = await self._ask_page(opened, query, usage, encoded=encoded, repaired=repaired)
            except NotUnderstood:
                if not encoded:
                    raise
                encoded, refused = False, True
            except Unavailable as error:
                if repaired or not isinstance(error.__cause__, NotWellFormed):
                    raise
                encoded, repaired = not refused, True
            else:
                self._encoded = self._encoded and not refused
                return page

    async def _ask_page(
        self, opened: "_Opened", query: dict[str, str], usage: Usage, *, encoded: bool, repaired: bool
    ) -> PageReader:
        asked = encode_query(query | {"encoding-type": "url"} if encoded else query)
        async with self._wire.asking("list", usage):
            answer = await self._ask(opened, "GET", opened.door.path or "/", asked, unpacked=True)
            return await self._wire.read_page(answer, PageReader(repaired=repaired), usage)

    async def _ask(
        self,
        opened: "_Opened",
        method: str,
        path: str,
        query: str = "",
        *,
        headers: Mapping[str, str] = _NONE,
        object_asked: bool = False,
        unpacked: bool = False,
    ) -> aiohttp.ClientResponse:
        signed = opened.sign(method, path, query, headers, self._clock())
        url = f"{opened.door.origin}{path}?{query}" if query else f"{opened.door.origin}{path}"
        return await self._wire.send(method, url, signed, object_asked=object_asked, unpacked=unpacked)

    async def _send(self, request: AWSPreparedRequest) -> aiohttp.ClientResponse:
        headers = {name: _text(value) for name, value in request.headers.items()}
        return await self._wire.send(request.method, request.url, headers, request.body)


@dataclass(frozen=True, slots=True)
class _Opened:
    """The opened bucket; `door` is its address as the client resolves it."""

    address: Address
    client: "S3Client"
    door: Door
    sign: Signs


class _Door:
    """Replaces aiobotocore's connection pool: passes each request to the process's one session."""

    def __init__(self, send: Callable[[AWSPreparedRequest], Any]) -> None:
        self._send = send

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def close(self) -> None:
        return

    async def send(self, request: AWSPreparedRequest) -> AioAWSResponse:
        response = await self._send(request)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return AioAWSResponse(request.url, response.status, headers, response)  # type: ignore[arg-type] # as its own


def _page_query(address: Address, prefix: str, after: str, token: str | None, most: int) -> dict[str, str]:
    """Return the query of a LIST, in the version that the store supports."""
    query = {"prefix": prefix, "max-keys": str(most)}
    if address.list_version == 1:
        marker = after if token is None else token
        return query | ({"marker": marker} if marker else {})
    query["list-type"] = "2"
    if token is not None:
        query["continuation-token"] = token
    elif after:
        query["start-after"] = after
    return query


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
