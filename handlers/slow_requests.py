"""The throttled reading of connections on which requests arrive slowly, so that thousands of them cost little CPU time.

Agora's notification arrives whole, mostly in one packet. After an incomplete piece, further data stays in the kernel
for a moment, and later for longer, so a client that sends single bytes causes few reads. Time limits of a request are
set elsewhere.
"""

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

# The pauses before the next read after the first, the second and every later incomplete piece.
PAUSES_SECONDS = (0.05, 0.5, 2.0)


class DripRunner(web.AppRunner):
    """An `AppRunner` whose connections are throttled."""

    @property
    def server(self) -> Any:
        """Return the factory of protocols for new connections."""
        server = super().server
        return None if server is None else lambda: _Drips(server())


class _Drips(asyncio.Protocol):
    """A protocol in front of aiohttp's that only pauses reading."""

    def __init__(self, inner: RequestHandler) -> None:
        self._inner = inner
        self._tap: _Tap | None = None
        self._pieces = 0
        self._again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tap = _Tap(cast(asyncio.Transport, transport))
        self._inner.connection_made(cast(asyncio.Transport, self._tap))

    def connection_lost(self, error: BaseException | None) -> None:
        if self._again is not None:
            self._again.cancel()
        self._tap = None
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def eof_received(self) -> None:
        self._inner.eof_received()

    def data_received(self, data: bytes) -> None:
        assert self._tap is not None
        self._inner.data_received(data)
        if self._whole():
            self._pieces = 0
            return
        self._tap.hold(self)
        seconds = PAUSES_SECONDS[min(self._pieces, len(PAUSES_SECONDS) - 1)]
        self._again = asyncio.get_running_loop().call_later(seconds, self._tap.let_go, self)
        self._pieces += 1

    def _whole(self) -> bool:
        """Return True if the received data ends with a request's last byte."""
        inner = self._inner
        if inner._messages:
            return inner._messages[-1][1].is_eof()
        request = inner._current_request
        return request is not None and request.content.is_eof()


class _Tap:
    """The transport as aiohttp sees it. Data is read unless a holder pauses reading. aiohttp is one of the holders, and
    resumes reading whenever it waits for more data."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holders: set[object] = set()
        self.write = transport.write
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def pause_reading(self) -> None:
        self.hold("aiohttp")

    def resume_reading(self) -> None:
        self.let_go("aiohttp")

    def hold(self, who: object) -> None:
        if not self._holders and not self.is_closing():
            self._transport.pause_reading()
        self._holders.add(who)

    def let_go(self, who: object) -> None:
        if who in self._holders:
            self._holders.remove(who)
            if not self._holders and not self.is_closing():
                self._transport.resume_reading()
