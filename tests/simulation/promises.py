"""The invariants of a simulation: I1 to I7. Each is checked against the world, never against the service's own rules.

I1 one task a recording. I2 no task runs on when nobody wants it. I3 what was acknowledged is stored. I4 every recording
comes to an end. I5 no end contradicts the bucket. I6 a notice that came twice counts once. I7 the books know every
effect before it happens.
"""

from collections import Counter
from typing import Any

import orjson

from service.recording import TERMINAL
from tests.simulation.agora import Task
from tests.simulation.lessons import Lesson
from tests.simulation.truth import length, subtract, truth_of
from tests.simulation.world import World

UNWANTED_SECONDS = 300
ALLOWED = 5.0
NOTHING = ("failed", "cancelled")
SENT = ("start_sent", "unknown", "running", "stopping", "ended")


class Promises:
    """`watch` sees each commit and each call; `check` looks at the end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._raw = world.ground.raw
        self._ended: dict[str, tuple[str, float]] = {}
        world.watchers.append(self._look)
        world.agora.on_task = self._one_task
        world.before_call = self._in_the_books

    # --- while it runs -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        for recording, state in self._raw.execute("SELECT id, state FROM recordings"):
            before = self._ended.get(recording)
            if before is not None and before[0] != state:
                self._blame("I5", "a terminal state changed", id=recording[-6:], was=before[0], now=state)
            if before is None and state in TERMINAL:
                self._ended[recording] = (state, self._world.now)
                self._world.story.tell("service", state, id=recording[-6:])

    def _one_task(self, task: Task) -> None:
        live = [one for one in self._world.agora.by_cname[task.cname] if one.live]
        if len(live) > 1:
            self._blame("I1", "two tasks at once", sids=[one.sid[:6] for one in live])

    def _in_the_books(self, verb: str, path: str, said: dict[str, Any]) -> None:
        if verb not in ("start", "stop"):
            return
        row = self._raw.execute(
            "SELECT document FROM recordings JOIN attempts ON recording_id = id WHERE cname = ? AND uid = ?",
            (said["cname"], int(said["uid"])),
        ).fetchone()
        attempts = [] if row is None else orjson.loads(row[0])["attempts"]
        known = [one for one in attempts if str(one["uid"]) == said["uid"]]
        written = [one for one in known if (one["state"] in SENT if verb == "start" else one["stop_sent_at"])]
        over = [sid for one in known for sid in one["past_sids"] if f"/sid/{sid}/" in path]  # stopped late
        if not written and not over:
            self._blame("I7", f"a {verb} that is not in the books", uid=said["uid"])

    def _blame(self, promise: str, what: str, **about: Any) -> None:
        self._world.story.blame(promise, what, **about)

    # --- at the end ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        for error in self._world.ground.errors:
            self._blame("run", f"something crashed: {error}")
        self._check_notices()
        for lesson in self._world.lessons:
            if not lesson.id:
                continue
            found = self._raw.execute("SELECT state, document FROM recordings WHERE id = ?", (lesson.id,)).fetchone()
            state, document = found[0], orjson.loads(found[1])
            tasks = self._world.tasks_of(lesson)
            if state not in TERMINAL:
                self._blame("I4", "not at an end", id=lesson.id[-6:], state=state)
            else:
                self._check_verdict(lesson, tasks, state)
            self._check_running(lesson, tasks)
            self._check_books(lesson, tasks, document)
            self._check_effects(lesson, tasks)

    def _check_notices(self) -> None:
        rows = self._raw.execute("SELECT notice_id, outcome FROM notifications").fetchall()
        stored = {notice_id.partition("#")[0] for notice_id, _ in rows}
        for notice_id, sent in self._world.sender.sent.items():
            if sent.acked and notice_id not in stored:
                self._blame("I3", "acknowledged and not stored", event_type=sent.event_type)
        for outcome, count in Counter(outcome for _, outcome in rows).items():
            if outcome not in ("applied", "foreign", "unmatched"):
                self._blame("I6", "notices not understood", outcome=outcome, count=count)

    def _check_verdict(self, lesson: Lesson, tasks: list[Task], state: str) -> None:
        world, at = self._world, self._ended[lesson.id][1]
        if lesson.unclear:
            return
        truth = truth_of(lesson, tasks, at)
        about = {"id": lesson.id[-6:], "state": state, "least": round(truth.least, 1), "most": round(truth.most, 1)}
        if state == "verified" and (truth.whole is False or truth.least > ALLOWED or not truth.media):
            self._blame("I5", "verified, and it is not so", whole=truth.whole, media=truth.media, **about)
        if state in NOTHING and truth.media:
            self._blame("I5", "nothing recorded, and media lie there", **about)
        troubled = world.weather.bucket_fails or world.bucket_outages
        if state == "unproven" and troubled:
            return
        if state in ("defective", "unproven") and truth.whole and truth.media and truth.most < ALLOWED:
            self._blame("I5", "not verified, and all is there", **about)

    def _check_running(self, lesson: Lesson, tasks: list[Task]) -> None:
        world = self._world
        ends = [self._ended[lesson.id][1]] if lesson.id in self._ended else []
        ends += [lesson.stopped[1]] if lesson.stopped is not None else []
        ends += [lesson.stop_at] if lesson.stop_at is not None else []
        if not ends:
            return
        blocked = [*world.agora_outages, *world.database_outages, *world.blocked]
        for task in tasks:
            until = task.ended_at if task.ended_at is not None else world.now
            since = max(min(ends), task.exposed_at if task.exposed_at is not None else until)
            unwanted = length(subtract([(since, until)], blocked))
            if unwanted > UNWANTED_SECONDS:
                self._blame("I2", "a task ran on", id=lesson.id[-6:], sid=task.sid[:6], seconds=round(unwanted))

    def _check_books(self, lesson: Lesson, tasks: list[Task], document: dict[str, Any]) -> None:
        known = {str(attempt["uid"]) for attempt in document["attempts"]}
        for task in tasks:
            if task.uid not in known:
                self._blame("I7", "a task that no attempt knows", id=lesson.id[-6:], sid=task.sid[:6])

    def _check_effects(self, lesson: Lesson, tasks: list[Task]) -> None:
        told = self._raw.execute(
            "SELECT coalesce(sum(count), 0) FROM history WHERE recording_id = ? AND kind LIKE 'notice\\_%' ESCAPE '\\'",
            (lesson.id,),
        ).fetchone()[0]
        stored = {
            notice_id.partition("#")[0]
            for (notice_id,) in self._raw.execute(
                "SELECT notice_id FROM notifications WHERE recording_id = ?", (lesson.id,)
            )
        }
        if told != len(stored):
            self._blame("I6", "notices counted twice", id=lesson.id[-6:], told=told, stored=len(stored))
