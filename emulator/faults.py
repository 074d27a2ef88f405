"""Faults on demand: one table of kinds, one book that answers "does a fault apply here and now?".

For: everything that makes the emulator misbehave. It must not do any I/O nor know tasks and requests;
callers tell what they are about (`Subject`) and get facts back. All seconds here are real seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Endpoint = Literal["acquire", "start", "query", "update", "stop", "ncs"]
Kind = Literal[
    "answer",
    "drop_answer",
    "delay_answer",
    "not_found",
    "late_start",
    "page_unreachable",
    "page_dies",
    "failover",
    "lose_slice",
    "notices_drop",
    "notices_duplicate",
    "notices_shuffle",
    "notices_late",
]

# Fields each kind needs; every kind also takes cname, uid, times. Endpoint None means all endpoints.
NEEDED: dict[Kind, tuple[str, ...]] = {
    "answer": ("endpoint", "status", "body"),
    "drop_answer": ("endpoint",),
    "delay_answer": ("seconds",),
    "not_found": ("seconds",),
    "late_start": ("seconds",),
    "page_unreachable": (),
    "page_dies": ("seconds",),
    "failover": ("seconds", "window"),
    "lose_slice": ("index",),
    "notices_drop": (),
    "notices_duplicate": (),
    "notices_shuffle": ("seconds",),
    "notices_late": ("seconds",),
}


class Fault(BaseModel):
    """One fault as it stands in the settings or comes over the control API. See docs/emulator.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    cname: str = Field("*", description="glob; only tasks or requests that match")
    uid: str = Field("*", description="glob")
    times: int | None = Field(None, ge=1, description="how many requests, tasks or notices; None: until cleared")
    endpoint: Endpoint | None = None
    status: int | None = Field(None, ge=200, le=599)
    body: dict[str, Any] | None = None
    seconds: float | None = Field(None, ge=0)
    after: float = Field(0.0, ge=0, description="not_found: seconds until the window opens")
    window: float | None = Field(None, ge=0, description="failover: seconds of 404 and of missing media")
    code: int = Field(6, ge=0, le=6, description="page_dies: code of event 71")
    index: int | None = Field(None, ge=0, description="lose_slice: number of the slice from 0")
    share: float = Field(1.0, ge=0, le=1, description="notices_drop: how many of them")
    copies: int = Field(1, ge=1, description="notices_duplicate: additional copies")
    seed: int = 0
    events: tuple[int, ...] | None = Field(None, description="notices_*: only these event types")

    @model_validator(mode="after")
    def _check_needed(self) -> Self:
        missing = [name for name in NEEDED[self.kind] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.kind} needs {', '.join(missing)}")
        return self


@dataclass(frozen=True, slots=True)
class Subject:
    """What a fault may apply to. `began`: when the task was started; `use`: what one of `times` counts."""

    cname: str
    uid: str
    began: float
    use: str


@dataclass(slots=True)
class _Standing:
    """A fault that stands, with what it has been used for."""

    fault: Fault
    added: float
    dice: random.Random
    used: set[str] = field(default_factory=set)

    def applies(self, subject: Subject) -> bool:
        if not fnmatchcase(subject.cname, self.fault.cname) or not fnmatchcase(subject.uid, self.fault.uid):
            return False
        return subject.use in self.used or self.fault.times is None or len(self.used) < self.fault.times


class FaultBook:
    """The standing faults, asked in the order they were added."""

    def __init__(self) -> None:
        self._standing: list[_Standing] = []

    def add(self, faults: Iterable[Fault], now: float) -> None:
        """Add faults. Whoever waits on plans that they may change must be woken by the caller."""
        self._standing += [_Standing(fault, now, random.Random(fault.seed)) for fault in faults]  # noqa: S311 - dice

    def clear(self) -> int:
        """Remove all faults; give their number."""
        count = len(self._standing)
        self._standing.clear()
        return count

    def standing(self) -> list[dict[str, Any]]:
        """The standing faults with the number of their uses."""
        return [
            {**standing.fault.model_dump(exclude_unset=True), "used": len(standing.used)} for standing in self._standing
        ]

    def use(self, kind: Kind, subject: Subject, endpoint: Endpoint | None = None) -> Fault | None:
        """The first standing fault of the kind that applies, counted as used."""
        for standing in self._matching(kind, subject):
            if standing.fault.endpoint in (None, endpoint):
                standing.used.add(subject.use)
                return standing.fault
        return None

    def instant(self, kind: Kind, subject: Subject, base: float) -> tuple[float, Fault] | None:
        """When the next fault of the kind strikes the task, which each does once; `struck` says that it did.

        That is `seconds` after `base`, or after the fault was added where that came later.
        """
        due = [
            (max(base, standing.added) + (standing.fault.seconds or 0.0), standing.fault)
            for standing in self._matching(kind, subject)
            if subject.use not in standing.used
        ]
        return min(due, key=lambda found: found[0], default=None)

    def struck(self, fault: Fault, subject: Subject) -> None:
        """Count a fault found by `instant` as used by the task."""
        for standing in self._standing:
            if standing.fault is fault:
                standing.used.add(subject.use)

    def absent(self, subject: Subject, now: float) -> bool:
        """True inside a 404 window."""
        for standing in self._matching("not_found", subject):
            opens = max(subject.began, standing.added) + standing.fault.after
            standing.used.add(subject.use)
            if opens <= now < opens + (standing.fault.seconds or 0.0):
                return True
        return False

    def loses(self, subject: Subject, index: int) -> bool:
        """True when the slice `index` of the task is never to be uploaded."""
        for standing in self._matching("lose_slice", subject):
            if standing.fault.index == index:
                standing.used.add(subject.use)
                return True
        return False

    def deliveries(self, subject: Subject, event: int) -> list[float]:
        """Delays, in real seconds, at which copies of a notice are sent; empty when it is lost."""
        delays = [0.0]
        for kind in ("notices_drop", "notices_duplicate", "notices_shuffle", "notices_late"):
            for standing in self._matching(kind, subject):
                if standing.fault.events is None or event in standing.fault.events:
                    standing.used.add(subject.use)
                    delays = _CHANGES[kind](standing, delays)
        return delays

    def _matching(self, kind: Kind, subject: Subject) -> Iterator[_Standing]:
        return (standing for standing in self._standing if standing.fault.kind == kind and standing.applies(subject))


def _drop(standing: _Standing, delays: list[float]) -> list[float]:
    return [] if standing.dice.random() < standing.fault.share else delays


def _duplicate(standing: _Standing, delays: list[float]) -> list[float]:
    return delays * (1 + standing.fault.copies)


def _shuffle(standing: _Standing, delays: list[float]) -> list[float]:
    return [delay + standing.dice.uniform(0.0, standing.fault.seconds or 0.0) for delay in delays]


def _late(standing: _Standing, delays: list[float]) -> list[float]:
    return [delay + (standing.fault.seconds or 0.0) for delay in delays]


_CHANGES = {
    "notices_drop": _drop,
    "notices_duplicate": _duplicate,
    "notices_shuffle": _shuffle,
    "notices_late": _late,
}
