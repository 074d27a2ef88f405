"""A client of the Chrome DevTools Protocol: commands, answers and events over one WebSocket.

It does not handle pages, recordings or the meaning of a command.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import Any

import aiohttp
import orjson

logger = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], None]
_CONNECT_SECONDS = 10.0


class CdpError(Exception):
    """The browser refused a command, or did not answer in time."""


class CdpClosed(CdpError):
    """The browser, or the target of a command, no longer exists."""


class Cdp:
    """One connection. When it ends, `closed` is set and every pending command raises CdpClosed."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.closed = asyncio.Event()
        self._http, self._socket = http, socket
        self._numbers = count(1)
        self._waiting: dict[int, tuple[str | None, asyncio.Future[dict[str, Any]]]] = {}
        self._handlers: dict[tuple[str | None, str], list[Handler]] = {}
        self._reader = asyncio.create_task(self._read(), name="cdp-reader")

    @classmethod
    async def connect(cls, url: str) -> Cdp:
        """Connect to the browser's `ws://` address. Raise CdpError on failure."""
        http = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                # Screencast frames can exceed aiohttp's default limit of 4 MiB.
                return cls(http, await http.ws_connect(url, max_msg_size=0, compress=0))
        except BaseException as error:  # a cancellation must not leave the session open either
            await http.close()
            if not isinstance(error, aiohttp.ClientError | OSError):  # TimeoutError is an OSError
                raise
            raise CdpError(f"no connection to the browser: {type(error).__name__}") from error

    def on(self, method: str, handler: Handler, session: str | None = None) -> None:
        """Call `handler` with the parameters of each event `method` of a target's session, or of the browser."""
        self._handlers.setdefault((session, method), []).append(handler)

    async def send(
        self,
        method: str,
        parameters: dict[str, Any] | None = None,
        *,
        session: str | None = None,
        seconds: float = 10.0,
    ) -> dict[str, Any]:
        """Send a command and return its result. Raise CdpError if it is refused or takes longer than `seconds`."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (session, answer)
        try:
            async with asyncio.timeout(seconds):
                if self.closed.is_set():
                    raise CdpClosed(f"{method}: the browser is gone")
                await self._socket.send_str(orjson.dumps(message).decode())
                return await answer
        except TimeoutError as error:
            raise CdpError(f"{method}: no answer within {seconds:g} s") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise CdpClosed(f"{method}: the browser is gone") from error
        finally:
            del self._waiting[number]

    def forget(self, session: str) -> None:
        """Fail the pending commands of a target that no longer exists, and remove its handlers."""
        self._fail("the page is gone", lambda of: of == session)
        self._handlers = {key: handlers for key, handlers in self._handlers.items() if key[0] != session}

    async def close(self) -> None:
        """Close the connection."""
        try:
            await self._socket.close()
        finally:
            await self._http.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(orjson.loads(message.data))
        finally:
            self.closed.set()
            self._fail("the browser is gone", lambda _: True)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            _, answer = self._waiting.get(message["id"], (None, None))
            if answer is None or answer.done():
                return
            if "error" in message:
                answer.set_exception(CdpError(str(message["error"].get("message", "refused"))))
            else:
                answer.set_result(message["result"])
            return
        for handler in self._handlers.get((message.get("sessionId"), message["method"]), ()):
            try:
                handler(message.get("params", {}))
            except Exception:
                logger.exception("handler of %s failed", message["method"])

    def _fail(self, why: str, concerns: Callable[[str | None], bool]) -> None:
        for session, answer in self._waiting.values():
            if concerns(session) and not answer.done():
                answer.set_exception(CdpClosed(why))
