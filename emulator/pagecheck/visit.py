"""Opens a page in a browser, observes it, reloads it and records the measurements. It does not evaluate them."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from emulator.browser.cdp import CdpError
from emulator.browser.chromium import Chromium, Tab
from emulator.pagecheck.picture import measure
from emulator.pagecheck.requests import Requests
from emulator.pagecheck.seen import Bar, Layout, Loaded, Media, Overlay, Seen, Traffic

_BINDING = "__pagereel_tell"
_WATCH = (files("emulator.pagecheck") / "watch.js").read_text(encoding="utf-8")
_MOST_TEXT = 120
_BETWEEN_LOOKS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a visit: the window's size, the observed seconds, the time limits of a load and of settling
    after a reload, and the time limit for notifyReady (None if it is not required)."""

    width: int = 1280
    height: int = 720
    seconds: float = 15.0
    load_seconds: float = 30.0
    settle_seconds: float = 3.0
    ready_seconds: float | None = None
    screenshot: Path | None = None


Tell = Callable[[str], None]
"""Reports the current step to the user."""


async def visit(browser: Chromium, url: str, plan: Plan, tell: Tell = lambda _: None) -> Seen:
    """Return all measurements of the page at `url`. Raise CdpError if the browser itself fails."""
    tab = await browser.open_tab()
    try:
        return await _Visit(browser, tab, plan, tell).make(url)
    finally:
        with suppress(CdpError):
            await tab.close()


