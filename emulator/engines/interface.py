"""The interface of all engines. An engine opens a page, and the open page provides media and reports events.

It does not handle tasks, names or notices (agora-reference §3.6, §8.5, §8.6). `emulator.recorders.task_lifecycle`
converts a view's events into Agora's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, Protocol

from emulator.faults.registry import Subject
from emulator.media.encoder import Encoder, Form, Packet
from emulator.media.test_pattern import Scene
from emulator.requests.extension_config import Page

PushStatus = Literal["connecting", "publishing", "onhold", "disconnected"]


class EndCode(IntEnum):
    """The codes of event 71, which state why a recording ended (agora-reference §8.5)."""

    STOPPED = 0
    HOUR_LIMIT = 1
    CAPABILITY_LIMIT = 2
    ENGINE_FAILED = 3
    NEVER_READY = 4
    UNREACHABLE = 5
    RECORDER_ERROR = 6


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The page was reloaded because its audio was lost. Nothing is recorded for `seconds`."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limited:
    """The page uses an unsupported feature, which causes event 72 and then 71 code 2."""

    limit: Literal["resolution", "WebGL", "bandwidth"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The page or its browser no longer exists, which causes event 71 with this code."""

    code: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The recorder's process died. Another process takes over after a gap of `seconds` (failover)."""

    seconds: float
    overlap: float = 0.0


Happening = Reloaded | Limited | Ended | Broken


@dataclass(frozen=True, slots=True)
class Wanted:
    """The page to open. When `View.happened` has a new event, `wake` must be called from the event loop.

    `scene` replaces the picture and audio of the page if a fault keeps the recorder from the page itself.
    """

    page: Page
    form: Form
    subject: Subject
    wake: Callable[[], None] = field(repr=False)
    scene: Scene = field(default_factory=Scene)


class Run(Protocol):
    """A continuous run of frames that begins with a key frame."""

    template: Encoder

    def take(self, end: int) -> list[Packet]:
        """Return the packets of all frames before frame `end` that were not taken yet, in order of time. Blocks."""

    def close(self) -> None:
        """Stop and free everything. Blocks."""


class Push(Protocol):
    """A stream to one RTMP target. It reports its status through the callback given to `View.push`."""

    def hold(self, held: bool) -> None:
        """Stop sending if `held` is true, otherwise resume."""

    async def close(self) -> None:
        """End the stream. No status is reported afterwards."""


class View(Protocol):
    """One page, open in one recorder."""

    async def load(self) -> int | None:
        """Open or reload the page. Return the code of event 71 on failure (3 or 5), or None. May be cancelled."""

    async def ready(self, within: float) -> bool:
        """Return True when the page has called notifyReady since its load, or False after `within` real seconds."""

    def due(self, began: float) -> float:
        """Return when `happened` will have an event (Unix seconds), as far as known. The recording began at `began`."""

    def happened(self, began: float, now: float) -> Happening | None:
        """Return the next unreported event that the page caused by itself, or None."""

    def run(self, began: float, first: int) -> Run:
        """Start media from frame `first` of a recording that began at Unix seconds `began`. Blocks, so use a thread."""

    def push(self, url: str, tell: Callable[[PushStatus], None]) -> Push:
        """Stream the recorded media to an RTMP target in the background. `tell` is called from the event loop."""

    def describe(self) -> dict[str, Any]:
        """Return the state of the recording for the ground truth, also after `close`."""

    async def close(self) -> None:
        """Close the page and free everything. Media that was not taken is lost."""


class Engine(Protocol):
    """Opens pages."""

    @property
    def room(self) -> float:
        """Return how many pages this machine can record at once."""

    async def open(self, wanted: Wanted) -> View:
        """Return a view of a page that is not loaded yet."""

    async def close(self) -> None:
        """Free the resources that views share. All views must be closed before."""
