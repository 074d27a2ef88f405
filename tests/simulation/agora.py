"""A simulated Agora, written from agora-reference §1 to §9: resources, tasks, their lives, and what they are billed.

It answers as Agora does on the wire and knows nothing of whoever asks. Its tasks are the truth of a simulation: when
each ran, and what it recorded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from tests.simulation.loop import VirtualLoop
from tests.simulation.recorder import EPOCH, Damage, Recorder
from tests.simulation.story import Story

RESOURCE_SECONDS = 300
HOUR = 3600
_PATH = re.compile(
    r".*/v1/apps/[^/]+/cloud_recording/(?:(acquire)|resourceid/([^/]+)(?:/sid/([^/]+))?/mode/web/(\w+))$"
)
Said = tuple[int, dict[str, Any]]
NO_WORKER: Said = (404, {"code": 404, "reason": "failed to find worker"})


@dataclass(slots=True)
class Fate:
    """What will befall a task, drawn when it is made."""

    ready_seconds: float = 5.0
    dies: tuple[float, int] | None = None  # so long after its start, with this code of event 71
    fails_over: tuple[float, float, bool] | None = None  # after how long, for how long, whether a slice is lost by it
    begins_late: float = 0.0  # a start that timed out takes effect so much later
    damage: Damage = field(default_factory=Damage)
    second_damage: Damage = field(default_factory=Damage)
    deaf_to_stops: int = 0
    misses_stops: int = 0  # so many are answered 404 although it lives
    backup: bool = False  # event 32 in place of 31


@dataclass(eq=False)
class Task:
    cname: str
    uid: str
    resource_id: str
    sid: str
    prefix: str
    hours: int
    made_at: float
    fate: Fate
    onhold: bool
    recorders: list[Recorder] = field(default_factory=list)
    ready_at: float | None = None
    stopping_at: float | None = None
    obeyed_at: float | None = None  # when the stop arrived that it obeyed
    ended_at: float | None = None
    away: tuple[float, float] | None = None
    code: int | None = None
    held_from_start: bool = False
    held: list[tuple[float, bool]] = field(default_factory=list)
    sequence: int = 0
    exposed_at: float | None = None  # when its sid first lay open to somebody who looked

    @property
    def live(self) -> bool:
        return self.ended_at is None

    def is_away(self, now: float) -> bool:
        return self.away is not None and self.away[0] <= now < self.away[1]

    def settled_at(self) -> float:
        last = self.recorders[-1] if self.recorders else None
        return last.settled_at if last is not None and last.ended_at is not None else self.ended_at or 0


class Agora:
    """`notify(task, event_type, details)` is its notice sender. `fates` draws what befalls each task."""

    def __init__(
        self,
        loop: VirtualLoop,
        random: Random,
        story: Story,
        notify: Callable[[Task, int, dict[str, Any]], None],
        fates: Callable[[str], Fate],
    ) -> None:
        self._loop = loop
        self._random = random
        self._story = story
        self._notify = notify
        self._fates = fates
        self.on_task: Callable[[Task], None] = lambda task: None
        self.tasks: list[Task] = []
        self.by_cname: dict[str, list[Task]] = {}
        self._resources: dict[str, tuple[str, str, float]] = {}
        self._by_sid: dict[str, Task] = {}

    # --- calls ---------------------------------------------------------------------------------------------------

    def call(self, path: str, body: bytes | None, *, slow_start: bool = False) -> Said:
        """One call arrives now. `slow_start`: a start is taken in, and begins only later."""
        found = _PATH.fullmatch(path)
        if found is None:
            return 404, {"message": "no Route matched with those values"}
        acquire, resource_id, sid, verb = found.groups()
        said = orjson.loads(body) if body else {}
        if acquire:
            return self._acquire(said)
        if verb == "start":
            return self._start(resource_id, said, slow_start)
        task = self._by_sid.get(sid)
        missing = task is None or task.resource_id != resource_id or self._gone(task) or task.is_away(self._now)
        if task is None or missing:
            return NO_WORKER
        if verb == "query":
            return 200, self._query(task)
        return self._update(task, said) if verb == "update" else self._stop(task)

    def cname_of(self, path: str) -> str:
        """Whose resource a call is about."""
        found = _PATH.fullmatch(path)
        assert found is not None
        return self._resources[found[2]][0]

    @property
    def _now(self) -> float:
        return self._loop.time()

    def _gone(self, task: Task) -> bool:
        return task.ended_at is not None and self._now > task.ended_at + 14

    def _acquire(self, said: dict[str, Any]) -> Said:
        resource_id = f"R{self._random.getrandbits(160):040x}"
        self._resources[resource_id] = (said["cname"], said["uid"], self._now)
        return 200, {"cname": said["cname"], "uid": said["uid"], "resourceId": resource_id}

    def _start(self, resource_id: str, said: dict[str, Any], slow: bool) -> Said:
        cname, uid = said["cname"], said["uid"]
        known = self._resources.get(resource_id)
        if known is None or known[:2] != (cname, uid):
            return 400, {"code": 432, "reason": "invalid parameter"}
        same = [task for task in self.by_cname.get(cname, []) if task.uid == uid]
        if any(task.resource_id == resource_id for task in same):
            return 201, {"code": 7, "reason": "already started"}
        if self._now - known[2] > RESOURCE_SECONDS:
            return 400, {"code": 433, "reason": "resource expired"}
        if any(task.live for task in same):
            return 400, {"code": 53, "reason": "task conflict"}
        request = said["clientRequest"]
        recorder = request["extensionServiceConfig"]["extensionServices"][0]["serviceParam"]
        mp4 = "mp4" in request["recordingFileConfig"]["avFileType"]
        fate = self._fates(cname)
        task = Task(
            cname=cname,
            uid=uid,
            resource_id=resource_id,
            sid=f"{self._random.getrandbits(128):032x}",
            prefix="".join(f"{part}/" for part in request["storageConfig"]["fileNamePrefix"]),
            hours=recorder["maxRecordingHour"],
            made_at=self._now,
            fate=fate,
            onhold=recorder["onhold"],
            held_from_start=recorder["onhold"],
        )
        task.recorders.append(self._recorder(task, "", fate.damage, mp4))
        self.tasks.append(task)
        self._by_sid[task.sid] = task
        self.by_cname.setdefault(cname, []).append(task)
        self._story.tell("agora", "task made", cname=cname[-6:], uid=uid, sid=task.sid[:6])
        self.on_task(task)
        self._plan(task, fate.begins_late if slow else 0)
        return 200, {"cname": cname, "uid": uid, "resourceId": resource_id, "sid": task.sid}

    def _recorder(self, task: Task, prefix: str, damage: Damage, mp4: bool) -> Recorder:
        stem = f"{prefix}{task.sid}_{task.cname.replace('_', '-')}"
        return Recorder(stem, Random(self._random.getrandbits(64)), damage, mp4=mp4)

    def _query(self, task: Task) -> dict[str, Any]:
        now, state, status = self._now, "inProgress", 2
        if task.ended_at is not None:
            status, state = (7, "exit") if now < task.ended_at + 7 else (8, "exit")
        elif task.stopping_at is not None:
            status = 6
        elif task.ready_at is not None:
            status = 5 if now > task.ready_at + 16 and not task.onhold else 4
        else:
            state = "init"
        payload = {"fileList": [], "onhold": task.onhold, "state": state}
        service = {"serviceName": "web_recorder_service", "payload": payload}
        return {"sid": task.sid, "serverResponse": {"status": status, "extensionServiceState": [service]}}

    def _update(self, task: Task, said: dict[str, Any]) -> Said:
        onhold = said["clientRequest"].get("webRecordingConfig", {}).get("onhold")
        if onhold is not None and onhold is not task.onhold and task.live and task.stopping_at is None:
            task.onhold = onhold
            task.held.append((self._now, onhold))
            self._story.tell("agora", "on hold" if onhold else "rolls again", sid=task.sid[:6])
            if task.ready_at is not None and not task.is_away(self._now):
                (task.recorders[-1].halt if onhold else task.recorders[-1].roll)(self._now)
        return 200, {"sid": task.sid}

    def _stop(self, task: Task) -> Said:
        if task.fate.misses_stops and task.live:
            task.fate.misses_stops -= 1
            self._story.tell("agora", "stop not found a task that lives", sid=task.sid[:6])
            return NO_WORKER
        if task.fate.deaf_to_stops and task.live:
            task.fate.deaf_to_stops -= 1
            self._story.tell("agora", "stop accepted and forgotten", sid=task.sid[:6])
            return 200, {"sid": task.sid}
        if not task.live or task.stopping_at is not None:
            return 400, {"code": 49, "reason": "invalid operation"}
        task.obeyed_at = self._now
        if task.ready_at is None:
            self._end(task, 0)
            return 206, {"code": 435, "reason": "no recorded data"}
        task.stopping_at = self._now
        self._later(self._random.uniform(0.2, 3), self._end, task, 0)
        return 200, {"sid": task.sid}

    # --- the life of a task --------------------------------------------------------------------------------------

    def _later(self, seconds: float, event: Callable[..., object], *about: Any) -> None:
        self._loop.at(self._now + seconds, event, *about)

    def _plan(self, task: Task, delay: float) -> None:
        fate = task.fate
        self._later(delay + fate.ready_seconds, self._ready, task)
        self._later(delay + task.hours * HOUR, self._end, task, 1)
        if fate.dies is not None:
            self._later(delay + fate.dies[0], self._end, task, fate.dies[1])
        if fate.fails_over is not None:
            self._later(delay + fate.fails_over[0], self._fail_over, task, *fate.fails_over[1:])

    def _ready(self, task: Task) -> None:
        if not task.live or task.is_away(self._now):
            return
        task.ready_at = self._now
        self._notify(task, 30, {"msgName": "uploader_started", "status": 0})
        self._tell_started(task)
        if not task.onhold:
            task.recorders[-1].roll(self._now)
        self._later(60, self._progress, task)

    def _tell_started(self, task: Task) -> None:
        began = round((self._now + EPOCH) * 1000)
        self._notify(task, 70, {"msgName": "web_recorder_started", "recorderStartTime": began})

    def _progress(self, task: Task) -> None:
        if task.live and self._now - task.made_at < 600:
            self._notify(task, 33, {"msgName": "uploading_progress", "progress": 9000})
            self._later(60, self._progress, task)

    def _fail_over(self, task: Task, seconds: float, lose_rest: bool) -> None:
        if not task.live or task.stopping_at is not None or task.ready_at is None:
            return
        task.away = (self._now, self._now + seconds)
        self._story.tell("agora", "failover", sid=task.sid[:6], seconds=round(seconds))
        task.recorders[-1].halt(self._now, lose_rest=lose_rest)
        self._notify(task, 12, {"msgName": "session_failover", "newUid": self._random.getrandbits(31) + 1})
        self._later(seconds, self._take_over, task)

    def _take_over(self, task: Task) -> None:
        if not task.live:
            return
        number = len(task.recorders) - 1
        before = task.recorders[-1]
        task.recorders.append(self._recorder(task, f"bak{number}_", task.fate.second_damage, before.mp4))
        if not task.onhold:
            task.recorders[-1].roll(self._now)
        self._tell_started(task)

    def _end(self, task: Task, code: int) -> None:
        if not task.live:
            return
        now = self._now
        task.ended_at, task.code = now, code
        last = task.recorders[-1]
        if task.is_away(now):
            last.grow(now)  # it ended before anybody took over: nobody writes the end of the playlist
        else:
            last.end(now)
        self._story.tell("agora", "task ended", sid=task.sid[:6], code=code)
        names = [{"filename": f"{one.stem}.m3u8"} for one in task.recorders if one.slices]
        message = {0: "ok", 1: "max_recording_hour"}.get(code, "recorder_error")
        self._notify(task, 71, {"msgName": "web_recorder_stopped", "code": code, "message": message, "fileList": names})
        self._later(max(1.0, min(last.final_at - now, 30)) if last.ended_at else 5, self._uploaded, task)

    def _uploaded(self, task: Task) -> None:
        if any(one.slices for one in task.recorders):
            event = (32, "backuped") if task.fate.backup else (31, "uploaded")
            self._notify(task, event[0], {"msgName": event[1], "status": 0})
        self._notify(task, 11, {"msgName": "session_exit", "exitStatus": 0})
