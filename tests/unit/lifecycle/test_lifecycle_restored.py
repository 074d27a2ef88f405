"""A database was put back to before the start of a task: the bucket shows the task, and whether it has ended."""

from collections.abc import Callable
from typing import Any

import pytest
from lifecycle_driver import NOW, Driver, make

from service.explain import explain
from service.lifecycle import apply
from service.lifecycle.deadlines import ran_until
from service.lifecycle.observations import Call, NoticeReceived, StopRequested, TaskFound, TaskMissing
from service.operations.recordings.writing import ledger_rows
from service.recording import Blame, EndReason, Notice, Parameters, Recording, State

BACK = 3000.0


def silent(event_type: int, number: int) -> list[float]:
    return []


def restored(
    backup_at: float, *, stop_after: float | None = 600, make_driver: Callable[..., Driver] = Driver, **changes: Any
) -> Driver:
    """A service whose database is lost after 900 s, and is as it was after `backup_at` seconds from `BACK` on."""
    driver = make_driver(make(parameters=Parameters(max_recording_hour=3), **changes), deliver=silent)
    kept: list[Recording] = []
    driver.at(backup_at, lambda: kept.append(driver.recording))
    if stop_after is not None:
        driver.request(stop_after, StopRequested())
    driver.at(900, lambda: driver.kill(BACK - 900))
    driver.at(BACK, lambda: _put_back(driver, kept[0]))
    return driver


def _put_back(driver: Driver, kept: Recording) -> None:
    """As `reconciler` asks Agora and the bucket."""
    driver.recording = kept
    driver.entries.clear()
    for attempt in kept.attempts:
        if attempt.may_be_alive and attempt.sid and not driver.task.live:
            driver.observe(TaskMissing(Call.QUERY))
    listed = driver.agora.listed("pr/x/a1/")
    driver.observe(TaskFound(1, listed[-1][0], -1))


def test_a_task_that_ended_before_the_restore_is_judged_now() -> None:
    """It was not in the backup yet; Agora did not fail, and nothing is billed to the hour limit."""
    driver = restored(2, start_at=NOW + 60)
    recording = driver.run()
    driver.check_over()
    assert (recording.state, recording.end_reason, recording.blame) == (State.VERIFIED, EndReason.RESTORED, Blame.US)
    assert driver.first(State.UPLOADING) < BACK
    assert driver.states[-1][0] - NOW < BACK + 10
    assert [entry.detail.get("proof") for entry in driver.entries if entry.kind == "attempt_ended"] == [
        "playlist_ended"
    ]
    assert recording.warnings == ()
    (row,) = ledger_rows(recording)
    assert row.started_at == NOW + 55, "as planned, before `start_at`"
    assert row.ended_at == pytest.approx(NOW + 600, abs=20)
    assert ran_until(recording, recording.attempts[0]) == row.ended_at


def test_a_stop_time_that_had_passed_by_its_end_is_why() -> None:
    recording = restored(2, start_at=NOW + 60, stop_at=NOW + 500, stop_after=None).run()
    assert (recording.end_reason, recording.blame) == (EndReason.STOP_AT, Blame.CALLER)


def test_a_task_that_was_planned_in_the_backup_began_when_it_was_planned() -> None:
    recording = restored(0.15).run()
    assert recording.end_reason is EndReason.RESTORED
    assert [row.started_at for row in ledger_rows(recording)] == [NOW]


def test_a_task_whose_start_was_under_way_in_the_backup_is_asked_after() -> None:
    """Its resource id is known: it is Agora that says that it ended, and it is not given up as never started."""
    driver = restored(0.3)
    recording = driver.run()
    assert (recording.end_reason, recording.attempts[0].ended_proof) == (EndReason.ENDED_BY_ITSELF, "404")
    assert len(driver.agora.tasks) == 1
    assert "gave_up" not in [entry.kind for entry in driver.entries]


def test_a_task_whose_start_was_under_way_in_the_backup_and_that_runs_is_recorded_on() -> None:
    driver = restored(0.3, stop_after=BACK + 600)
    recording = driver.run()
    driver.check_over()
    assert (recording.state, recording.end_reason) == (State.VERIFIED, EndReason.STOPPED)
    assert ran_until(recording, recording.attempts[0]) == pytest.approx(NOW + BACK + 600, abs=20)


def test_a_lost_task_that_runs_is_looked_at_until_its_playlist_is_complete() -> None:
    driver = restored(2, start_at=NOW + 60, stop_after=None)
    driver.at(BACK + 1000, lambda: driver.agora.call("stop", rid=driver.task.rid, sid=driver.task.sid))
    recording = driver.run()
    assert recording.end_reason is EndReason.RESTORED, "it was not given up at its start deadline"
    assert driver.states[-1][0] - NOW < BACK + 1000 + 300


def test_a_notification_of_its_end_is_believed_at_once() -> None:
    """Agora cannot be asked, and the playlist of a recorder that broke down may never be complete."""
    lost = restored(2, start_at=NOW + 60, stop_after=None)
    lost.run(until=NOW + BACK + 30)
    sid = lost.recording.attempts[0].sid or ""
    sent_at = NOW + BACK + 20
    notice = Notice("n", 71, sent_at, sent_at, "test-1", "77", sid, None, 0, {"code": 6})
    over = apply(lost.recording, NoticeReceived(notice), NOW + BACK + 30).recording
    assert (over.state, over.end_reason, over.attempts[0].ended_at) == (
        State.UPLOADING,
        EndReason.RECORDER_ERROR,
        sent_at,
    )


def test_explain_says_that_the_reason_was_not_in_the_backup() -> None:
    driver = restored(2, start_at=NOW + 60)
    recording = driver.run()
    explained = explain(recording, [])
    assert "ended after the backup that the database was restored from" in explained.summary
