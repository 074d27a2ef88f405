"""A Chromium process and its tabs.

Launches the browser with the requested size and sends commands to its tabs. It does not evaluate pages.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emulator.browser.cdp import Cdp, CdpError, Handler
from emulator.process.children import child, environment

_START_SECONDS = 20.0
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Chromium's location
_SHARED_MEMORY_BYTES = 256 * 1024 * 1024
# Chromium's minimum window width in pixels, regardless of the requested size.
_NARROWEST_WINDOW = 500
_MOBILE_AGENT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{version} Mobile Safari/537.36"
)
_FLAGS = (
    *("--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--no-pings"),
    *("--disable-extensions", "--disable-breakpad", "--disable-crash-reporter", "--metrics-recording-only"),
    *("--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows"),
    *("--disable-renderer-backgrounding", "--disable-hang-monitor", "--disable-domain-reliability"),
    # WebGL has to work, so that pages that draw with it can be distinguished from pages that only request it.
    "--enable-unsafe-swiftshader",
    # With this flag, frames of other sites belong to the page's own target and get the injected scripts.
    *("--disable-site-isolation-trials", "--disable-features=IsolateOrigins,site-per-process,Translate,MediaRouter"),
    *("--autoplay-policy=no-user-gesture-required", "--hide-scrollbars", "--password-store=basic", "--test-type"),
    *("--window-position=0,0", "--remote-debugging-port=0"),
    # A permission prompt would cover the page.
    "--deny-permission-prompts",
)


class BrowserError(Exception):
    """The browser, or a program that it needs, did not start."""


@dataclass(frozen=True, slots=True)
class Look:
    """The size of the picture in pixels, and whether pages detect a phone."""

    width: int
    height: int
    mobile: bool = False


def find_chromium(program: str = "chromium") -> str | None:
    """Return the path of the browser's program, or None."""
    return shutil.which(program)


class Tab:
    """One page of a browser. Its commands raise CdpError. They raise CdpClosed if the page no longer exists."""

    def __init__(self, cdp: Cdp, target: str, session: str) -> None:
        self._cdp, self._target, self._session = cdp, target, session

    async def send(
        self, method: str, parameters: dict[str, Any] | None = None, *, seconds: float = 10.0
    ) -> dict[str, Any]:
        """Send a command to the tab and return its result."""
        return await self._cdp.send(method, parameters, session=self._session, seconds=seconds)

    def on(self, method: str, handler: Handler) -> None:
        """Call `handler` with each event `method` of this tab."""
        self._cdp.on(method, handler, self._session)

    async def evaluate(self, expression: str, *, seconds: float = 10.0) -> Any:
        """Return the value of a JavaScript expression, with promises awaited. Raise CdpError if it throws.

        The expression does not count as a user gesture, because a gesture would let the page open windows and go full
        screen.
        """
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = await self.send("Runtime.evaluate", asked, seconds=seconds)
        if "exceptionDetails" in answer:
            raise CdpError(str(answer["exceptionDetails"].get("text", "the expression failed")))
        return answer["result"].get("value")

    async def close(self) -> None:
        """Close the page."""
        await self._cdp.send("Target.closeTarget", {"targetId": self._target})
        self._cdp.forget(self._session)


