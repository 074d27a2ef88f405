"""Controls the child process that decodes: sends bytes, enforces a time limit, and receives the measurements.

The child has no secrets in its environment, cannot write files, and has bounded memory and time. A child that exceeds a
limit or fails is killed, and the next job starts a new one.
"""

import asyncio
import importlib.util
import json
import os
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

MEMORY_BYTES = 1024**3
CPU_SECONDS = 300
JOB_SECONDS = 20.0
# The additional time for decoding, as a share of the media's duration.
_JOB_SHARE = 0.5
# A child is replaced after this CPU time, long before the kernel would kill it during a job.
_RETIRE_CPU_SECONDS = 120.0
_MOST_ANSWER_BYTES = 4 * 1024 * 1024


class DecoderFailed(Exception):
    """A job returned no result, because the child exceeded its limits or died. This does not indicate a fault of the
    media."""


def can_decode() -> bool:
    """Return whether the extra `media` (PyAV) is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("av", "numpy"))


class Decoders:
    """Limits the concurrent decoders to the number of cores. Other callers wait."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or len(os.sched_getaffinity(0))
        self._turns = asyncio.Semaphore(self.most)

    @property
    def spare(self) -> bool:
        """Return whether a decoder is available without waiting."""
        return not self._turns.locked()

    @asynccontextmanager
    async def one(self) -> AsyncIterator["Decoder"]:
        """Provide a decoder with its own child, which ends with the block."""
        turn = _Turn(self._turns)
        await turn.take()
        try:
            async with Decoder(turn=turn) as decoder:
                yield decoder
        finally:
            turn.give_back()


class _Turn:
    """One of the slots of `Decoders`. Returning a slot that is not held has no effect."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._held = False

    async def take(self) -> None:
        await self._turns.acquire()
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._turns.release()


class Decoder:
    """Runs one child at a time, started by the first job. `cpu_seconds` is the CPU time of all its children."""

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        cpu_seconds: int = CPU_SECONDS,
        job_seconds: float = JOB_SECONDS,
        turn: _Turn | None = None,
    ) -> None:
        self._turn = turn
        self._limits = str(memory_bytes), str(cpu_seconds)
        self._job_seconds = job_seconds
        self._process: Process | None = None
        self._one_at_a_time = asyncio.Lock()
        self._used = 0.0
        self._earlier = 0.0

    @property
    def cpu_seconds(self) -> float:
        return self._earlier + self._used

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        self._earlier, self._used = self.cpu_seconds, 0.0
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            # The child's pipes close only when they are read to the end.
            await process.communicate()

    async def rest(self, seconds: float) -> None:
        """Sleep for `seconds` if positive. End the child first, and free its slot for other decoders meanwhile."""
        if seconds <= 0:
            return
        await self.close()
        if self._turn is not None:
            self._turn.give_back()
        await asyncio.sleep(seconds)
        if self._turn is not None:
            await self._turn.take()

    async def run(
        self, job: str, content: bytes, *, seconds: float = 0.0, keep: bool = False, **asked: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Run one job. `seconds` is the duration of its media, which extends the time limit. `keep` is true if the next
        job needs the state of this one.

        Raise `DecoderFailed` if the job returns no result. A second try may succeed.
        """
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self._job_seconds + seconds * _JOB_SHARE):
                    facts, made = await self._ask(await self._child(), {"job": job, **asked}, content)
            except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError) as error:
                await self.close()
                raise DecoderFailed(type(error).__name__) from error
            except BaseException:
                # The late result of a cancelled job must not be used as the result of the next job.
                await self.close()
                raise
            self._used = float(facts.pop("cpu_seconds", 0.0))
            failed = facts.get("failed")
            if failed is not None or (self._used > _RETIRE_CPU_SECONDS and not keep):
                await self.close()
            if failed is not None:
                raise DecoderFailed(str(failed))
            return facts, made

    async def _child(self) -> Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "service.decoder",
                *self._limits,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
                limit=1 << 20,
            )
        return self._process

    @staticmethod
    async def _ask(process: Process, asked: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None
        assert process.stdout is not None
        told = json.dumps(asked).encode()
        process.stdin.write(struct.pack(">II", len(told), len(content)) + told)
        process.stdin.write(content)
        await process.stdin.drain()
        size, length = struct.unpack(">II", await process.stdout.readexactly(8))
        if size + length > _MOST_ANSWER_BYTES:
            raise ValueError("the answer is too long")
        facts = json.loads(await process.stdout.readexactly(size))
        return facts, await process.stdout.readexactly(length)