class _Visit:
    def __init__(self, browser: Chromium, tab: Tab, plan: Plan, tell: Tell) -> None:
        self._browser, self._tab, self._plan, self._tell = browser, tab, plan, tell
        self._seen = Seen(plan.seconds)
        self._loaded = self._seen.first
        self._load_event, self._ready_event = asyncio.Event(), asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()
        self._rtc: dict[int, tuple[float, float]] = {}
        self._began = time.monotonic()

    async def make(self, url: str) -> Seen:
        await self._prepare()
        self._tell("opening the page")
        await self._load(lambda: self._navigate(url))
        if self._seen.first.status is None:
            return self._seen
        if self._seen.first.status >= 400:
            await self._take_screenshot()
            return self._seen
        await self._watch()
        await self._take_screenshot()
        self._tell("loading it again")
        self._loaded = self._seen.second = Loaded()
        await self._load(lambda: self._tab.send("Page.reload", seconds=self._plan.load_seconds))
        await asyncio.sleep(self._plan.settle_seconds)
        await asyncio.gather(*self._background, return_exceptions=True)
        return self._seen

    async def _prepare(self) -> None:
        plan, tab = self._plan, self._tab
        size = {"width": plan.width, "height": plan.height, "deviceScaleFactor": 1, "mobile": False}
        await tab.send("Emulation.setDeviceMetricsOverride", size)
        frame = (await tab.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        self._requests = Requests(tab, frame, self._seen, lambda: self._loaded, lambda: time.monotonic() - self._began)
        tab.on("Page.loadEventFired", lambda _: self._load_event.set())
        tab.on("Page.javascriptDialogOpening", self._on_dialog)
        tab.on("Page.windowOpen", lambda _: self._seen.windows.append("a new window"))
        tab.on("Runtime.bindingCalled", self._on_told)
        tab.on("Runtime.exceptionThrown", self._on_exception)
        tab.on("Runtime.consoleAPICalled", self._on_console)
        for name in ("Runtime.enable", "Network.enable", "Performance.enable"):
            await tab.send(name)
        await tab.send("Runtime.addBinding", {"name": _BINDING})
        await tab.send("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})

    async def _navigate(self, url: str) -> None:
        answer = await self._tab.send("Page.navigate", {"url": url}, seconds=self._plan.load_seconds)
        self._loaded.problem = answer.get("errorText", "")

    async def _load(self, begin: Callable[[], Awaitable[Any]]) -> None:
        """Begin a load and wait until it ends or takes too long."""
        self._load_event.clear()
        self._ready_event.clear()
        try:
            async with asyncio.timeout(self._plan.load_seconds):
                await begin()
                if not self._loaded.problem:
                    await self._load_event.wait()
        except (TimeoutError, CdpError):
            self._loaded.unfinished = True
            if self._loaded.status is None:
                self._loaded.problem = f"no answer within {self._plan.load_seconds:g} s"
        if self._loaded.problem:
            self._loaded.status = None
        elif self._plan.ready_seconds is not None and (self._loaded.status or 0) < 400:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ready_event.wait(), self._plan.ready_seconds)
        self._began = time.monotonic()

    async def _watch(self) -> None:
        """Observe the page for the planned seconds and measure its use of resources."""
        began, cpu, busy = time.monotonic(), await self._cpu_seconds(), await self._busy_seconds()
        delayed = await self._delays()
        watched = self._requests.traffic = Traffic()
        await self._wait(began + self._plan.seconds)
        took = time.monotonic() - began
        self._seen.busy = min(1.0, (await self._busy_seconds() - busy) / took)
        delays = await self._delays()
        self._seen.starved = min(1.0, max((delays[pid] - delayed.get(pid, 0.0) for pid in delays), default=0.0) / took)
        self._seen.cpu = (await self._cpu_seconds() - cpu) / took
        self._seen.memory_bytes = await self._memory()
        # The second load does not count as the page's traffic.
        self._seen.traffic, self._requests.traffic = watched, Traffic()

    async def _wait(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self._tell(f"watching it, {math.ceil(left)} s left")
            await asyncio.sleep(min(1.0, left))

    async def _busy_seconds(self) -> float:
        metrics = (await self._tab.send("Performance.getMetrics", seconds=30))["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))

    async def _processes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._browser.cdp.send("SystemInfo.getProcessInfo"))["processInfo"]
        return found

    async def _cpu_seconds(self) -> float:
        return sum(float(process["cpuTime"]) for process in await self._processes())

    async def _delays(self) -> dict[int, float]:
        """Return the seconds that the main thread of each of the page's processes waited for a core, by process id."""
        pids = await self._renderers()
        return await asyncio.to_thread(lambda: {pid: _run_delay(pid) for pid in pids})

    async def _memory(self) -> int:
        """Return the bytes of the page's processes, with shared memory counted proportionally."""
        pids = await self._renderers()
        return await asyncio.to_thread(lambda: sum(map(_own_bytes, pids)))

    async def _renderers(self) -> list[int]:
        return [int(process["id"]) for process in await self._processes() if process["type"] == "renderer"]

    async def _take_screenshot(self) -> None:
        """Take a screenshot. If it is empty, take a second one, because the page may be between two pictures."""
        for wait in (0.0, _BETWEEN_LOOKS_SECONDS):
            await asyncio.sleep(wait)
            encoded = (await self._tab.send("Page.captureScreenshot", {"format": "png"}, seconds=30))["data"]
            png = base64.b64decode(encoded)
            self._seen.drawn = await asyncio.to_thread(measure, png)
            if not self._seen.drawn.empty:
                break
        if self._plan.screenshot is not None:
            await asyncio.to_thread(self._plan.screenshot.write_bytes, png)

    # --- events of the browser ---

    def _on_dialog(self, event: dict[str, Any]) -> None:
        if event["type"] != "beforeunload":
            self._loaded.dialogs.append(event["type"])
        answering = self._tab.send("Page.handleJavaScriptDialog", {"accept": True})
        task = asyncio.create_task(answering, name="emulator-dialog")
        self._background.add(task)

    def _on_exception(self, event: dict[str, Any]) -> None:
        details = event["exceptionDetails"]
        text = details.get("exception", {}).get("description") or details.get("text", "")
        self._seen.script_errors.append(text.partition("\n")[0][:_MOST_TEXT])

    def _on_console(self, event: dict[str, Any]) -> None:
        if event["type"] in ("error", "assert"):
            words = [str(word.get("value", word.get("description", ""))) for word in event["args"]]
            self._seen.script_errors.append(" ".join(words).partition("\n")[0][:_MOST_TEXT])

    def _on_told(self, event: dict[str, Any]) -> None:
        """Record a report of `watch.js` from one of the frames."""
        if event["name"] != _BINDING:
            return
        told, seen, context = json.loads(event["payload"]), self._seen, event["executionContextId"]
        match told.pop("kind"):
            case "ready" if self._loaded.ready_seconds is None:
                self._loaded.ready_seconds = told["at"]
                self._ready_event.set()
            case "webgl":
                seen.webgl.append(told["type"])
            case "opens":
                seen.opens.append(told["what"])
            case "windows":
                seen.windows.append(told["what"])
            case "publishes":
                seen.publishes.append(told["what"])
            case "layout":
                found, bar = told.pop("overlay"), told.pop("consent")
                self._loaded.layout = Layout(
                    **told, overlay=Overlay(**found) if found else None, consent=Bar(**bar) if bar else None
                )
            case "scan":
                self._loaded.login |= told["password"]
                if self._loaded is seen.first:
                    seen.scrolls_inside = max(seen.scrolls_inside, told["inside"])
                    for number, media in enumerate(told["media"]):
                        seen.media[f"{context}:{number}"] = Media(**media)
            case "rtc":
                sent, received = self._rtc.get(context, (0.0, 0.0))
                self._rtc[context] = told["sent"], told["received"]
                self._requests.count(told["received"] - received, told["sent"] - sent)


def _run_delay(pid: int) -> float:
    """Return the seconds that a process's first thread waited for a core. If the system does not provide them, return
    0."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def _own_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
