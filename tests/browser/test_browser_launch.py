"""Chromium, its display and its sound server: started for one task, spoken to, and gone with it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_rig import Site

from emulator.browser.cdp import Cdp, CdpClosed, CdpError
from emulator.browser.chromium import BrowserError, Look, launch
from emulator.browser.desktop import open_desktop
from emulator.process.workdir import processes_of, sweep

# Starts everything, says so, and waits to be killed.
OWNER = """
import asyncio
from emulator.browser.chromium import Look, launch
from emulator.browser.desktop import open_desktop
from emulator.process.workdir import make_home

async def main():
    with make_home() as home:
        async with open_desktop(home, Look(640, 360)) as desktop:
            async with launch(home, Look(640, 360), display=desktop.variables):
                print(home, desktop.display, flush=True)
                await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("mobile", [False, True])
async def test_a_tab_has_the_asked_size_and_kind(home: Path, site: Site, mobile: bool) -> None:
    url = site.add("/size", "<meta name=viewport content='width=device-width'><body>hello")
    look = Look(390, 844, mobile) if mobile else Look(1280, 720)
    async with open_desktop(home, look) as desktop, launch(home, look, display=desktop.variables) as chromium:
        tab = await chromium.open_tab()
        await tab.send("Page.navigate", {"url": url})
        await tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert await tab.evaluate("[innerWidth, innerHeight]") == [look.width, look.height]
        assert await tab.evaluate("navigator.userAgent.includes('Mobile')") is mobile
        assert await tab.evaluate("navigator.userAgent.includes('Headless')") is False
    assert processes_of(home) == []
    assert [entry.name for entry in home.iterdir()] == ["lock"]


async def test_headless_needs_no_display(home: Path, site: Site) -> None:
    url = site.add("/", "<body>hello")
    async with launch(home, Look(800, 600)) as chromium:
        tab = await chromium.open_tab()
        loaded = asyncio.Event()
        tab.on("Page.loadEventFired", lambda _: loaded.set())
        await tab.send("Page.navigate", {"url": url})
        await asyncio.wait_for(loaded.wait(), 10)
        assert await tab.evaluate("document.body.textContent") == "hello"
    assert processes_of(home) == []


async def test_refused_commands_and_failing_scripts_are_errors(home: Path) -> None:
    async with launch(home, Look(800, 600)) as chromium:
        tab = await chromium.open_tab()
        with pytest.raises(CdpError, match="wasn't found"):
            await tab.send("Page.noSuchCommand")
        with pytest.raises(CdpError):
            await tab.evaluate("nothing.there")
        with pytest.raises(CdpError, match=r"no answer within 0\.2 s"):
            await tab.evaluate("new Promise(() => {})", seconds=0.2)


async def test_a_killed_browser_fails_what_waits_for_it(home: Path) -> None:
    async with launch(home, Look(800, 600)) as chromium:
        tab = await chromium.open_tab()
        waiting = asyncio.create_task(tab.evaluate("new Promise(() => {})"))
        await tab.evaluate("1")
        os.kill(chromium.process.pid, signal.SIGKILL)
        with pytest.raises(CdpClosed):
            await waiting
        await asyncio.wait_for(chromium.cdp.closed.wait(), 5)
        with pytest.raises(CdpClosed):
            await tab.evaluate("1")
    assert processes_of(home) == []


async def test_a_missing_browser_is_named_with_its_package(home: Path) -> None:
    with pytest.raises(BrowserError, match="Debian package chromium"):
        async with launch(home, Look(800, 600), program="no-such-chromium"):
            pass


async def test_who_gives_up_while_connecting_leaves_nothing_open() -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        connecting = asyncio.create_task(Cdp.connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        await asked.wait()
        connecting.cancel()
        await asyncio.wait([connecting])
    assert connecting.cancelled()
    del connecting
    gc.collect()  # what was not closed says so now, which is an error


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder for temporary files where no other process sweeps. Its name is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.mark.usefixtures("temporary")
def test_what_a_killed_emulator_left_behind_is_swept() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        said = owner.stdout.readline().split()
        home, socket = Path(said[0]), Path("/tmp/.X11-unix", said[1].replace(":", "X"))
        server = socket.stat().st_ino
        assert len(processes_of(home)) >= 3
        sweep()
        assert home.exists(), "a living emulator's home was swept"
        owner.kill()
    assert processes_of(home), "nothing was left behind: the test proves nothing"
    assert sweep() == 1
    assert processes_of(home) == []
    assert not home.exists()
    # Another server may have taken the number since.
    assert not socket.exists() or socket.stat().st_ino != server
