"""The recorded page in its tab: opened, reloaded, and watched for what is forbidden (agora-reference §3.6, §8.5, §8.6).

For: saying what became of the page. It must not record it, nor decide what follows.
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
_NO_ANSWER = -1
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
_PROBE = Path(__file__).with_name("probe.js")
_NAVIGATION_SECONDS = 30.0
# A page that never finishes loading is recorded all the same.
_LOAD_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What is done with news of a page. All are called from the event loop."""

    limited: Callable[[Limit], None]
    crashed: Callable[[], None]


class WatchedPage:
    """One page in one tab; the URL is a secret."""

    def __init__(self, tab: Tab, url: str, limits: Limits, heard: Heard) -> None:
        self._tab, self._url, self._limits, self._heard = tab, url, limits, heard
        self._opened = False
        self._status: int | None = None
        self._loaded, self._ready = asyncio.Event(), asyncio.Event()
        self._told: set[Limit] = set()
        self._answering: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Watch the tab from now on. Raises CdpError."""
        tab = self._tab
        probe = (await asyncio.to_thread(_PROBE.read_text)).replace("REPORT", _REPORT)
        tab.on("Runtime.bindingCalled", self._called)
        tab.on("Page.javascriptDialogOpening", lambda _: self._accept_dialog())
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

    async def load(self) -> bool:
        """Open the page, or load it anew; False when it cannot be reached or answers 404 or 5xx.

        Raises CdpClosed when the browser is gone.
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
                    return False
                self._opened = True
                await self._until_loaded(_LOAD_SECONDS)
        except CdpClosed:
            raise
        except CdpError:
            return False
        return self._status not in (_NO_ANSWER, 404) and (self._status or 200) < 500

    async def ready(self, within: float) -> bool:
        """True as soon as the page has called notifyReady since it was loaded; False after so many seconds."""
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
                # What was shown before must not be seen in the first frame. A page that moves on by itself fails this.
                with suppress(CdpError):
                    await self._tab.evaluate(_PAINTED)
        except TimeoutError:
            return

    def _accept_dialog(self) -> None:
        """Nobody is there to answer, and until then the page stands still."""
        self._answering = asyncio.create_task(self._send_quietly("Page.handleJavaScriptDialog", {"accept": True}))

    async def _send_quietly(self, method: str, parameters: dict[str, Any]) -> None:
        with suppress(CdpError):
            await self._tab.send(method, parameters)

    def _answered(self, event: dict[str, Any]) -> None:
        # The first document is the page's own, those of its frames come later.
        if event["type"] == "Document" and self._status is None:
            self._status = event["response"]["status"]

    def _failed(self, event: dict[str, Any]) -> None:
        if event["type"] == "Document" and self._status is None:
            self._status = _NO_ANSWER

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
        """Once for each: the recording ends at the first."""
        if self._limits.apply and limit not in self._told:
            self._told.add(limit)
            self._heard.limited(limit)


def _too_big(width: int, height: int) -> bool:
    """Above 1920 x 1080, either way round (agora-reference §11)."""
    return max(width, height) > 1920 or min(width, height) > 1080
