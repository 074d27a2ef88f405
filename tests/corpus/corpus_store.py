"""A bucket on the wire, kept in memory: it lists, answers ranges, counts what it is asked, and fails where it is told
to. It checks no signature."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from aiohttp import web

_PAGE = 1000


class Store:
    """`objects` by key. `requests` and `bytes_sent` since `hold`; `ranges` are the keys and ranges that were asked for.
    `fails`: key to the status it answers with."""

    def __init__(self) -> None:
        self.objects: Mapping[str, bytes] = {}
        self.fails: dict[str, int] = {}
        self.asked: set[str] = set()
        self.ranges: list[tuple[str, str]] = []
        self.requests = 0
        self.bytes_sent = 0

    def hold(self, objects: Mapping[str, bytes], fails: Mapping[str, int] | None = None) -> None:
        """Hold these objects and nothing else, and count anew."""
        self.objects = dict(sorted(objects.items()))
        self.fails = dict(fails or {})
        self.requests = self.bytes_sent = 0
        self.asked, self.ranges = set(), []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        response = self._list(request) if "list-type" in request.query else self._get(request)
        self.bytes_sent += len(response.body) if isinstance(response.body, bytes) else 0
        return response

    def _list(self, request: web.Request) -> web.Response:
        prefix = request.query.get("prefix", "")
        after = request.query.get("continuation-token") or request.query.get("start-after", "")
        most = min(int(request.query.get("max-keys", _PAGE)), _PAGE)
        keys = [key for key in self.objects if key.startswith(prefix) and key > after]
        page = keys[:most]
        more = len(keys) > most
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;{self._etag(key)}&quot;</ETag><Size>{len(self.objects[key])}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>"
        return web.Response(body=text.encode(), content_type="application/xml")

    def _get(self, request: web.Request) -> web.Response:
        key = request.path.split("/", 2)[2]
        self.asked.add(key)
        self.ranges.append((key, request.headers.get("Range", "")))
        content = self.objects.get(key)
        if key in self.fails or content is None:
            status = self.fails.get(key, 404)
            code = {404: "NoSuchKey", 403: "AccessDenied"}.get(status, "SlowDown")
            return web.Response(
                status=status, text=f"<Error><Code>{code}</Code></Error>", content_type="application/xml"
            )
        headers = {"ETag": f'"{self._etag(key)}"'}
        asked = request.headers.get("Range")
        if asked is None:
            return web.Response(body=content, headers=headers)
        first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
        last = min(last, len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return web.Response(status=206, body=content[first : last + 1], headers=headers)

    def _etag(self, key: str) -> str:
        return f"{hash(self.objects[key]) & 0xFFFFFFFFFFFFFFFF:016x}"
