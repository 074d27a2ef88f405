"""The display (Xvfb) and the audio server (PulseAudio) of one task's browser.

Starts both, and reports which packages are missing. It does not record.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from emulator.browser.chromium import BrowserError, Look
from emulator.process.children import child, environment

T = TypeVar("T")

SINK = "pagereel"
RATE = 48_000
_START_SECONDS = 10.0
# Debian package of each program.
PROGRAMS = {"chromium": "chromium", "Xvfb": "xvfb", "pulseaudio": "pulseaudio", "parec": "pulseaudio-utils"}


def missing_packages(chromium: str = "chromium") -> list[str]:
    """Return the Debian packages that are missing for recording pages with picture and audio."""
    needed = {**PROGRAMS, chromium: "chromium"}
    return sorted({package for program, package in needed.items() if shutil.which(program) is None})


@dataclass(frozen=True, slots=True)
class Desktop:
    """A display and an audio server. `display` is None without Xvfb. `sound` is the audio server's socket or None."""

    display: str | None
    sound: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables that select this display and audio server."""
        found = {} if self.display is None else {"DISPLAY": self.display}
        if self.sound is not None:
            found |= {"PULSE_SERVER": f"unix:{self.sound}", "PULSE_SINK": SINK}
        return found


@asynccontextmanager
async def open_desktop(home: Path, look: Look) -> AsyncIterator[Desktop]:
    """Start a display of the requested size and an audio server with one sink, if their programs are installed.

    Raise BrowserError if an installed program does not start.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="desktop-", dir=home, ignore_cleanup_errors=True)))
        env = environment(home, folder)
        display = sound = None
        if shutil.which("Xvfb") is not None:
            display = await stack.enter_async_context(_display(env, look))
        if shutil.which("pulseaudio") is not None and shutil.which("parec") is not None:
            sound = await stack.enter_async_context(_sound_server(env, folder))
        yield Desktop(display, sound)


@asynccontextmanager
async def _display(env: dict[str, str], look: Look) -> AsyncIterator[str]:
    reader, writer = os.pipe()
    try:
        # The display has one extra row, because Chromium shrinks a window that would fill its display by a pixel in
        # each direction.
        screen = f"{look.width}x{look.height + 1}x24"
        command = ("Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "-nolisten", "tcp", "-noreset")
        async with child(*command, env=env, pass_fds=(writer,)):
            os.close(writer)
            writer = -1
            number = await _within(asyncio.to_thread(os.read, reader, 16), "Xvfb")
            if not number.strip():
                raise BrowserError("Xvfb ended at its start")
            yield f":{number.decode().strip()}"
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


@asynccontextmanager
async def _sound_server(env: dict[str, str], folder: Path) -> AsyncIterator[Path]:
    socket = folder / "pulse.sock"
    command = (
        *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"),
        *("--realtime=no", "--high-priority=no", "--log-target=null"),
        *("-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"),
        *("-L", f"module-null-sink sink_name={SINK} rate={RATE} channels=2"),
    )
    async with child(*command, env=env) as process:
        await _within(_appear(socket, process), "pulseaudio")
        yield socket


async def _appear(socket: Path, process: Process) -> None:
    # The socket appears shortly before the sink; a client's first request waits for the sink.
    while not socket.exists():  # noqa: ASYNC240 - a stat of a file in /tmp
        if process.returncode is not None:
            raise BrowserError("pulseaudio ended at its start")
        await asyncio.sleep(0.01)


async def _within(waiting: Awaitable[T], program: str) -> T:
    try:
        async with asyncio.timeout(_START_SECONDS):
            return await waiting
    except TimeoutError as error:
        raise BrowserError(f"{program} did not start within {_START_SECONDS:g} s") from error
