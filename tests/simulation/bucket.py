"""A simulated S3 store on the wire: what the recorders have uploaded by now, in S3's XML.

`Http` takes the place of the service's aiohttp session. It checks no signature.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import aiohttp
from multidict import CIMultiDict

from tests.simulation.agora import Task
from tests.simulation.loop import VirtualLoop
from tests.simulation.recorder import EPOCH

_XML = '<?xml version="1.0" encoding="UTF-8"?>'
Object = tuple[str, int, float, Callable[[], bytes]]


class Bucket:
    """The objects below one prefix are those of the tasks that were told to write there."""

    def __init__(self, loop: VirtualLoop, tasks: Callable[[], list[Task]]) -> None:
        self._loop = loop
        self._tasks = tasks

    def objects(self, prefix: str, now: float | None = None) -> list[Object]:
        """(key, size, written at, content) in the order of the keys."""
        at = self._loop.time() if now is None else now
        found = []
        for task in self._tasks():
            if not (task.prefix.startswith(prefix) or prefix.startswith(task.prefix)):
                continue
            for recorder in task.recorders:
                for name, size, written_at in recorder.objects(at):
                    key = task.prefix + name
                    if key.startswith(prefix):
                        read = recorder.playlist if name.endswith(".m3u8") else lambda _, size=size: b"\0" * size
                        found.append((key, size, written_at, lambda read=read: read(at)))
        return sorted(found, key=lambda one: one[0])

    def answer(self, method: str, path: str, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        if method == "GET" and query.get("list-type") == "2":
            return 200, {}, self._listing(query.get("prefix", ""), query.get("start-after", ""))
        key = unquote(path).split("/", 2)[2]
        for one, _, written_at, read in self.objects(key):
            if one == key:
                content = read()
                return 200, {"ETag": _etag(one, len(content), written_at), "Content-Length": str(len(content))}, content
        return 404, {}, f"{_XML}<Error><Code>NoSuchKey</Code></Error>".encode()

    def _listing(self, prefix: str, after: str) -> bytes:
        rows = []
        for key, size, written_at, _ in self.objects(prefix):
            if key > after:
                at = datetime.fromtimestamp(EPOCH + written_at, UTC)
                rows.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                    f"<ETag>{_etag(key, size, written_at)}</ETag><Size>{size}</Size></Contents>"
                )
                task = next(task for task in self._tasks() if key.startswith(task.prefix))
                if task.exposed_at is None:
                    task.exposed_at = self._loop.time()
        text = f"{_XML}<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
        return text.encode()


def _etag(key: str, size: int, written_at: float) -> str:
    return '"' + hashlib.md5(f"{key} {size} {written_at}".encode()).hexdigest() + '"'


class Response:
    """As much of `aiohttp.ClientResponse` as the service reads."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = CIMultiDict(headers)
        self._left = body
        self.content = self

    async def read(self, most: int = -1) -> bytes:
        most = len(self._left) if most < 0 else most
        piece, self._left = self._left[:most], self._left[most:]
        return piece

    def at_eof(self) -> bool:
        return not self._left

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        while self._left:
            yield await self.read(size)

    def close(self) -> None: ...


class Http:
    """The session that every S3 client holds; `bucket` and `travel` are those of the present simulation. `travel` is
    awaited before each answer, raises what the network raises, and returns a status where the store itself refuses."""

    bucket: Bucket
    travel: Callable[[], Awaitable[int | None]]

    async def request(self, method: str, url: Any, **_: Any) -> Response:
        refused = await self.travel()
        if refused is not None:
            return Response(refused, {}, f"{_XML}<Error><Code>SlowDown</Code></Error>".encode())
        query = dict(parse_qsl(url.raw_query_string, keep_blank_values=True))
        status, headers, body = self.bucket.answer(method, url.raw_path, query)
        return Response(status, headers, body)


def broken_connection() -> aiohttp.ClientError:
    return aiohttp.ServerDisconnectedError()
