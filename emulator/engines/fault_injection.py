"""Views and pushes with injected faults, around any engine (docs/emulator.md, Faults).

Applies faults of pages, recorders and pushes to synthetic and real pages alike. It does not open pages, and leaves
Agora's reports to `emulator.recorders.task_lifecycle`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from emulator.engines.interface import (
    Broken,
    EndCode,
    Ended,
    Engine,
    Happening,
    Limited,
    Push,
    PushStatus,
    Reloaded,
    Run,
    View,
    Wanted,
)
from emulator.faults.model import Fault, Kind
from emulator.faults.registry import FaultBook
from emulator.media.test_pattern import Scene
from emulator.process.background import to_its_end

Tell = Callable[[PushStatus], None]
_BRIGHTNESS = {"white": 235, "black": 16, "grey": 128}
_PLANNED: tuple[Kind, ...] = ("page_dies", "capability_limit", "reload", "failover")


class FaultyEngine:
    """An engine that wraps another engine's views with faults."""

    def __init__(self, engine: Engine, faults: FaultBook) -> None:
        self._engine, self._faults = engine, faults

    @property
    def room(self) -> float:
        """Return the room of the wrapped engine."""
        return self._engine.room

    async def open(self, wanted: Wanted) -> View:
        """Return a view. Faults determine at this time what its page shows."""
        blank = self._faults.use("page_blank", wanted.subject)
        silent = self._faults.use("page_silent", wanted.subject)
        scene = Scene(None if blank is None else _BRIGHTNESS[blank.colour], silent is not None)
        return _FaultyView(await self._engine.open(replace(wanted, scene=scene)), self._faults, wanted, scene)

    async def close(self) -> None:
        """Close the wrapped engine."""
        await self._engine.close()


class _FaultyView:
    def __init__(self, view: View, faults: FaultBook, wanted: Wanted, scene: Scene) -> None:
        self._view, self._faults, self._wanted, self._scene = view, faults, wanted, scene
        self._loads = 0
        self._reloading: asyncio.Task[None] | None = None
        self._lost: Ended | None = None

    async def load(self) -> int | None:
        self._loads += 1
        if self._faults.use("engine_fails", self._wanted.subject) is not None:
            return EndCode.ENGINE_FAILED
        if self._faults.use("page_unreachable", self._wanted.subject) is not None:
            return EndCode.UNREACHABLE
        return await self._view.load()

    async def ready(self, within: float) -> bool:
        fault = self._faults.use("page_not_ready", self._wanted.subject)
        if fault is None or self._loads > fault.loads:
            return await self._view.ready(within)
        await asyncio.sleep(within)
        return False

    def due(self, began: float) -> float:
        planned = self._next(began)
        return min(self._view.due(began), math.inf if planned is None else planned[0])

    def happened(self, began: float, now: float) -> Happening | None:
        if self._lost is not None:
            lost, self._lost = self._lost, None
            return lost
        planned = self._next(began)
        if planned is None or planned[0] > min(now, self._view.due(began)):
            return self._view.happened(began, now)
        self._faults.struck(planned[1], self._wanted.subject)
        if planned[1].kind == "reload" and (self._reloading is None or self._reloading.done()):
            self._reloading = asyncio.create_task(self._load_anew(), name="reload")
        return _happening(planned[1])

    def run(self, began: float, first: int) -> Run:
        return self._view.run(began, first)

    def push(self, url: str, tell: Tell) -> Push:
        subject = self._wanted.subject
        if self._faults.use("push_fails", subject) is not None:
            return _RefusedPush(tell)
        breaks = self._faults.use("push_breaks", subject)
        if breaks is not None:
            return _BreakingPush(lambda told: self._view.push(url, told), breaks.seconds or 0.0, tell)
        return self._view.push(url, tell)

    def describe(self) -> dict[str, Any]:
        shown = {"brightness": self._scene.brightness, "silent": self._scene.silent}
        return {**self._view.describe(), **shown}

    async def close(self) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.wait([self._reloading])
        await self._view.close()

    def _next(self, began: float) -> tuple[float, Fault] | None:
        """Return the next fault and its time, or None."""
        due = [self._faults.instant(kind, self._wanted.subject, began) for kind in _PLANNED]
        return min((one for one in due if one is not None), key=lambda one: one[0], default=None)

    async def _load_anew(self) -> None:
        if await self._view.load() == EndCode.UNREACHABLE:
            self._lost = Ended(EndCode.UNREACHABLE)
            self._wanted.wake()


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


class _RefusedPush:
    """A push that never reaches its target."""

    def __init__(self, tell: Tell) -> None:
        tell("connecting")
        tell("disconnected")

    def hold(self, held: bool) -> None:
        """Do nothing, because no stream exists."""

    async def close(self) -> None:
        """Do nothing, because no stream exists."""


class _BreakingPush:
    """A push that loses its target `seconds` after it first published."""

    def __init__(self, begin: Callable[[Tell], Push], seconds: float, tell: Tell) -> None:
        self._tell = tell
        self._published, self._broken = asyncio.Event(), False
        self._push = begin(self._told)
        self._breaking = asyncio.create_task(self._break(seconds), name="breaking-push")

    def hold(self, held: bool) -> None:
        if not self._broken:
            self._push.hold(held)

    async def close(self) -> None:
        self._breaking.cancel()
        await asyncio.wait([self._breaking])
        if not self._broken:
            await self._push.close()

    def _told(self, status: PushStatus) -> None:
        if self._broken:
            return
        self._tell(status)
        if status == "publishing":
            self._published.set()

    async def _break(self, seconds: float) -> None:
        await self._published.wait()
        await asyncio.sleep(seconds)
        self._broken = True
        self._tell("disconnected")
        await to_its_end(self._push.close())
