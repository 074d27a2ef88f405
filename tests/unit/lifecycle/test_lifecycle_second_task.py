"""The task of an attempt ends while the start that probes for it goes unanswered: that start may make another one under
the same channel name and uid. It is found, and is no orphan."""

from collections.abc import Callable

import pytest
from lifecycle_driver import NOW, Driver, make

from service.lifecycle.observations import StopRequested
from service.policy import Policy
from service.recording import AttemptState, State

# The first start makes a task and is not answered, its repetitions never arrive; then a probe makes another task.
UNANSWERED = ["answer_lost", "lost", "lost", "lost", "answer_lost"]
PROBED_SECONDS = 80


def silent(event_type: int, number: int) -> list[float]:
    return []


def ends_alone(event_type: int, number: int) -> list[float]:
    return [7] if event_type in (11, 71) else []


def late(event_type: int, number: int) -> list[float]:
    return [100] if event_type in (11, 70, 71) else []


def run(
    deliver: Callable[[int, int], list[float]], dies_after: float, *, stop_after: float = 600, more: int = 0
) -> Driver:
    driver = Driver(make(policy=Policy(start_within_seconds=900)), deliver=deliver)
    driver.agora.faults["start"] = UNANSWERED + ["answer_lost"] * more
    driver.agora.page_dies = [(dies_after, 5)]
    driver.agora.bucket_down = [(NOW, NOW + PROBED_SECONDS)]  # else the first task is found there before the probe
    driver.request(stop_after, StopRequested())
    driver.run()
    return driver


@pytest.mark.parametrize("deliver", [silent, ends_alone, late])
@pytest.mark.parametrize("more", [0, 1, 4])
@pytest.mark.parametrize("dies_after", [3, 30, 60, PROBED_SECONDS - 8, PROBED_SECONDS - 3, PROBED_SECONDS + 2])
def test_a_second_task_of_an_attempt_is_found_and_stopped(
    deliver: Callable[[int, int], list[float]], dies_after: float, more: int
) -> None:
    driver = run(deliver, dies_after, more=more)
    driver.check_over()
    ended = [task.ended_at for task in driver.agora.tasks]
    assert all(at is not None and at < NOW + 660 for at in ended), driver.story()


def test_the_end_of_the_first_task_is_not_taken_for_that_of_the_attempt() -> None:
    driver = run(ends_alone, PROBED_SECONDS - 3)
    first, second, *_ = driver.agora.tasks
    attempt = driver.recording.attempts[0]
    assert (attempt.past_sids, attempt.sid) == ((first.sid,), second.sid), driver.story()
    assert [entry.detail["sid"] for entry in driver.entries if entry.kind == "task_over"] == [first.sid]
    assert driver.recording.state is State.VERIFIED


def test_stopped_while_nobody_knows_of_the_second_task_it_does_not_outlast_the_stop() -> None:
    driver = run(ends_alone, PROBED_SECONDS - 3, stop_after=PROBED_SECONDS + 1)
    driver.check_over()
    assert all((task.ended_at or 0) < NOW + PROBED_SECONDS + 120 for task in driver.agora.tasks), driver.story()


def test_a_task_seen_alive_when_every_start_had_come_or_gone_has_no_other_after_it() -> None:
    driver = run(silent, 500)
    assert len(driver.agora.tasks) == 1
    assert driver.recording.attempts[0].state is AttemptState.ENDED
    assert not driver.recording.attempts[0].past_sids


@pytest.mark.parametrize("heard", [70, 33])
def test_a_task_that_a_start_makes_when_all_is_over_is_stopped_as_soon_as_it_is_heard_of(heard: int) -> None:
    driver = Driver(deliver=lambda event_type, number: [0.3] if event_type in (heard, 71) else [])
    driver.agora.faults["start"] = ["lost"] * 4
    driver.request(100, StopRequested())

    def arrive() -> None:
        attempt = driver.recording.attempts[0]
        assert attempt.state is AttemptState.ENDED
        where = {"rid": attempt.resource_ids[0], "prefix": attempt.prefix, "hours": 1, "onhold": False}
        driver.agora.call("start", cname=attempt.cname, uid=attempt.uid, **where)

    driver.at(250, arrive)
    driver.run()
    known, late_one = driver.agora.tasks
    assert (late_one.ended_at or 0) < NOW + 250 + 100, driver.story()
    attempt = driver.recording.attempts[0]
    assert (attempt.past_sids, attempt.sid) == ((known.sid,), late_one.sid)
    assert "recorder_alive_after_end" in driver.recording.warnings
    driver.check_over()
