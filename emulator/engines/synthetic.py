"""The synthetic page, a view that opens nothing and has no events of its own.

It serves hundreds of recordings at once and does not wait in real time. `emulator.engines.synthetic_source` provides
its media, and `emulator.engines.fault_injection` its faults.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Literal

from emulator.engines.interface import Happening, Push, PushStatus, Run, View, Wanted
from emulator.engines.synthetic_source import LiveRuns, LoopRuns, Runs
from emulator.process.clock import Clock


class SyntheticEngine:
    """An engine whose pages are drawn and not opened."""

    room = math.inf

    def __init__(self, kind: Literal["live", "loop"], clock: Clock, executor: Executor) -> None:
        self._kind = kind
        self._runs: Runs = LiveRuns(clock) if kind == "live" else LoopRuns(executor)

    async def open(self, wanted: Wanted) -> View:
        """Return a view after the slow preparations for its form."""
        await self._runs.prepare(wanted.form, wanted.scene)
        return _SyntheticView(self._runs, wanted, self._kind)

    async def close(self) -> None:
        """Free the resources that all runs share."""
        await self._runs.close()


class _SyntheticView:
    def __init__(self, runs: Runs, wanted: Wanted, kind: str) -> None:
        self._runs, self._wanted, self._kind = runs, wanted, kind

    async def load(self) -> int | None:
        return None

    async def ready(self, within: float) -> bool:
        return True

    def due(self, began: float) -> float:
        return math.inf

    def happened(self, began: float, now: float) -> Happening | None:
        return None

    def run(self, began: float, first: int) -> Run:
        return self._runs.run(self._wanted.form, self._wanted.scene, began, first)

    def push(self, url: str, tell: Callable[[PushStatus], None]) -> Push:
        return _ToldPush(tell)

    def describe(self) -> dict[str, Any]:
        return {"engine": self._kind}

    async def close(self) -> None:
        """Do nothing, because the view owns no resources."""


class _ToldPush:
    """A push that sends nothing but reports the states of a successful one."""

    def __init__(self, tell: Callable[[PushStatus], None]) -> None:
        self._tell = tell
        tell("connecting")
        tell("publishing")

    def hold(self, held: bool) -> None:
        self._tell("onhold" if held else "publishing")

    async def close(self) -> None:
        """Do nothing, because no stream was opened."""
