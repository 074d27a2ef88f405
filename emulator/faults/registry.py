"""The active faults, and whether one of them applies to a call, a task or a notice.

Matches faults, counts their uses and makes random decisions. It does no I/O and uses no tasks or requests, because
callers pass a `Subject`. All seconds are real seconds.

Every random decision derives from the seed, the fault, the subject's names and the number of earlier queries for them.
Therefore the same script affects the same calls in the same way, regardless of concurrent calls.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from emulator.faults.model import Endpoint, Fault, Kind

logger = logging.getLogger(__name__)

_KEPT_STRIKES = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """The target of a fault. `began` is the start of the task. `use` identifies one of the uses that `times` counts."""

    cname: str
    uid: str
    began: float
    use: str


class Copy(NamedTuple):
    """One copy of a notice. It is sent after `delay` real seconds, with a wrong signature if forged."""

    delay: float
    forged: bool = False


@dataclass(slots=True)
class _Standing:
    """An active fault, with the queries about it and its uses."""

    number: int
    fault: Fault
    added: float
    passed: int = 0
    used: set[str] = field(default_factory=set)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    thrown: dict[tuple[str, str, str], bool] = field(default_factory=dict)


class FaultBook:
    """The active faults, queried in the order in which they were added."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._numbers = iter(range(2**31))
        self._standing: list[_Standing] = []
        self.strikes: deque[dict[str, Any]] = deque(maxlen=_KEPT_STRIKES)

    def add(self, faults: Iterable[Fault], now: float) -> None:
        """Add faults. The caller must wake tasks whose plans they may change."""
        self._standing += [_Standing(next(self._numbers), fault, now) for fault in faults]

    def clear(self) -> int:
        """Remove all faults and return their number."""
        count = len(self._standing)
        self._standing.clear()
        return count

    def standing(self) -> list[dict[str, Any]]:
        """Return the active faults with the number of their uses."""
        return [
            {**standing.fault.model_dump(exclude_unset=True), "used": len(standing.used)} for standing in self._standing
        ]

    def use(self, kind: Kind, subject: Subject, endpoint: Endpoint | None = None) -> Fault | None:
        """Return the first active fault of the kind that applies, and count its use. Without `endpoint`, the fault is
        for a task."""
        for standing in self._matching(kind, subject):
            if endpoint is None and self._fate(standing, subject):
                self._note(standing, subject)
                return standing.fault
            if endpoint is not None and standing.fault.endpoint in (None, endpoint) and self._hits(standing, subject):
                return standing.fault
        return None

    def instant(self, kind: Kind, subject: Subject, base: float) -> tuple[float, Fault] | None:
        """Return the time and fault of the kind's next effect on the task. Each fault takes effect once, which `struck`
        records.

        The time is `seconds` after the later of `base` and the addition of the fault.
        """
        due = [
            (max(base, standing.added) + (standing.fault.seconds or 0.0), standing.fault)
            for standing in self._matching(kind, subject)
            if subject.use not in standing.used and self._fate(standing, subject)
        ]
        return min(due, key=lambda found: found[0], default=None)

    def struck(self, fault: Fault, subject: Subject) -> None:
        """Count a fault found by `instant` as used by the task."""
        for standing in self._standing:
            if standing.fault is fault:
                self._note(standing, subject)

    def within(self, kind: Kind, subject: Subject, now: float) -> bool:
        """Return True inside the window of a fault, which opens `after` its start and lasts for `seconds`."""
        for standing in self._matching(kind, subject):
            opens = max(subject.began, standing.added) + standing.fault.after
            if opens <= now < opens + (standing.fault.seconds or 0.0) and self._fate(standing, subject):
                self._note(standing, subject)
                return True
        return False

    def since(self, kind: Kind, subject: Subject, now: float) -> Fault | None:
        """Return the first fault of the kind that affects the task, starting `after` its start, and persists."""
        for standing in self._matching(kind, subject):
            if now >= max(subject.began, standing.added) + standing.fault.after and self._fate(standing, subject):
                self._note(standing, subject)
                return standing.fault
        return None

    def loses(self, subject: Subject, index: int) -> bool:
        """Return True if slice `index` of the task must never be uploaded."""
        for standing in self._matching("lose_slice", subject):
            if standing.fault.index == index and self._fate(standing, subject):
                self._note(standing, subject)
                return True
        return False

    def copies(self, subject: Subject, event: int) -> list[Copy]:
        """Return the copies of a notice, or an empty list if it is lost."""
        copies = [Copy(0.0)]
        for kind, change in _CHANGES.items():
            for standing in self._matching(kind, subject):
                if standing.fault.events is not None and event not in standing.fault.events:
                    continue
                if self._hits(standing, subject):
                    copies = change(standing.fault, copies, self._dice(standing, subject))
        return copies

    def _matching(self, kind: Kind, subject: Subject) -> Iterator[_Standing]:
        return (standing for standing in self._standing if standing.fault.kind == kind and _applies(standing, subject))

    def _hits(self, standing: _Standing, subject: Subject) -> bool:
        """Return True if the fault affects this call or notice, and count it."""
        if standing.passed < standing.fault.skip:
            standing.passed += 1
            return False
        if self._dice(standing, subject).random() >= standing.fault.share:
            return False
        self._note(standing, subject)
        return True

    def _fate(self, standing: _Standing, subject: Subject) -> bool:
        """Return True if the fault affects the whole task. The decision is made once, kept and not counted."""
        key = (subject.cname, subject.uid, subject.use)
        if key not in standing.thrown:
            standing.thrown[key] = len(standing.thrown) >= standing.fault.skip and (
                self._dice(standing, subject).random() < standing.fault.share
            )
        return standing.thrown[key]

    def _dice(self, standing: _Standing, subject: Subject) -> random.Random:
        who = (subject.cname, subject.uid)
        standing.asked[who] += 1
        place = f"{self._seed}/{standing.number}/{standing.fault.seed}/{who}/{standing.asked[who]}"
        return random.Random(place)  # noqa: S311 - dice

    def _note(self, standing: _Standing, subject: Subject) -> None:
        if subject.use in standing.used:
            return
        standing.used.add(subject.use)
        strike = {"kind": standing.fault.kind, "fault": standing.number, "cname": subject.cname, "uid": subject.uid}
        self.strikes.append(strike)
        logger.info("fault %d (%s) strikes %s %s", standing.number, strike["kind"], subject.cname, subject.uid)


