"""What was kept of a life decides it once more: the rules arrive where they did, and mark what was told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from lifecycle_agora import Answer
from lifecycle_driver import NOW, Driver, make

from service.lifecycle.observations import (
    Call,
    Entry,
    Judged,
    NoticeReceived,
    Observation,
    PauseRequested,
    ResumeRequested,
    StopAtChanged,
    StopRequested,
    TaskFound,
    TaskMissing,
)
from service.lifecycle.reconstruct import Kept, replay
from service.lifecycle.requested import as_requested
from service.operations.recordings.writing import source_of
from service.policy import Policy
from service.recording import ADOPTED, Attempt, AttemptState, EndReason, Notice, Recording, State
from service.report import Report

BACK = 3000.0


@dataclass(frozen=True)
class Line:
    """A line of the history as the database keeps it."""

    at: float
    kind: str
    source: str
    detail: dict[str, Any]
    count: int = 1


class Witness(Driver):
    """Keeps what the database would keep."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.lines: list[Line] = []
        self.notices: list[Notice] = []
        self.reports: dict[int, Report] = {}
        super().__init__(*args, **kwargs)

    def observe(self, observation: Observation) -> None:
        known = len(self.entries)
        super().observe(observation)
        source = source_of(observation)
        self.lines += [Line(self.clock.now, one.kind, source, one.detail) for one in self.entries[known:]]
        if isinstance(observation, NoticeReceived):
            self.notices.append(observation.notice)
        if isinstance(observation, Judged):
            self.reports[self.recording.reports] = observation.report

    def kept(self) -> Kept:
        return Kept(self.recording, self.lines, self.notices, self.reports)


def stopped(driver: Witness) -> None:
    driver.request(600, StopRequested())


def paused(driver: Witness) -> None:
    driver.request(100, PauseRequested())
    driver.request(200, ResumeRequested())
    driver.request(600, StopRequested())


def changed(driver: Witness) -> None:
    driver.at(100, lambda: driver.observe(StopAtChanged(driver.clock.now + 300)))


def never_stopped(driver: Witness) -> None:
    """The hour limit ends it."""


def died(driver: Witness) -> None:
    driver.agora.page_dies = [(300, 6)]


def unreachable(driver: Witness) -> None:
    driver.agora.page_dies = [(1, 5)]


def unanswered(driver: Witness) -> None:
    driver.agora.faults["start"] = ["answer_lost"]
    stopped(driver)


def refused(driver: Witness) -> None:
    driver.agora.faults["start"] = [Answer(400, 2)]


def busy(driver: Witness) -> None:
    driver.agora.faults["acquire"] = [Answer(503), Answer(503)]
    stopped(driver)


def failed_over(driver: Witness) -> None:
    driver.at(110, lambda: driver.agora.fail_over(driver.task, 90))
    stopped(driver)


def unseen(driver: Witness) -> None:
    driver.agora.bucket_down = [(NOW + 100, NOW + 900)]
    stopped(driver)


def gone(driver: Witness) -> None:
    driver.at(110, lambda: driver.agora.fail_over(driver.task, 900))


def unheard(driver: Witness) -> None:
    """Agora is away when it is to stop."""
    driver.agora.faults["stop"] = [Answer(503)] * 30
    stopped(driver)


def nothing_made(driver: Witness) -> None:
    """As `unheard`, and nothing was recorded by then."""
    driver.agora._ready = lambda task: None  # type: ignore[method-assign]
    driver.agora.faults["stop"] = [Answer(503)] * 30
    driver.request(60, StopRequested())


STORIES = [
    unheard,
    nothing_made,
    stopped,
    paused,
    changed,
    never_stopped,
    died,
    unreachable,
    refused,
    busy,
    failed_over,
    unseen,
    gone,
    unanswered,
]


