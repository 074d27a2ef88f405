"""A TCP proxy for tests: before one server it makes the network bad, before several it shares out connections.

It knows bytes only. What it does to them is set at any time and holds for what comes then.
"""

import asyncio
import itertools
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Self

_PIECE = 65536


@dataclass
class Weather:
    """How bytes fare, in each direction. `latency_seconds` before each piece; `drip_bytes` at a time with
    `drip_seconds` between; after `cut_after` bytes the connection ends, by a reset where `reset`; `silent` swallows
    everything and never closes, as a peer does whose machine is gone; `holds_end` passes all on but the end."""

    latency_seconds: float = 0
    drip_bytes: int = _PIECE
    drip_seconds: float = 0
    cut_after: int | None = None
    reset: bool = False
    silent: bool = False
    holds_end: bool = False


class TcpProxy:
    """Listens on a loopback port while its `async with` block lasts. `targets` are ports of this machine: each
    connection goes to the next of them that takes it."""

    def __init__(self, *targets: int) -> None:
        self.targets = list(targets)
        self.to_server = Weather()
        self.to_client = Weather()
        self.accepted = 0
        self.ends_held = 0
        self.heard = bytearray()
        """All that came for the servers."""
        self.port = 0
        self._turn = itertools.count()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def calm(self) -> None:
        """All is well again, for new connections and old ones."""
        self.to_server, self.to_client = Weather(), Weather()

    def cut(self) -> None:
        """Reset every open connection."""
        for writer in self._open:
            _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._join(reader, writer)
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await self._connect()
        if found is None:
            _reset(writer)
            return
        server_reader, server_writer = found
        self._open.add(server_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, server_writer, "to_server"))
                group.create_task(self._carry(server_reader, writer, "to_client"))
        except* OSError:
            pass
        finally:
            self._open.discard(server_writer)
            server_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turn)
        for number in range(len(self.targets)):
            port = self.targets[(first + number) % len(self.targets)]
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        carried = 0
        while piece := await reader.read(_PIECE):
            if way == "to_server":
                self.heard += piece
            weather: Weather = getattr(self, way)
            for part in _parts(piece, weather.drip_bytes):
                weather = getattr(self, way)
                await asyncio.sleep(weather.latency_seconds + weather.drip_seconds)
                if weather.silent:
                    continue
                if weather.cut_after is not None and carried + len(part) > weather.cut_after:
                    writer.write(part[: weather.cut_after - carried])
                    (_reset if weather.reset else asyncio.StreamWriter.close)(writer)
                    raise ConnectionAbortedError
                writer.write(part)
                await writer.drain()
                carried += len(part)
        if getattr(self, way).holds_end:
            self.ends_held += 1
        elif writer.can_write_eof():
            writer.write_eof()


def _parts(piece: bytes, size: int) -> Iterable[bytes]:
    return (piece[start : start + size] for start in range(0, len(piece), size))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, dropping what was not sent."""
    own = writer.get_extra_info("socket")
    if own is not None:
        with suppress(OSError):
            own.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
