"""A page open in a real browser, with its environment, media and events.

Combines display, audio server, browser, calibration and page for one recorder. Tasks, slices and notices are handled by
`emulator.recorders.task_lifecycle`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from emulator.browser import calibration
from emulator.browser.cdp import CdpClosed, CdpError
from emulator.browser.chromium import BrowserError, Chromium, Look, Tab, launch
from emulator.browser.desktop import Desktop, open_desktop
from emulator.browser.page import Heard, Limit, WatchedPage
from emulator.browser.pictures import BlankPictures, DisplayPictures, Pictures
from emulator.browser.run import PageRun
from emulator.browser.screencast import Screencast
from emulator.browser.settings import Browser
from emulator.browser.sound import Ear, Listener, open_ear
from emulator.engines.interface import Broken, Ended, Happening, Limited, Push, PushStatus, Reloaded, Run, Wanted
from emulator.engines.rtmp_push import RtmpPush
from emulator.media.encoder import Packet
from emulator.process.clock import Clock

logger = logging.getLogger(__name__)

ENGINE_FAILED, UNREACHABLE, RECORDER_ERROR = 3, 5, 6
_SILENCE_CHECK_SECONDS = 1.0
_CALIBRATION = Path(__file__).with_name("calibration.html").as_uri()


class PageView:
    """One page in its own browser."""

    def __init__(self, wanted: Wanted, settings: Browser, clock: Clock, home: Path) -> None:
        self._wanted, self._settings, self._clock, self._home = wanted, settings, clock, home
        self._look = Look(wanted.form.width, wanted.form.height, wanted.page.mobile)
        self._stack = AsyncExitStack()
        self._watchers: set[asyncio.Task[None]] = set()
        self._news: deque[tuple[float, Happening]] = deque()
        self._page: WatchedPage | None = None
        self._pictures: Pictures | None = None
        self._ear: Ear | None = None
        self._last_words: dict[str, Any] = {}
        self._skew: float | None = None
        self._runs: list[PageRun] = []
        self._push: RtmpPush | None = None
        self._notes: list[str] = []

    async def load(self) -> int | None:
        """Start the browser unless it is running, and load the page. Return the code of event 71 on failure, or
        None."""
        try:
            if self._page is None:
                self._page = await self._start()
            return await self._load(self._page)
        except (BrowserError, CdpError, OSError) as error:
            logger.warning("the browser failed: %s", error)
            self._notes.append(str(error))
            return ENGINE_FAILED

    async def _load(self, page: WatchedPage) -> int | None:
        """Load the page. Log and note the reason of a failure, because Agora does not report it. Error statuses other
        than 404 and 5xx are recorded (agora-reference §3.6 names only those)."""
        problem = await page.load()
        if problem is None:
            if page.refusal is not None:
                note = f"the page answers status {page.refusal}, and what it shows with that is recorded"
                logger.warning(note)
                self._notes.append(note)
            return None
        logger.warning("the page could not be opened: %s", problem)
        self._notes.append(f"the page could not be opened: {problem}")
        return UNREACHABLE

    async def ready(self, within: float) -> bool:
        """Return True when the page has called notifyReady since its load, or False after `within` real seconds."""
        assert self._page is not None
        return await self._page.ready(within)

    def due(self, began: float) -> float:
        """Return the time of the oldest unreported event, or infinity."""
        return self._news[0][0] if self._news else math.inf

    def happened(self, began: float, now: float) -> Happening | None:
        """Return the oldest unreported event, or None."""
        return self._news.popleft()[1] if self._news else None

    def run(self, began: float, first: int) -> Run:
        """Start a run of media from frame `first`."""
        assert self._pictures is not None
        assert self._ear is not None
        skew = self._skew or 0.0
        run = PageRun(self._wanted.form, self._pictures, began=began, first=first, skew=skew, tap=self._tap)
        self._runs.append(run)
        self._ear.listener = _mute(run.hear) if self._wanted.scene.silent else run.hear
        return run

    def push(self, url: str, tell: Callable[[PushStatus], None]) -> Push:
        """Stream the packets of all runs, starting now."""
        self._push = RtmpPush(url, self._wanted.form, self._home, tell)
        return self._push

    def describe(self) -> dict[str, Any]:
        """Return the state of the recording for the list of tasks."""
        return self._last_words or {
            "engine": "browser",
            "frames": sum(run.frames for run in self._runs),
            "late_frames": sum(run.late for run in self._runs),
            "sound": self._ear is not None and not self._ear.deaf,
            "skew_ms": None if self._skew is None else round(self._skew * 1000, 1),
            "notes": list(self._notes),
        }

    async def close(self) -> None:
        """Close the page and free everything."""
        # Ended tasks are kept for a long time. Keep their description, but not their encoders and pictures.
        self._last_words = self.describe()
        self._runs.clear()
        self._page = self._pictures = self._ear = self._push = None
        for task in self._watchers:
            task.cancel()
        if self._watchers:
            await asyncio.wait(self._watchers)
        await self._stack.aclose()

    async def _start(self) -> WatchedPage:
        """Start the display, audio server and browser, and prepare an empty tab in front."""
        enter = self._stack.enter_async_context
        desktop = await enter(open_desktop(self._home, self._look))
        self._ear = await enter(open_ear(self._home, desktop, self._clock, self._wanted.form.channels))
        program = self._settings.program
        chromium = await enter(launch(self._home, self._look, program=program, display=desktop.variables))
        self._watch(self._mourn(chromium))
        await self._calibrate(desktop, chromium)
        tab = await chromium.open_tab()
        pictures, brightness = await self._look_at(desktop, tab), self._wanted.scene.brightness
        size = self._look.width, self._look.height
        self._pictures = pictures if brightness is None else BlankPictures(pictures, *size, brightness)
        page = WatchedPage(tab, self._wanted.page.url, self._settings.limits, Heard(self._limited, self._crashed))
        await page.prepare()
        if self._settings.silence_seconds > 0:
            self._watch(self._miss_sound(page))
        return page

    async def _look_at(self, desktop: Desktop, tab: Tab) -> Pictures:
        if desktop.sound is None:
            self._notes.append("no sound: PulseAudio is missing")
        if desktop.display is not None:
            return DisplayPictures(self._clock, desktop.display, self._look.width, self._look.height)
        self._notes.append("picture by screencast: Xvfb is missing")
        return await self._stack.enter_async_context(Screencast(tab, self._clock, self._look).running())

    async def _calibrate(self, desktop: Desktop, chromium: Chromium) -> None:
        """Measure the delay of audio relative to pictures on this display and audio server."""
        assert self._ear is not None
        if desktop.display is None or desktop.sound is None:
            return
        side = calibration.PATCH
        left, top = (self._look.width - side) // 2, (self._look.height - side) // 2
        patch = DisplayPictures(self._clock, desktop.display, side, side, left, top)
        tab = await chromium.open_tab()
        await tab.send("Page.navigate", {"url": _CALIBRATION})
        self._skew = await asyncio.to_thread(calibration.measure, patch, self._ear, self._clock)
        if self._skew is None:
            self._notes.append("sound and picture could not be calibrated")
        await tab.close()

    def _tap(self, packets: list[Packet]) -> None:
        push = self._push
        if push is not None:
            push.feed(packets)

    async def _mourn(self, chromium: Chromium) -> None:
        await chromium.process.wait()
        self._crashed()

    async def _miss_sound(self, page: WatchedPage) -> None:
        """Reload the page once each time it loses its audio (event 73, agora-reference §8.5)."""
        assert self._ear is not None
        while True:
            await asyncio.sleep(_SILENCE_CHECK_SECONDS)
            heard = self._ear.loud_at
            if heard is None or self._clock.now() - heard < self._settings.silence_seconds:
                continue
            self._ear.loud_at = None
            self._tell(Reloaded())
            with suppress(CdpClosed):
                if await self._load(page) is not None:
                    self._tell(Ended(UNREACHABLE))

    def _crashed(self) -> None:
        if self._settings.crash == "failover":
            self._tell(Broken(self._settings.failover_seconds))
        else:
            self._tell(Ended(RECORDER_ERROR))

    def _limited(self, limit: Limit) -> None:
        self._tell(Limited(limit))

    def _tell(self, happening: Happening) -> None:
        self._news.append((self._clock.now(), happening))
        self._wanted.wake()

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._watchers.add(task)


def _mute(listener: Listener) -> Listener:
    """Return a listener that replaces audio with silence."""
    return lambda instant, block: listener(instant, np.zeros_like(block))
