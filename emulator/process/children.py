"""Child processes. Each leads its own process group, and the whole group ends with it.

Starts and ends programs, and does not interpret them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from emulator.process.background import to_its_end
from emulator.process.workdir import MARK, members_of

logger = logging.getLogger(__name__)

_GONE_SECONDS = 2.0
# The variables that a child inherits. They exclude the user's display, audio server and session bus.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


def environment(home: Path, folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a child that belongs to `home` and keeps its files in `folder`."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    return {**kept, **own, "DBUS_SESSION_BUS_ADDRESS": "disabled:", MARK: str(home), **more}


@asynccontextmanager
async def child(
    *command: str,
    env: Mapping[str, str],
    stdin: int = DEVNULL,
    stdout: int = DEVNULL,
    stderr: int = DEVNULL,
    pass_fds: tuple[int, ...] = (),
    patience: float = 2.0,
) -> AsyncIterator[Process]:
    """Run a program. At the end its group gets SIGTERM and, after `patience` seconds, SIGKILL. If `patience` is 0, it
    gets only SIGKILL."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:  # the process may already run, and only this code would end it
        await to_its_end(_end(await starting, command[0], 0))
        raise
    try:
        yield process
    finally:
        await to_its_end(_end(process, command[0], patience))


async def _end(process: Process, name: str, patience: float) -> None:
    if process.returncode is None and patience > 0:
        _signal(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _GONE_SECONDS
    while members_of(process.pid):
        if loop.time() > deadline:
            logger.warning("the group of %s %d does not end", name, process.pid)
            return
        await asyncio.sleep(0.01)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
