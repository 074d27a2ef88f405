"""Where a recorder plugs in: an engine opens a page, the open page gives media and says what happens to it.

For: the interface of all engines (agora-reference §3.6, §8.5, §8.6). It knows no task, name or notice:
`emulator.recorders.task_lifecycle` turns what a view says into what Agora says.
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
    """Why a recording ended: the codes of event 71 (agora-reference §8.5)."""

    STOPPED = 0
    HOUR_LIMIT = 1
    CAPABILITY_LIMIT = 2
    ENGINE_FAILED = 3
    NEVER_READY = 4
    UNREACHABLE = 5
    RECORDER_ERROR = 6


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The page was loaded anew because its sound was lost; nothing is recorded for `seconds`."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limited:
    """The page uses what is not supported: event 72, then 71 code 2."""

    limit: Literal["resolution", "WebGL", "bandwidth"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The page or its browser is gone: event 71 with this code."""

    code: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The recorder's process died: another takes over after `seconds` without any (failover)."""

    seconds: float
    overlap: float = 0.0


Happening = Reloaded | Limited | Ended | Broken


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to open. `wake` is to be called, from the event loop, when `View.happened` has news.

    `scene` is what a recorder sees and hears of the page where a fault keeps it from the page itself.
    """

    page: Page
    form: Form
    subject: Subject
    wake: Callable[[], None] = field(repr=False)
    scene: Scene = field(default_factory=Scene)


class Run(Protocol):
    """An unbroken run of frames that began with a key frame."""

    template: Encoder

    def take(self, end: int) -> list[Packet]:
        """Packets of all frames before frame `end` that were not taken yet, in order of time. Blocks."""

    def close(self) -> None:
        """Stop and free everything. Blocks."""


class Push(Protocol):
    """A stream to one RTMP target; it says its status by the function it was made with."""

    def hold(self, held: bool) -> None:
        """Stop sending, or send again."""

    async def close(self) -> None:
        """End the stream; nothing is said any more."""


class View(Protocol):
    """One page, open in one recorder."""

    async def load(self) -> int | None:
        """Open the page, or load it anew; the code of event 71 when that fails (3 or 5). May be cancelled."""

    async def ready(self, within: float) -> bool:
        """True as soon as the page called notifyReady since it was loaded; False after so many real seconds."""

    def due(self, began: float) -> float:
        """When `happened` will have something (Unix seconds), as far as is known; the recording began at `began`."""

    def happened(self, began: float, now: float) -> Happening | None:
        """The next thing that happened to the page by itself and was not told yet."""

    def run(self, began: float, first: int) -> Run:
        """Media from frame `first` on, of a recording that began at Unix seconds `began`. Blocks: use a thread."""

    def push(self, url: str, tell: Callable[[PushStatus], None]) -> Push:
        """Stream what is seen to an RTMP target in the background; `tell` is called from the event loop."""

    def describe(self) -> dict[str, Any]:
        """How the recording goes, for the ground truth; also after `close`."""

    async def close(self) -> None:
        """Close the page and free everything; media that was not taken is lost."""


class Engine(Protocol):
    """Opens pages."""

    @property
    def room(self) -> float:
        """How many pages this machine can record at once."""

    async def open(self, wanted: Wanted) -> View:
        """A view of a page that is not loaded yet."""

    async def close(self) -> None:
        """Free what all views share. All views were closed before."""
