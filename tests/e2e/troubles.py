"""Troubles drawn by seed, and what truly caused what came of them, read off the emulator alone.

A trouble is a few of the emulator's faults, the words that `explain` may use for it, and the event by which Agora tells
of it. Where that event reached nobody, nobody can know, and the only honest answer is that it is unknown.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from house import instant

FINE = "fine"
STOPPED = 71


@dataclass(frozen=True)
class Trouble:
    """`causes`: what it may be called where it struck; none: it does no harm. `told_by`: the event without which
    nobody can know of it. `body`: what the request needs for it."""

    faults: tuple[dict[str, Any], ...]
    causes: frozenset[str] = frozenset()
    told_by: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


def _fault(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, **fields}


def _answers(endpoint: str, code: int, times: int | None = None) -> dict[str, Any]:
    return _fault("answer", endpoint=endpoint, code=code, **({} if times is None else {"times": times}))


def _of(*faults: dict[str, Any], is_: str = "", told_by: int | None = None, **body: Any) -> Trouble:
    return Trouble(faults, frozenset(is_.split()), told_by, body)


SOON = {"start_within_seconds": 6}
HARMFUL = {
    "page away": _of(_fault("page_unreachable"), is_="page_unreachable", told_by=STOPPED),
    "page never ready": _of(_fault("page_not_ready"), is_="page_load_timeout", told_by=STOPPED, ready_timeout=6),
    "no engine": _of(_fault("engine_fails"), is_="engine_failed", told_by=STOPPED),
    "browser dies": _of(_fault("page_dies", seconds=3), is_="recorder_error", told_by=STOPPED),
    "engine dies": _of(_fault("page_dies", seconds=3, code=3), is_="engine_failed", told_by=STOPPED),
    "page vanishes": _of(_fault("page_dies", seconds=2, code=5), is_="page_unreachable", told_by=STOPPED),
    "too heavy": _of(_fault("capability_limit", seconds=3), is_="capability_limit", told_by=STOPPED),
    "too much traffic": _of(
        _fault("capability_limit", seconds=2, limit="bandwidth"), is_="capability_limit", told_by=STOPPED
    ),
    "late": _of(_fault("late_start", seconds=8), is_="late_start"),
    "silent page": _of(_fault("reload", seconds=2, window=4), is_="page_reloaded", told_by=73),
    "long failover": _of(_fault("failover", seconds=2, window=3.5), is_="failover", told_by=12),
    "two failovers": _of(
        _fault("failover", seconds=1.5, window=1.2),
        _fault("failover", seconds=4, window=1.2),
        is_="failover",
        told_by=12,
    ),
    "slice lost": _of(_fault("lose_slice", index=1), is_="slice_missing"),
    "uploads refused": _of(_fault("upload_fails"), is_="storage_refused", told_by=1),
    "keys wrong": _of(_fault("upload_fails", code=32), is_="storage_refused", told_by=1),
    "storage long away": _of(_fault("storage_away", seconds=60), is_="backup_upload", told_by=32),
    "parameter refused": _of(_answers("start", 2), is_="refused"),
    "app unknown": _of(_answers("acquire", 400), is_="refused"),
    "account closed": _of(_answers("acquire", 405), is_="refused"),
    "no recorder": _of(_answers("acquire", 406), is_="capacity", **SOON),
    "keys of Agora wrong": _of(
        _fault("answer", endpoint="acquire", status=401, body={"message": "Invalid authentication credentials"}),
        is_="refused",
    ),
    "Agora away": _of(_fault("reset", endpoint="acquire"), is_="agora_unavailable", **SOON),
    "hour used up": _of(is_="hour_limit", max_recording_hour=1),
}
HARMLESS = {
    "start unanswered": _of(_fault("drop_answer", endpoint="start", times=1)),
    "stop unanswered": _of(_fault("drop_answer", endpoint="stop", times=1)),
    "query reset": _of(_fault("reset", endpoint="query", times=3)),
    "slow answers": _of(_fault("delay_answer", seconds=0.3)),
    "twice": _of(_fault("notices_duplicate")),
    "late notices": _of(_fault("notices_late", seconds=0.6)),
    "shuffled": _of(_fault("notices_shuffle", seconds=1)),
    "forged": _of(_fault("notices_forge", copies=2)),
    "slow uploads": _of(_fault("upload_slow", seconds=0.2)),
    "moment of 404": _of(_fault("not_found", seconds=1.5, after=1)),
    "page ready at last": _of(_fault("page_not_ready", loads=1), ready_timeout=6),
    "short failover": _of(_fault("failover", seconds=2, window=1)),
    "acquire in trouble": _of(_answers("acquire", 501, 1), _answers("acquire", 500, 1)),
    "stop in trouble": _of(_answers("stop", 65, 1), _answers("stop", 62, 1)),
    "storage away for a moment": _of(_fault("storage_away", seconds=3)),
}
# Nobody tells: what comes of these is to be called unknown.
UNTOLD = {
    "nothing heard": _of(_fault("notices_drop")),
    "end not heard": _of(_fault("notices_drop", events=[1, 11, 12, 31, 32, 71, 72, 73])),
}
ALL = HARMFUL | HARMLESS | UNTOLD


def draw(seed: int) -> tuple[str, ...]:
    """The names of one trouble, or of two; two that need the request otherwise are drawn anew."""
    dice = Random(f"explain {seed}")
    while True:
        first = dice.choice([*HARMFUL, *HARMFUL, *HARMLESS])
        if dice.random() < 0.4:
            return (first,)
        second = dice.choice([*HARMFUL, *HARMLESS, *UNTOLD, *UNTOLD, *UNTOLD])
        bodies = [ALL[name].body for name in (first, second)]
        if first != second and not bodies[0].keys() & bodies[1].keys():
            return first, second


@dataclass(frozen=True)
class Truth:
    """What may be said. `untold`: nobody told of something that matters, so `unknown` is right too."""

    causes: frozenset[str]
    untold: bool
    missing_seconds: float


@dataclass(frozen=True)
class Wanted:
    """The wanted window, and how much may be missing of it, and beside that at each failover. `to_at` None: nobody
    ended it."""

    from_at: float
    to_at: float | None
    allowed_seconds: float
    failover_seconds: float


def truth_of(names: Iterable[str], tasks: list[dict[str, Any]], struck: set[str], wanted: Wanted) -> Truth:
    """What truly caused the end, by what the emulator did and what it managed to tell."""
    heard = {
        notice["event"]
        for task in tasks
        for notice in task["notices"]
        if any(attempt["status"] == 200 for one in notice["deliveries"] for attempt in one["tries"])
    }
    causes, untold, files_spoilt = set[str](), False, False
    for name in names:
        trouble = ALL[name]
        kinds = {fault["kind"] for fault in trouble.faults}
        if not trouble.causes or (kinds and not kinds & struck) or not _mattered(name, tasks):
            continue
        causes |= trouble.causes
        untold |= trouble.told_by is not None and trouble.told_by not in heard
        files_spoilt |= bool(kinds & {"lose_slice", "upload_fails", "storage_away"})
    missing = _missing_seconds(tasks, wanted)
    allowed = wanted.allowed_seconds + wanted.failover_seconds * sum(task["failovers"] for task in tasks)
    began = [instant(task["recording_started_at"]) for task in tasks if task["recording_started_at"]]
    if began and min(began) - wanted.from_at > 2:
        causes.add("late_start")  # for whatever reason, the machine's slowness among them
    if not causes or (missing <= allowed and not files_spoilt):
        causes.add(FINE)
    return Truth(frozenset(causes), untold, missing)


def _missing_seconds(tasks: list[dict[str, Any]], wanted: Wanted) -> float:
    """How much of the wanted window no recorder filmed."""
    if wanted.to_at is None:
        return inf
    spans = sorted(
        (instant(span["from_at"]), instant(span["to_at"]))
        for task in tasks
        for span in task["media"]
        if span["to_at"] is not None
    )
    missing, seen_to = 0.0, wanted.from_at
    for from_at, to_at in [*spans, (wanted.to_at, wanted.to_at)]:
        missing += max(0.0, min(from_at, wanted.to_at) - seen_to)
        seen_to = max(seen_to, min(to_at, wanted.to_at))
    return missing


def _mattered(name: str, tasks: list[dict[str, Any]]) -> bool:
    """Whether it did to the task what it is about, before something else ended it."""
    codes = {task["end_code"] for task in tasks}
    if name == "hour used up":
        return 1 in codes
    if name == "two failovers":
        return any(task["failovers"] > 1 for task in tasks)
    return True