@pytest.mark.parametrize("heard", [True, False], ids=["with notices", "without any"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_rules_arrive_where_they_did(story: Callable[[Witness], None], heard: bool) -> None:
    driver = Witness(**({} if heard else {"deliver": lambda event_type, number: []}))
    story(driver)
    lived = driver.run()
    arrived, decisions = replay(driver.kept())
    told = [one.lines for one in decisions if one.observation is None]
    assert told == []
    assert _end(arrived) == _end(lived)
    assert [line.kind for one in decisions for line in one.lines] == [line.kind for line in driver.lines]


def test_a_line_that_nothing_explains_is_taken_as_told_and_marked() -> None:
    driver = Witness()
    stopped(driver)
    lived = driver.run()
    kept = driver.kept()
    odd = Line(driver.lines[3].at, "warning", "agora", {"code": "never_heard_of"})
    arrived, decisions = replay(Kept(lived, [*driver.lines[:3], odd, *driver.lines[3:]], kept.notices, kept.reports))
    assert [one.lines for one in decisions if one.observation is None] == [(Entry("warning", odd.detail),)]
    assert arrived.warnings == ("never_heard_of",)
    assert arrived.state is lived.state


def test_without_reports_the_verdict_is_as_told() -> None:
    driver = Witness()
    stopped(driver)
    lived = driver.run()
    arrived, decisions = replay(Kept(lived, driver.lines, driver.notices))
    assert arrived.state is lived.state
    assert any(one.observation is None for one in decisions)


def test_a_recording_is_seen_as_it_was_asked_for() -> None:
    for asked in (make(), make(policy=Policy(restart=True), start_at=1_700_000_100.0)):
        assert as_requested(asked).state is asked.state
        assert as_requested(asked).start_deadline_at == asked.start_deadline_at


def _end(recording: Recording) -> tuple[Any, ...]:
    attempts = [(one.state, one.sid) for one in recording.attempts]
    return recording.state, recording.end_reason, recording.blame, recording.warnings, len(recording.pauses), attempts


def restored(backup_at: float, *, stop_after: float = 600, heard: bool = False, **asked: Any) -> Witness:
    """A life whose database is lost after 900 s, and put back to `backup_at` at `BACK`, history and all."""
    driver = Witness(make(**asked), **({} if heard else {"deliver": lambda event_type, number: []}))
    kept: list[tuple[Recording, int, int]] = []
    driver.at(backup_at, lambda: kept.append((driver.recording, len(driver.lines), len(driver.notices))))
    driver.request(stop_after, StopRequested())
    driver.at(900, lambda: driver.kill(BACK - 900))
    driver.at(BACK, lambda: _put_back(driver, *kept[0]))
    return driver


def _put_back(driver: Witness, recording: Recording, lines: int, notices: int) -> None:
    driver.recording, driver.reports = recording, {}
    del driver.lines[lines:], driver.notices[notices:]
    for attempt in recording.attempts:
        if attempt.may_be_alive and attempt.sid and not driver.task.live:
            driver.observe(TaskMissing(Call.QUERY))
    driver.observe(TaskFound(1, driver.agora.listed("pr/x/a1/")[-1][0], -1))


@pytest.mark.parametrize("heard", [True, False], ids=["with notices", "without any"])
@pytest.mark.parametrize(
    ("backup_at", "asked"),
    [
        (2, {"start_at": NOW + 60}),
        (2, {"start_at": NOW + 60, "stop_after": BACK + 400}),
        (2, {"start_at": NOW + 60, "stop_at": NOW + 500}),
        (0.15, {}),
        (0.25, {}),
        (0.3, {}),
        (0.3, {"stop_after": BACK + 400}),
        (3, {}),
        (300, {}),
        (300, {"stop_after": BACK + 400}),
    ],
    ids=[
        "planned",
        "planned, runs",
        "planned with a stop time",
        "no resource id yet",
        "not started yet",
        "start under way",
        "start under way, runs",
        "started",
        "recording",
        "recording, runs",
    ],
)
def test_of_a_restored_recording_the_rules_arrive_where_they_did(
    backup_at: float, asked: dict[str, Any], heard: bool
) -> None:
    driver = restored(backup_at, heard=heard, **asked)
    lived = driver.run()
    arrived, decisions = replay(driver.kept())
    assert [one.lines for one in decisions if one.observation is None] == []
    assert _end(arrived) == _end(lived)
    assert [one.resource_id for one in arrived.attempts] == [one.resource_id for one in lived.attempts]
    assert [line.kind for one in decisions for line in one.lines] == [line.kind for line in driver.lines]


def test_a_restored_task_that_was_adopted_is_followed_to_its_end() -> None:
    """The line of the adoption is taken as told, and gives the task its address; Agora's 404 is then its end."""
    driver = restored(2, start_at=NOW + 60, stop_after=BACK + 400)
    driver.at(BACK + 10, lambda: _adopt(driver))
    lived = driver.run()
    arrived, decisions = replay(driver.kept())
    told = [line.kind for one in decisions if one.observation is None for line in one.lines]
    assert told == ["adoption_corrected"]
    assert _end(arrived) == _end(lived)
    assert arrived.end_reason is EndReason.STOPPED
    assert [one.resource_id for one in arrived.attempts] == [one.resource_id for one in lived.attempts]


def _adopt(driver: Witness) -> None:
    """As `operations.adoption` completes a task that only the bucket knows."""
    (lost,), task = driver.recording.attempts, driver.task
    ids = {"uid": task.uid, "resource_id": task.rid, "resource_ids": (task.rid,)}
    right = replace(lost, **ids, next_query_at=driver.clock.now)
    driver.recording = replace(driver.recording, attempts=(right,), attention=None)
    driver.lines.append(Line(driver.clock.now, "adoption_corrected", "caller", {"uid": task.uid}))


@pytest.mark.parametrize("named", [True, False], ids=["with its sid", "without its sid"])
@pytest.mark.parametrize("over", [True, False], ids=["over", "runs"])
def test_of_an_adopted_recording_the_rules_arrive_where_they_did(named: bool, over: bool) -> None:
    driver = Witness(deliver=lambda event_type, number: [])
    driver.request(400 if over else BACK + 400, StopRequested())
    driver.at(900, lambda: driver.kill(BACK - 900))
    driver.at(BACK, lambda: _adopt_unknown(driver, named))
    lived = driver.run()
    arrived, _ = replay(driver.kept())
    assert _end(arrived) == _end(lived)


def _adopt_unknown(driver: Witness, named: bool) -> None:
    """As `operations.adoption` makes a task a recording that the database does not know."""
    task, now = driver.task, driver.clock.now
    running = Attempt(
        1, task.cname, task.uid, "pr/x/a1/", NOW, AttemptState.RUNNING, task.rid, (task.rid,), NOW, NOW,
        hours=1, sid=task.sid if named else None, started_at=NOW, next_query_at=now,
    )  # fmt: skip
    made = replace(make(), page=ADOPTED, state=State.STARTING, attempts=(running,), start_deadline_at=now + 120)
    driver.lines.clear()
    driver.reports = {}
    driver.recording = made
    driver._save_due()


def test_a_history_that_names_a_step_by_its_old_name_is_replayed() -> None:
    driver = Witness(make())
    driver.agora.faults["update"] = [Answer(503)]
    paused(driver)
    driver.run()
    failed = [line for line in driver.lines if line.kind == "call_failed"]
    assert {line.detail["call"] for line in failed} == {"update_onhold"}
    kept = driver.kept()
    old = [
        replace(line, detail={**line.detail, "call": "updateonhold"}) if line in failed else line
        for line in kept.history
    ]
    (ended, decisions), (old_ended, old_decisions) = replay(kept), replay(replace(kept, history=old))
    assert (ended.state, old_ended.state) == (driver.recording.state, driver.recording.state)
    assert [one.observation for one in decisions] == [one.observation for one in old_decisions]
