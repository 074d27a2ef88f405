"""What stands behind the benchmark of verification, each in a process of its own: `python -m benchmarks.stores KIND`.

`delay`: a TCP relay that holds every request for a while. `mapped`: a store that shows one set of files below any
number of prefixes, and a hundred thousand keys below `many/`; it checks no signature and speaks only what is measured.
"""

import argparse
import asyncio
import socket
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

MANY = 100_000
# Where `mapped` tells how many seconds of CPU it has used.
CPU = "-cpu-"
_PAGE = 1000


async def relay(port: int, target: int, delay_seconds: float) -> None:
    """Pass everything on; what a client sends waits `delay_seconds`, in its order."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                due, chunk = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not chunk:
                    writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

        sending = asyncio.ensure_future(send())
        while chunk := await reader.read(262_144):
            queue.put_nowait((loop.time() + delay, chunk))
        queue.put_nowait((loop.time() + delay, b""))
        await sending

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", target)
        both = carry(reader, back_writer, delay_seconds), carry(back_reader, writer, 0.0)
        await asyncio.gather(*both, return_exceptions=True)
        for one in (writer, back_writer):
            one.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


class Mapped:
    """`folder`'s files below every prefix of one component."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path for path in sorted(folder.iterdir()) if path.name != "whole"}
        facts = {name: path.stat() for name, path in self._files.items()}
        # From memory: how a store reads its disk is not what is measured.
        self._contents = {name: path.read_bytes() for name, path in self._files.items()}
        self._rows = {name: (one.st_size, f"{one.st_mtime_ns:x}-{one.st_size:x}") for name, one in facts.items()}
        self._many = [f"many/{number:09d}.ts" for number in range(MANY)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        key = unquote(request.raw_path.partition("?")[0]).split("/", 2)[-1]
        if "prefix" in request.query:
            query = request.query
            return web.Response(
                body=self._page(query["prefix"], query.get("continuation-token", query.get("marker", "")))
            )
        if key == CPU:
            return web.Response(text=str(time.process_time()))
        name = key.rpartition("/")[2]
        content = self._contents.get(name)
        if content is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        headers = {"ETag": f'"{self._rows[name][1]}"'}
        asked = request.http_range
        begin, end, _ = slice(asked.start, asked.stop).indices(len(content))
        if asked.start is None:
            return web.Response(body=content, headers=headers)
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        return web.Response(status=206, body=content[begin:end], headers=headers)

    def _page(self, prefix: str, after: str) -> bytes:
        """A page of either version of LIST: what goes on is the last key."""
        folder = prefix.partition("/")[0]
        keys = self._many if folder == "many" else [f"{folder}/{name}" for name in self._files]
        start = bisect_right(keys, after)
        shown, more = keys[start : start + _PAGE], start + _PAGE < len(keys)
        rows = "".join(map(self._row, shown))
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>".encode()
        )

    def _row(self, key: str) -> str:
        size, etag = self._rows.get(key.rpartition("/")[2], (188, "e"))
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>2025-01-01T02:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )


async def mapped(port: int, folder: Path) -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", Mapped(folder).answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """One of them in a process of its own; gives its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.stores", arguments[0], str(port), *arguments[1:]]
    with Popen(command, stdout=PIPE) as process:
        assert process.stdout is not None, "it is a pipe"
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{' '.join(command)} did not start")
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["delay", "mapped"])
    parser.add_argument("port", type=int)
    parser.add_argument("what")
    parser.add_argument("delay", type=float, nargs="?", default=0.0)
    chosen = parser.parse_args()
    if chosen.kind == "delay":
        asyncio.run(relay(chosen.port, int(chosen.what), chosen.delay))
    else:
        asyncio.run(mapped(chosen.port, Path(chosen.what)))


if __name__ == "__main__":
    main()
