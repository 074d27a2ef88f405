"""The synthetic page: a view that never opens anything. What happens to it is planned by faults.

For: recordings by the hundred, and failures on demand. It must not wait in real time for anything but what a fault
says; its media comes from `emulator.runs`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Literal

from emulator.clock import Clock
from emulator.fault_book import FaultBook
from emulator.faults import Fault, Kind
from emulator.picture import Scene
from emulator.runs import LiveRuns, LoopRuns, Runs
from emulator.view import Broken, EndCode, Ended, Happening, Limited, Push, PushStatus, Reloaded, Run, View, Wanted

_BRIGHTNESS = {"white": 235, "black": 16, "grey": 128}
_PLANNED: tuple[Kind, ...] = ("page_dies", "capability_limit", "reload", "failover")


class SyntheticEngine:
    """Views whose pages are drawn, not opened."""

    room = math.inf

    def __init__(self, kind: Literal["live", "loop"], clock: Clock, faults: FaultBook, executor: Executor) -> None:
        self._kind = kind
        self._runs: Runs = LiveRuns(clock) if kind == "live" else LoopRuns(executor)
        self._faults = faults

    async def open(self, wanted: Wanted) -> View:
        """A view; what takes long for its form is done beforehand."""
        blank = self._faults.use("page_blank", wanted.subject)
        silent = self._faults.use("page_silent", wanted.subject)
        scene = Scene(None if blank is None else _BRIGHTNESS[blank.colour], silent is not None)
        await self._runs.prepare(wanted.form, scene)
        return _SyntheticView(self._runs, self._faults, wanted, self._kind, scene)

    async def close(self) -> None:
        """Free what all runs share."""
        await self._runs.close()


class _SyntheticView:
    def __init__(self, runs: Runs, faults: FaultBook, wanted: Wanted, kind: str, scene: Scene) -> None:
        self._runs, self._faults, self._wanted, self._kind, self._scene = runs, faults, wanted, kind, scene
        self._loads = 0

    async def load(self) -> int | None:
        self._loads += 1
        if self._faults.use("engine_fails", self._wanted.subject) is not None:
            return EndCode.ENGINE_FAILED
        if self._faults.use("page_unreachable", self._wanted.subject) is not None:
            return EndCode.UNREACHABLE
        return None

    async def ready(self, within: float) -> bool:
        fault = self._faults.use("page_not_ready", self._wanted.subject)
        if fault is None or self._loads > fault.loads:
            return True
        await asyncio.sleep(within)
        return False

    def due(self, began: float) -> float:
        planned = self._next(began)
        return math.inf if planned is None else planned[0]

    def happened(self, began: float, now: float) -> Happening | None:
        planned = self._next(began)
        if planned is None or now < planned[0]:
            return None
        self._faults.struck(planned[1], self._wanted.subject)
        return _happening(planned[1])

    def run(self, began: float, first: int) -> Run:
        return self._runs.run(self._wanted.form, self._scene, began, first)

    def push(self, url: str, tell: Callable[[PushStatus], None]) -> Push:
        return _ToldPush(self._faults, self._wanted, tell)

    def describe(self) -> dict[str, Any]:
        return {"engine": self._kind, "brightness": self._scene.brightness, "silent": self._scene.silent}

    async def close(self) -> None:
        """Nothing is this view's own."""

    def _next(self, began: float) -> tuple[float, Fault] | None:
        """The fault that strikes next, and when."""
        due = [self._faults.instant(kind, self._wanted.subject, began) for kind in _PLANNED]
        return min((one for one in due if one is not None), key=lambda one: one[0], default=None)


def _happening(fault: Fault) -> Happening:
    match fault.kind:
        case "reload":
            return Reloaded(fault.window)
        case "capability_limit":
            return Limited(fault.limit)
        case "failover":
            return Broken(fault.window, fault.overlap)
        case _:
            return Ended(EndCode.RECORDER_ERROR if fault.code is None else fault.code)


class _ToldPush:
    """A push that sends nothing: its states are told as if it did."""

    def __init__(self, faults: FaultBook, wanted: Wanted, tell: Callable[[PushStatus], None]) -> None:
        self._faults, self._subject, self._tell = faults, wanted.subject, tell
        self._publishing = False
        self._task = asyncio.create_task(self._live(), name="told-push")

    def hold(self, held: bool) -> None:
        if self._publishing:
            self._tell("onhold" if held else "publishing")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _live(self) -> None:
        self._tell("connecting")
        if self._faults.use("push_fails", self._subject) is None:
            self._tell("publishing")
            self._publishing = True
            breaks = self._faults.use("push_breaks", self._subject)
            if breaks is None:
                return
            await asyncio.sleep(breaks.seconds or 0.0)
            self._publishing = False
        self._tell("disconnected")