def _applies(standing: _Standing, subject: Subject) -> bool:
    fault = standing.fault
    if not fnmatchcase(subject.cname, fault.cname) or not fnmatchcase(subject.uid, fault.uid):
        return False
    return subject.use in standing.used or fault.times is None or len(standing.used) < fault.times


def _drop(fault: Fault, copies: list[Copy], dice: random.Random) -> list[Copy]:
    return []


def _duplicate(fault: Fault, copies: list[Copy], dice: random.Random) -> list[Copy]:
    return copies * (1 + fault.copies)


def _shuffle(fault: Fault, copies: list[Copy], dice: random.Random) -> list[Copy]:
    return [Copy(copy.delay + dice.uniform(0.0, fault.seconds or 0.0)) for copy in copies]


def _late(fault: Fault, copies: list[Copy], dice: random.Random) -> list[Copy]:
    return [Copy(copy.delay + (fault.seconds or 0.0)) for copy in copies]


def _forge(fault: Fault, copies: list[Copy], dice: random.Random) -> list[Copy]:
    return [*copies, *[Copy(0.0, forged=True)] * fault.copies]


_CHANGES: dict[Kind, Any] = {
    "notices_drop": _drop,
    "notices_duplicate": _duplicate,
    "notices_shuffle": _shuffle,
    "notices_late": _late,
    "notices_forge": _forge,
}
