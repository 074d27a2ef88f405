"""Pictures of a page without a display, from Chromium's screencast.

It needs no X server, but costs more and shows less than a display. Events are JPEGs and arrive only when the page
changes.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from emulator.browser.cdp import CdpError
from emulator.browser.chromium import Look, Tab
from emulator.browser.pictures import ScreencastPictures
from emulator.process.clock import Clock

# Chromium draws 60 frames a second; recordings rarely need more than half of them.
_EVERY_NTH = 2


class Screencast:
    """The screencast of one tab."""

    def __init__(self, tab: Tab, clock: Clock, look: Look) -> None:
        self._tab, self._look = tab, look
        self._pictures = ScreencastPictures(clock, look.width, look.height)
        self._acknowledging: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ScreencastPictures]:
        """Run the screencast and yield its pictures. Raise CdpError if the browser refuses it."""
        self._tab.on("Page.screencastFrame", self._frame)
        size = {"maxWidth": self._look.width, "maxHeight": self._look.height}
        asked = {"format": "jpeg", "quality": 80, "everyNthFrame": _EVERY_NTH}
        await self._tab.send("Page.startScreencast", {**asked, **size})
        try:
            yield self._pictures
        finally:
            with suppress(CdpError):
                await self._tab.send("Page.stopScreencast")
            for task in self._acknowledging:
                task.cancel()

    def _frame(self, event: dict[str, Any]) -> None:
        self._pictures.show(b64decode(event["data"]))
        task = asyncio.create_task(self._acknowledge(event["sessionId"]))
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)

    async def _acknowledge(self, number: int) -> None:
        with suppress(CdpError):
            await self._tab.send("Page.screencastFrameAck", {"sessionId": number})
