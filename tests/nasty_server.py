"""A server that answers each request with the next nasty value, as its headers, its body or both. It writes HTTP by
hand, so no library of ours decides what may be sent."""

import asyncio
from types import TracebackType
from typing import Final, Self

from tests.nasty import NASTY_VALUES, header_bytes

STATUSES: Final = (200, 200, 200, 201, 206, 301, 302, 304, 400, 401, 403, 404, 408, 410, 413, 416, 429, 500, 502, 503)
HEADERS: Final = (
    *("Retry-After", "Date", "Last-Modified", "Content-Type", "ETag", "Location", "Content-Range", "Accept-Ranges"),
    *("Content-MD5", "Expires", "Cache-Control", "x-amz-bucket-region", "x-amz-missing-meta", "x-amz-mp-parts-count"),
    *("x-amz-checksum-sha256", "x-amz-object-lock-retain-until-date", "x-goog-hash", "x-oss-hash-crc64ecma"),
    *("x-ms-error-code", "Set-Cookie", "Server", "Link", "Content-Disposition"),
)


def nasty_answer(number: int) -> bytes:
    """The answer with this number. A round goes through all values; in twenty rounds each value comes with each status,
    in turn in the headers, in the body and in both, and now and then the length is a lie."""
    turn, place = divmod(number, len(NASTY_VALUES))
    value, kind = NASTY_VALUES[place], (turn + place) % 3
    text, body = header_bytes(value), b"{}" if kind == 0 else value.encode("utf-8", "surrogatepass")
    lines = [b"HTTP/1.1 %d Said" % STATUSES[(turn + place) % len(STATUSES)]]
    if kind != 1:
        lines += [name.encode() + b": " + text for name in HEADERS]
    if number % 17 == 0:
        lines.append(b"Content-Encoding: " + text)
    if number % 11 == 0:
        lines.append(b"Content-Length: " + (text or b"x"))
    elif number % 13 == 0:
        lines.append(b"Transfer-Encoding: " + (text or b"chunked"))
    else:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


class NastyServer:
    """Answers as long as its `async with` block lasts; `answered` counts."""

    def __init__(self) -> None:
        self.answered = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"\r\nexpect:" in head.lower():
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            for line in head.split(b"\r\n"):
                name, _, size = line.partition(b":")
                if name.lower() == b"content-length":
                    await reader.readexactly(int(size))
            number, self.answered = self.answered, self.answered + 1
            writer.write(nasty_answer(number))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
