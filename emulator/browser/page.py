"""The recorded page in its tab: opening, reloading and watching for exceeded limits (agora-reference §3.6, §8.5, §8.6).

Reports the state of the page. It does not record the page or decide what follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from emulator.browser.cdp import CdpClosed, CdpError
from emulator.browser.chromium import Tab
from emulator.browser.settings import Limits
from emulator.browser.traffic import Traffic

Limit = Literal["resolution", "WebGL", "bandwidth"]
_REPORT = "pagereelReport"
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
_PROBE = Path(__file__).with_name("probe.js")
# Resource types for which Chromium shows a server's log-in dialog over the page.
_MAY_ASK_FOR_LOG_IN = ("Document", "XHR", "Fetch", "Image")
_NAVIGATION_SECONDS = 30.0
# A page that never finishes loading is recorded nevertheless.
_LOAD_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Heard:
    """Callbacks for events of a page, called from the event loop."""

    limited: Callable[[Limit], None]
    crashed: Callable[[], None]


class WatchedPage:
    """One page in one tab. The URL is a secret."""

    def __init__(self, tab: Tab, url: str, limits: Limits, heard: Heard) -> None:
        self._tab, self._url, self._limits, self._heard = tab, url, limits, heard
        self._opened = False
        # The HTTP status of the page, or the browser's error.
        self._status: int | str | None = None
        self._loaded, self._ready = asyncio.Event(), asyncio.Event()
        self._told: set[Limit] = set()
        self._answering: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Start watching the tab. Raise CdpError on failure."""
        tab = self._tab
        probe = (await asyncio.to_thread(_PROBE.read_text)).replace("REPORT", _REPORT)
        tab.on("Runtime.bindingCalled", self._called)
        tab.on("Page.javascriptDialogOpening", lambda _: self._answer("Page.handleJavaScriptDialog", accept=True))
        tab.on("Fetch.requestPaused", lambda event: self._answer("Fetch.continueRequest", requestId=event["requestId"]))
        tab.on("Fetch.authRequired", self._refuse_log_in)
        tab.on("Page.loadEventFired", lambda _: self._loaded.set())
        tab.on("Network.responseReceived", self._answered)
        tab.on("Network.loadingFailed", self._failed)
        tab.on("Inspector.targetCrashed", lambda _: self._heard.crashed())
        Traffic(tab, self._limits, lambda: self._limit("bandwidth"))
        await tab.send("Inspector.enable")
        await tab.send("Runtime.enable")
        await tab.send("Runtime.addBinding", {"name": _REPORT})
        await tab.send("Page.addScriptToEvaluateOnNewDocument", {"source": probe})
        await tab.send("Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0})
        patterns = [{"urlPattern": "*", "resourceType": kind} for kind in _MAY_ASK_FOR_LOG_IN]
        await tab.send("Fetch.enable", {"handleAuthRequests": True, "patterns": patterns})

    async def load(self) -> str | None:
        """Open or reload the page. Return None, or the reason of a failure, which is the browser's error or status 404
        or 5xx.

        Raise CdpClosed if the browser no longer exists.
        """
        self._status = None
        self._loaded.clear()
        self._ready.clear()
        try:
            if self._opened:
                await self._tab.send("Page.reload", {"ignoreCache": True}, seconds=_NAVIGATION_SECONDS)
                await self._until_loaded(_NAVIGATION_SECONDS)
            else:
                answer = await self._tab.send("Page.navigate", {"url": self._url}, seconds=_NAVIGATION_SECONDS)
                if answer.get("errorText"):
                    return str(answer["errorText"]).removeprefix("net::")
                self._opened = True
                await self._until_loaded(_LOAD_SECONDS)
        except CdpClosed:
            raise
        except CdpError:
            return f"no answer within {_NAVIGATION_SECONDS:g} s"
        if isinstance(self._status, str):
            return self._status
        failed = self._status is not None and (self._status == 404 or self._status >= 500)
        return f"status {self._status}" if failed else None

    @property
    def refusal(self) -> int | None:
        """Return the error status of the current page, such as 401, or None."""
        return self._status if isinstance(self._status, int) and self._status >= 400 else None

    async def ready(self, within: float) -> bool:
        """Return True when the page has called notifyReady since its load, or False after `within` real seconds."""
        try:
            async with asyncio.timeout(within):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    async def _until_loaded(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._loaded.wait()
                # This keeps the previous content out of the first frame. It fails on a page that navigates by itself.
                with suppress(CdpError):
                    await self._tab.evaluate(_PAINTED)
        except TimeoutError:
            return

    def _refuse_log_in(self, event: dict[str, Any]) -> None:
        """Cancel the log-in, so that the server's answer is shown. Chromium has already tried credentials in the
        URL."""
        response = {"response": "CancelAuth"}
        self._answer("Fetch.continueWithAuth", requestId=event["requestId"], authChallengeResponse=response)

    def _answer(self, method: str, **parameters: Any) -> None:
        """Answer a request of the browser in the background, because the page is blocked until it is answered."""
        task = asyncio.create_task(self._send_quietly(method, parameters))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _send_quietly(self, method: str, parameters: dict[str, Any]) -> None:
        with suppress(CdpError):
            await self._tab.send(method, parameters)

    def _answered(self, event: dict[str, Any]) -> None:
        # The first document is the page itself. Later documents are its frames.
        if event["type"] == "Document" and self._status is None:
            self._status = event["response"]["status"]

    def _failed(self, event: dict[str, Any]) -> None:
        if event["type"] == "Document" and self._status is None:
            self._status = event["errorText"].removeprefix("net::")

    def _called(self, event: dict[str, Any]) -> None:
        if event["name"] != _REPORT:
            return
        said = orjson.loads(event["payload"])
        match said["kind"]:
            case "ready":
                self._ready.set()
            case "webgl":
                self._limit("WebGL")
            case "video" if _too_big(*said["detail"]):
                self._limit("resolution")

    def _limit(self, limit: Limit) -> None:
        """Report a limit, each limit once."""
        if self._limits.apply and limit not in self._told:
            self._told.add(limit)
            self._heard.limited(limit)


def _too_big(width: int, height: int) -> bool:
    """Return True above 1920 x 1080 in either orientation (agora-reference §11)."""
    return max(width, height) > 1920 or min(width, height) > 1080
