"""A simulated Agora and bucket on virtual time, written from agora-reference §1.6, §2 to §9, not from Pagereel's
rules. It answers with HTTP statuses and codes; nothing here knows what an attempt or a state of ours is."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

READY_SECONDS = 5
SLICE_SECONDS = 15
UPLOAD_SECONDS = 2
LAST_UPLOAD_SECONDS = 10
RESOURCE_SECONDS = 300
HOUR = 3600


class Clock:
    """Virtual time: events in order of their instant, then of their making."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, at: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(at, self.now), next(self._order), event))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until if self._events else self.now


@dataclass(frozen=True)
class Answer:
    """What comes back on the wire; `status` 0: nothing does."""

    status: int
    code: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


LOST = Answer(0)
NO_WORKER = Answer(404, 404)


@dataclass
class Task:
    cname: str
    uid: int
    rid: str
    sid: str
    prefix: str
    hours: int
    started_at: float
    onhold: bool
    sequence: int = 0
    ready_at: float | None = None
    ended_at: float | None = None
    gone_at: float | None = None
    stop_at: float | None = None
    away: tuple[float, float] = (0, 0)  # failover: 404, and nothing is recorded
    hidden: tuple[float, float] = (0, 0)  # 404 although it records
    slices: list[float] = field(default_factory=list)  # when each arrives in the bucket
    held: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.ended_at is None