class Chromium:
    """A running browser. `process` is its main process, `cdp` the connection to it."""

    def __init__(self, process: Process, cdp: Cdp, look: Look, version: str) -> None:
        self.process, self.cdp, self.version = process, cdp, version
        self._look = look

    async def open_tab(self) -> Tab:
        """Open an empty page of the requested size in front of all others."""
        target = (await self.cdp.send("Target.createTarget", {"url": "about:blank"}))["targetId"]
        attached = await self.cdp.send("Target.attachToTarget", {"targetId": target, "flatten": True})
        tab = Tab(self.cdp, target, attached["sessionId"])
        await tab.send("Page.enable")
        await self._size(tab)
        return tab

    async def use_up_question(self) -> None:
        """Make Chromium ask whether to open another program, in a tab that is closed at once. Without a click Chromium
        asks only once, regardless of which page, frame or plug-in requests it later. Raise CdpError on failure."""
        tab = await self.open_tab()
        await tab.send("Page.navigate", {"url": "pagereel-no-such-program:"})
        await tab.close()

    async def _size(self, tab: Tab) -> None:
        look = self._look
        if look.mobile or look.width < _NARROWEST_WINDOW:
            size = {"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.mobile}
            await tab.send("Emulation.setDeviceMetricsOverride", size)
        if look.mobile:
            agent = _MOBILE_AGENT.format(version=self.version)
            await tab.send("Emulation.setUserAgentOverride", {"userAgent": agent, "platform": "Android"})
            await tab.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})


@asynccontextmanager
async def launch(
    home: Path, look: Look, *, program: str = "chromium", display: Mapping[str, str] | None = None
) -> AsyncIterator[Chromium]:
    """Launch a browser with its own profile. `display` contains a desktop's variables. Without DISPLAY the browser is
    headless.

    Raise BrowserError if it does not start. Processes and files are removed on exit.
    """
    path = find_chromium(program)
    if path is None:
        raise BrowserError(f"{program} is missing: install the Debian package chromium")
    with TemporaryDirectory(prefix="chromium-", dir=home, ignore_cleanup_errors=True) as folder:
        await asyncio.to_thread(_write_preferences, Path(folder) / "profile")
        env = environment(home, Path(folder), **(display or {}))
        command = [path, *_FLAGS, *_own_flags(look, Path(folder), headless="DISPLAY" not in env), "about:blank"]
        # The profile is deleted, so a clean exit is not needed.
        async with child(*command, env=env, stderr=PIPE, patience=0) as process:
            assert process.stderr is not None
            url = await _address(process.stderr)
            drain = asyncio.create_task(_drain(process.stderr), name="chromium-stderr")
            try:
                cdp = await _connected(url)
                try:
                    product = (await cdp.send("Browser.getVersion"))["product"]
                    await cdp.send("Browser.setDownloadBehavior", {"behavior": "deny"})
                    browser = Chromium(process, cdp, look, product.rpartition("/")[2])
                    if "DISPLAY" in env:
                        await browser.use_up_question()
                    yield browser
                finally:
                    await cdp.close()
            finally:
                drain.cancel()
                await asyncio.gather(drain, return_exceptions=True)


def _write_preferences(profile: Path) -> None:
    """Write settings that have no flag. Printing is disabled because the print dialog would cover the page."""
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text('{"printing": {"enabled": false}}')


def _own_flags(look: Look, folder: Path, *, headless: bool) -> list[str]:
    flags = [f"--user-data-dir={folder / 'profile'}", f"--window-size={look.width},{look.height}"]
    flags.append("--headless=new" if headless else "--kiosk")
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to run as root.
        flags.append("--no-sandbox")
    shared = os.statvfs(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
    if shared is None or shared.f_bavail * shared.f_frsize < _SHARED_MEMORY_BYTES:
        flags.append("--disable-dev-shm-usage")
    return flags


async def _connected(url: str) -> Cdp:
    try:
        return await Cdp.connect(url)
    except CdpError as error:
        raise BrowserError(str(error)) from error


async def _address(stderr: asyncio.StreamReader) -> str:
    """Return the WebSocket address that the browser prints when it listens."""
    try:
        async with asyncio.timeout(_START_SECONDS):
            while line := await stderr.readline():
                if found := re.search(rb"DevTools listening on (ws://\S+)", line):
                    return found[1].decode()
    except TimeoutError as error:
        raise BrowserError(f"chromium did not start within {_START_SECONDS:g} s") from error
    raise BrowserError("chromium ended at its start")


async def _drain(stderr: asyncio.StreamReader) -> None:
    while await stderr.read(65536):
        pass
