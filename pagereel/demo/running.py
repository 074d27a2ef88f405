"""The processes of a sandbox. Each prints a line when it is ready. It is an error if one ends before the sandbox."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

START_SECONDS: Final = 60
_END_SECONDS: Final = 30
# A call may fail shortly before the end of the called process is detected.
_NOTICE_SECONDS: Final = 1
_LAST_LINES: Final = 20
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_LAST_BYTES: Final = 4000


class DemoError(Exception):
    """A part of the demo failed. The text states the reason."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is ready. `said` is the captured part of its line, and `log` is the file of its stderr."""

    name: str
    said: str
    process: asyncio.subprocess.Process
    log: Path

    async def ended(self) -> DemoError:
        """Wait for the end of the process, and return it as an error."""
        status = await self.process.wait()
        how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        return DemoError(f"the {self.name} process ended {how}; the end of its log:\n{_end_of(self.log)}")


async def while_all_run(processes: Sequence[Running], work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. If one of the processes ends, cancel `work` and raise `DemoError`."""
    ends = [asyncio.create_task(one.ended()) for one in processes]
    working = asyncio.create_task(work)
    try:
        await asyncio.wait((working, *ends), return_when=asyncio.FIRST_COMPLETED)
        if working.done() and not working.cancelled() and working.exception() is not None:
            await asyncio.wait(ends, timeout=_NOTICE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            if end.done():
                raise end.result()
        return await working
    finally:
        for task in (working, *ends):
            task.cancel()
        await asyncio.gather(working, *ends, return_exceptions=True)


def _end_with_parent() -> None:
    """Make the system end this process with its parent, because no other process would end it."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@asynccontextmanager
async def running(root: Path, name: str, command: Sequence[str], ready: str) -> AsyncIterator[Running]:
    """Run a process in its own group and yield it when it is ready. `ready` is a pattern whose group becomes `said`."""
    path = root / f"{name}.log"
    log = path.open("wb")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PAGEREEL_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
        env=environment,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    drain: asyncio.Task[None] | None = None
    try:
        assert process.stdout is not None
        said = await _said(process.stdout, name, ready, path)
        drain = asyncio.create_task(_drain(process.stdout))
        yield Running(name, said, process, path)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        if drain is not None:
            await drain
        log.close()


async def _said(stream: asyncio.StreamReader, name: str, ready: str, log: Path) -> str:
    """Return the group that `ready` captures from the first matching line. Raise `DemoError` if no line matches."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while line := (await stream.readline()).decode(errors="replace"):
                if found := re.search(ready, line):
                    return found.group(1)
    except TimeoutError:
        raise DemoError(f"the {name} process did not start within {START_SECONDS} s:\n{_end_of(log)}") from None
    raise DemoError(f"the {name} process ended at its start:\n{_end_of(log)}")


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


def _end_of(log: Path) -> str:
    lines = log.read_bytes()[-_LAST_BYTES:].decode(errors="replace").splitlines()
    return "\n".join(lines[-_LAST_LINES:]) or "(it is empty)"