class Agora:
    """`faults[call]`: what befalls the next calls, first first: `lost` (never arrived), `answer_lost` (arrived), or an
    `Answer` given without any effect. `outages`: intervals in which nothing arrives at all."""

    def __init__(self, clock: Clock, post: Callable[[int, Task, dict[str, Any]], None]) -> None:
        self.clock = clock
        self._post = post
        self.resources: dict[str, tuple[str, int, float]] = {}
        self.tasks: list[Task] = []
        self.calls: list[tuple[float, str]] = []
        self.faults: dict[str, list[str | Answer]] = defaultdict(list)
        self.outages: list[tuple[float, float]] = []
        self.page_dies: list[tuple[float, int]] = []  # for each task in turn: after how long, with which code
        self.ignores_stop = 0
        self.most_alive = 0
        self.bucket_down: list[tuple[float, float]] = []
        self.upload_late_seconds = 0.0

    # --- calls ---

    def call(self, name: str, **arguments: Any) -> Answer:
        now = self.clock.now
        self.calls.append((now, name))
        if any(a <= now < b for a, b in self.outages):
            return LOST
        fault = self.faults[name].pop(0) if self.faults[name] else None
        if fault == "lost":
            return LOST
        if isinstance(fault, Answer):
            return fault
        answer: Answer = getattr(self, f"_{name}")(**arguments)
        return LOST if fault == "answer_lost" else answer

    def _acquire(self, cname: str, uid: int) -> Answer:
        rid = f"resource-{len(self.resources) + 1}"
        self.resources[rid] = (cname, uid, self.clock.now)
        return Answer(200, body={"resourceId": rid})

    def _start(self, cname: str, uid: int, rid: str, prefix: str, hours: int, onhold: bool) -> Answer:
        now = self.clock.now
        if rid not in self.resources or self.resources[rid][:2] != (cname, uid):
            return Answer(400, 432)
        same = [task for task in self.tasks if (task.cname, task.uid) == (cname, uid)]
        if any(task.rid == rid for task in same):
            return Answer(201, 7)
        if now - self.resources[rid][2] > RESOURCE_SECONDS:
            return Answer(400, 433)
        if any(task.live for task in same):
            return Answer(400, 53)
        task = Task(cname, uid, rid, f"{len(self.tasks) + 1:032x}", prefix, hours, now, onhold)
        self.tasks.append(task)
        self.most_alive = max(self.most_alive, sum(task.live for task in self.tasks))
        dies_after, code = self.page_dies[len(self.tasks) - 1] if len(self.tasks) <= len(self.page_dies) else (None, 0)
        self.clock.at(now + READY_SECONDS, lambda: self._ready(task))
        self.clock.at(now + hours * HOUR, lambda: self._end(task, 1))
        if dies_after is not None:
            self.clock.at(now + dies_after, lambda: self._end(task, code))
        return Answer(200, body={"sid": task.sid})

    def _find(self, rid: str, sid: str) -> Task | None:
        now = self.clock.now
        for task in self.tasks:
            gone = task.gone_at is not None and now >= task.gone_at
            unfound = any(begin <= now < end for begin, end in (task.away, task.hidden))
            if task.sid == sid and task.rid == rid and not gone and not unfound:
                return task
        return None

    def _query(self, rid: str, sid: str) -> Answer:
        task = self._find(rid, sid)
        if task is None:
            return NO_WORKER
        status = 2
        if task.ended_at is not None:
            status = 7 if self.clock.now < task.ended_at + LAST_UPLOAD_SECONDS else 8
        elif task.stop_at is not None:
            status = 6
        elif task.ready_at is not None:
            status = 5 if any(at <= self.clock.now for at in task.slices) else 4
        return Answer(200, body={"status": status, "onhold": task.onhold if task.ready_at else None})

    def _update(self, rid: str, sid: str, onhold: bool | None = None) -> Answer:
        task = self._find(rid, sid)
        if task is None:
            return NO_WORKER
        if onhold is not None:
            task.onhold = onhold
            task.held.append((self.clock.now, onhold))
        return Answer(200)

    def _stop(self, rid: str, sid: str) -> Answer:
        task = self._find(rid, sid)
        if task is None:
            return NO_WORKER
        if self.ignores_stop:
            self.ignores_stop -= 1
            return Answer(200)
        if task.ended_at is not None or task.stop_at is not None:
            return Answer(400, 49)
        if task.ready_at is None:
            self._end(task, 0)
            return Answer(206, 435)
        task.stop_at = self.clock.now
        self.clock.at(self.clock.now + 1, lambda: self._end(task, 0))
        return Answer(200)

    # --- the life of a task ---

    def _ready(self, task: Task) -> None:
        if not task.live:
            return
        task.ready_at = self.clock.now
        self._notify(30, task, status=0)
        self._notify(70, task, recorderStartTime=round(self.clock.now * 1000))
        self.clock.at(self.clock.now + SLICE_SECONDS, lambda: self._slice(task))
        self.clock.at(self.clock.now + 60, lambda: self._progress(task))

    def _slice(self, task: Task) -> None:
        if not task.live:
            return
        if not task.onhold and not task.away[0] <= self.clock.now < task.away[1]:
            task.slices.append(self.clock.now + UPLOAD_SECONDS)
            if len(task.slices) == 1:
                self._notify(4, task, fileList=f"{task.sid}_{task.cname}.m3u8")
        self.clock.at(self.clock.now + SLICE_SECONDS, lambda: self._slice(task))

    def _progress(self, task: Task) -> None:
        if task.live:
            self._notify(33, task, progress=9000)
            self.clock.at(self.clock.now + 60, lambda: self._progress(task))

    def _end(self, task: Task, code: int) -> None:
        if not task.live:
            return
        now = self.clock.now
        recorded = task.ready_at is not None and not task.onhold
        task.ended_at, task.gone_at = now, now + LAST_UPLOAD_SECONDS + 2
        if recorded:
            task.slices.append(now + LAST_UPLOAD_SECONDS + self.upload_late_seconds)
        self._notify(71, task, code=code, fileList=[{"filename": f"{task.sid}_{task.cname}.m3u8"}] if recorded else [])
        self.clock.at(now + LAST_UPLOAD_SECONDS, lambda: self._uploaded(task))

    def _uploaded(self, task: Task) -> None:
        self._notify(32 if self.upload_late_seconds else 31, task, status=0)
        self._notify(11, task, exitStatus=0)

    def fail_over(self, task: Task, seconds: float) -> None:
        now = self.clock.now
        task.away = (now, now + seconds)
        self._notify(12, task, newUid=4242)
        began = round((now + seconds) * 1000)
        self.clock.at(now + seconds, lambda: task.live and self._notify(70, task, recorderStartTime=began))  # type: ignore[func-returns-value]

    def _notify(self, event_type: int, task: Task, **details: Any) -> None:
        task.sequence += 1
        self._post(event_type, task, {"sequence": task.sequence, **details})

    # --- the bucket ---

    def listed(self, prefix: str) -> list[tuple[str, float]]:
        """(sid, arrived at) of every object below the prefix."""
        now = self.clock.now
        return [(task.sid, at) for task in self.tasks if task.prefix == prefix for at in task.slices if at <= now]

    def bucket_answers(self) -> bool:
        return not any(a <= self.clock.now < b for a, b in self.bucket_down)

    def complete(self) -> bool:
        """Whether everything that was ever recorded lies in the bucket, and there is something."""
        arrivals = [at for task in self.tasks for at in task.slices]
        return bool(arrivals) and max(arrivals) <= self.clock.now and all(task.ended_at for task in self.tasks)
