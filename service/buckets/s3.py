"""One bucket behind the S3 protocol: list, fetch, head, presign, probe.

aiobotocore resolves, signs and is the client; everything it sends goes through `_send`, over the one aiohttp session
of the process. Only the bodies of LIST answers bypass its parser (see `listing`). One call is one request: repeating
is left to the caller's schedule. Nothing here deletes, and nothing shows a key, a signature or a signed URL.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.auth import HmacV1Auth, S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import Credentials

from service.buckets import Fetched, Headed, Keys, Usage
from service.buckets.answers import Absent
from service.buckets.listing import PageReader
from service.buckets.vendors import Address, Dialect, resolve
from service.buckets.wire import Wire
from service.errors import Unavailable
from service.recording import Location
from service.report import ListedObject

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_EMPTY_PAGES = 100


class S3Bucket:
    """A bucket and what opens it. Cheap to make and safe to share between tasks; `http` and `session` stay open as
    long as it is used. `deadline_seconds` bounds each request with its answer's body, `concurrency` how many of them
    are under way at once: others wait for their turn, and the wait is not part of the deadline.

    All methods raise `Refused` (answered, and asking again will not help: 401, 403, no such bucket, wrong region) or
    `Unavailable` (DNS, connect, time-out, 408, 429, 5xx, an answer that is no S3), never the libraries' own errors.
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
        self._wire = Wire(http, clock, deadline_seconds, concurrency)
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
        """Let the client go. It holds no connection, so forgetting this leaks nothing."""
        self._opened = None
        await self._stack.aclose()

    async def list_objects(
        self, prefix: str, after: str = "", *, usage: Usage | None = None
    ) -> AsyncIterator[list[ListedObject]]:
        """The objects below `prefix` whose keys come after `after`, in key order, a page at a time."""
        usage = usage or Usage()
        token: str | None = None
        last = after
        empty = 0
        while empty < _EMPTY_PAGES:
            async with self._wire.asking("list", usage):
                page = await self._read_page(prefix, after, token, usage)
            decoded = page.decoded()
            # Some stores do not know start-after, and at least one gives the same page for ever (verification A.5.1).
            objects = [one for one in decoded if token is not None or one.key > after]
            if any(one.key <= before for one, before in zip(objects, [last, *(o.key for o in objects)], strict=False)):
                raise Unavailable("storage_unreachable", "the listing is not in the order of its keys")
            if objects:
                usage.objects += len(objects)
                last = objects[-1].key
                yield objects
            if not page.truncated:
                return
            following = page.token
            if (await self._open()).address.list_version == 1:
                following = decoded[-1].key if decoded else None
            if following is None or following == token:
                raise Unavailable("storage_unreachable", "the listing does not say how it goes on")
            token = following
            empty = 0 if objects else empty + 1
            await asyncio.sleep(0)  # decoding a page and signing the request for the next are two turns of the loop
        raise Unavailable("storage_unreachable", "the listing goes on without showing anything")

    async def fetch(
        self, key: str, max_bytes: int, *, span: tuple[int, int] | None = None, usage: Usage | None = None
    ) -> Fetched | None:
        """At most `max_bytes` of the object, or of its bytes `span` (first, last); None where the bucket says that
        there is no such object."""
        usage = usage or Usage()
        client = (await self._open()).client
        asked: dict[str, Any] = {"Bucket": self._location.bucket, "Key": key}
        if span is not None:
            asked["Range"] = f"bytes={span[0]}-{span[1]}"
        try:
            async with self._wire.asking("get", usage):
                answer = await client.get_object(**asked)
                content = await self._wire.read_body(answer["Body"], max_bytes + 1, usage)
        except Absent:
            return None
        whole = answer.get("ContentRange", "").rpartition("/")[2] if span else str(answer.get("ContentLength", ""))
        size = int(whole) if whole.isdecimal() else None
        return Fetched(content[:max_bytes], answer.get("ETag", "").strip('"'), size, len(content) > max_bytes)

    async def head(self, key: str, *, usage: Usage | None = None) -> Headed:
        """Size and ETag of an object. An answer to HEAD has no body, so a 404 says nothing about the object here: it
        is `Unavailable`, and `fetch` tells the truth."""
        client = (await self._open()).client
        async with self._wire.asking("head", usage or Usage()):
            answer = await client.head_object(Bucket=self._location.bucket, Key=key)
        return Headed(answer["ContentLength"], answer.get("ETag", "").strip('"'))

    async def presign(self, key: str, seconds: int) -> str:
        """A URL that lets whoever holds it fetch the object for `seconds`. It is a secret; no request is made."""
        client = (await self._open()).client
        asked = {"Bucket": self._location.bucket, "Key": key}
        return await client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    async def probe_read(self, prefix: str) -> ListedObject | None:
        """The first object below `prefix`, asked for to learn whether the keys may list it."""
        async with self._wire.asking("list", Usage()):
            page = await self._read_page(prefix, "", None, Usage(), most=2)
        return next(iter(page.decoded()), None)

    async def probe_write(self, key: str) -> None:
        """Write a tiny object, to learn whether the keys may; it is left there, as nothing here deletes."""
        client = (await self._open()).client
        async with self._wire.asking("put", Usage()):
            await client.put_object(Bucket=self._location.bucket, Key=key, Body=b"Pagereel was here.\n")

    async def _open(self) -> "_Opened":
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
                signed = await client.generate_presigned_url(
                    "list_objects_v2", Params={"Bucket": self._location.bucket}
                )
                self._opened = _Opened(address, client, signed.partition("?")[0])
            return self._opened

    def _config(self, address: Address) -> AioConfig:
        door = _Door(self._send)
        checksums = "when_supported" if address.own_checksums else "when_required"
        return AioConfig(
            http_session_cls=lambda **_: door,  # type: ignore[arg-type] # it is called with the settings of a pool
            signature_version="s3v4" if address.signature == "v4" else "s3",
            s3={"addressing_style": address.addressing},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            retries={"total_max_attempts": 1},
        )

    async def _read_page(
        self, prefix: str, after: str, token: str | None, usage: Usage, *, most: int = 1000
    ) -> PageReader:
        opened = await self._open()
        query = _page_query(opened.address, prefix, after, token, most)
        request = AWSRequest("GET", opened.url, params=query)
        keys = Credentials(self._keys.access_key, self._keys.secret_key, self._keys.session_token)
        if opened.address.signature == "v4":
            S3SigV4Auth(keys, "s3", opened.address.region).add_auth(request)
        else:
            # The old signature names the bucket in the path even where the host name holds it.
            path = urlsplit(opened.url).path
            request.auth_path = path if path.strip("/") else f"/{self._location.bucket}/"
            HmacV1Auth(keys).add_auth(request)
        return await self._wire.read_page(await self._send(request.prepare()), PageReader(), usage)

    async def _send(self, request: AWSPreparedRequest) -> aiohttp.ClientResponse:
        # A LIST always names its prefix in the query, a GET of an object has no query.
        object_asked = request.method == "GET" and not urlsplit(request.url).query
        headers = {name: _text(value) for name, value in request.headers.items()}
        return await self._wire.send(request.method, request.url, headers, request.body, object_asked=object_asked)


@dataclass(frozen=True, slots=True)
class _Opened:
    """`url` is that of the bucket, as the client resolves it."""

    address: Address
    client: "S3Client"
    url: str


class _Door:
    """What aiobotocore takes for its pool of connections: hands each request to the one session of the process."""

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
    """The query of a LIST, in the version that the store understands."""
    query = {"prefix": prefix, "max-keys": str(most)}
    if address.encoded_listing:
        query["encoding-type"] = "url"
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
