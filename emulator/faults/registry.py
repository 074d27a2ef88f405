"""The standing faults: one book that answers "does a fault apply here and now?".

For: matching, counting and dice. It must not do any I/O nor know tasks and requests; callers tell what they are about
(`Subject`) and get facts back. All seconds here are real seconds.

Every die is thrown from the seed, the fault, the subject's names and how often they asked before, so that the same
script meets the same calls in the same way, whatever else goes on at the same time.
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
    """What a fault may apply to. `began`: when the task was started; `use`: what one of `times` counts."""

    cname: str
    uid: str
    began: float
    use: str


class Copy(NamedTuple):
    """One copy of a notice: sent after `delay` real seconds, with a wrong signature if forged."""

    delay: float
    forged: bool = False


@dataclass(slots=True)
class _Standing:
    """A fault that stands, with what it was asked about and what it struck."""

    number: int
    fault: Fault
    added: float
    passed: int = 0
    used: set[str] = field(default_factory=set)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    thrown: dict[tuple[str, str, str], bool] = field(default_factory=dict)


class FaultBook:
    """The standing faults, asked in the order they were added."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._numbers = iter(range(2**31))
        self._standing: list[_Standing] = []
        self.strikes: deque[dict[str, Any]] = deque(maxlen=_KEPT_STRIKES)

    def add(self, faults: Iterable[Fault], now: float) -> None:
        """Add faults. Whoever waits on plans that they may change must be woken by the caller."""
        self._standing += [_Standing(next(self._numbers), fault, now) for fault in faults]

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
        """The first standing fault of the kind that applies, counted as used. Without `endpoint` it is about a task."""
        for standing in self._matching(kind, subject):
            if endpoint is None and self._fate(standing, subject):
                self._note(standing, subject)
                return standing.fault
            if endpoint is not None and standing.fault.endpoint in (None, endpoint) and self._hits(standing, subject):
                return standing.fault
        return None

    def instant(self, kind: Kind, subject: Subject, base: float) -> tuple[float, Fault] | None:
        """When the next fault of the kind strikes the task, which each does once; `struck` says that it did.

        That is `seconds` after `base`, or after the fault was added where that came later.
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
        """True inside the window of a fault that opens `after` its begin and lasts for `seconds`."""
        for standing in self._matching(kind, subject):
            opens = max(subject.began, standing.added) + standing.fault.after
            if opens <= now < opens + (standing.fault.seconds or 0.0) and self._fate(standing, subject):
                self._note(standing, subject)
                return True
        return False

    def since(self, kind: Kind, subject: Subject, now: float) -> Fault | None:
        """The first fault of the kind that has struck the task `after` its begin, and goes on."""
        for standing in self._matching(kind, subject):
            if now >= max(subject.began, standing.added) + standing.fault.after and self._fate(standing, subject):
                self._note(standing, subject)
                return standing.fault
        return None

    def loses(self, subject: Subject, index: int) -> bool:
        """True when the slice `index` of the task is never to be uploaded."""
        for standing in self._matching("lose_slice", subject):
            if standing.fault.index == index and self._fate(standing, subject):
                self._note(standing, subject)
                return True
        return False

    def copies(self, subject: Subject, event: int) -> list[Copy]:
        """The copies of a notice; empty when it is lost."""
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
        """True when this call or notice is struck; it is counted."""
        if standing.passed < standing.fault.skip:
            standing.passed += 1
            return False
        if self._dice(standing, subject).random() >= standing.fault.share:
            return False
        self._note(standing, subject)
        return True

    def _fate(self, standing: _Standing, subject: Subject) -> bool:
        """As `_hits`, for a whole task: asked as often as one likes, it is decided once and not counted."""
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
