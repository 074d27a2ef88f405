"""A stop that is taken later than it was due says so, whatever was due, and says whether anybody worked then."""

from dataclasses import replace

import pytest
from lifecycle_agora import Answer
from lifecycle_driver import NOW, Driver, make

from service.explain import explain
from service.lifecycle import apply
from service.lifecycle.observations import (
    Acquire,
    Entry,
    GiveUp,
    PauseRequested,
    StepTaken,
    Stop,
    Stopped,
    StopRequested,
    TaskSeen,
)
from service.policy import Policy
from service.recording import AttemptState, EndReason, Parameters, Recording, State
from tests.database.samples import attempt
from tests.unit.test_explain import Line

HOUR = 3600


def silent(event_type: int, number: int) -> list[float]:
    return []


def warnings(entries: list[Entry]) -> list[tuple[str, float, str | None]]:
    said = [entry.detail for entry in entries if entry.kind == "warning"]
    found = [(str(detail["code"]), detail.get("late_seconds"), detail.get("because")) for detail in said]
    return [(code, float(seconds or 0), because and str(because)) for code, seconds, because in found]


def down(driver: Driver, after_seconds: float, until_seconds: float) -> list[tuple[str, float, str | None]]:
    """What is warned of where nobody works from then until then."""
    driver.at(after_seconds, lambda: driver.kill(until_seconds - after_seconds))
    driver.run()
    driver.check_over()
    return [each for each in warnings(driver.entries) if each[0].endswith("_late")]


def test_at_its_stop_time_nobody_worked() -> None:
    driver = Driver(make(stop_at=NOW + 100))
    ((code, seconds, because),) = down(driver, 50, 400)
    assert (code, because) == ("stop_late", "not_running")
    assert seconds == pytest.approx(300, abs=1)
    assert driver.recording.warnings == ("stop_late",)
    kinds = [entry.kind for entry in driver.entries]
    assert kinds.index("warning") == kinds.index("stop_accepted") - 1


def test_at_the_end_of_a_length_nobody_worked() -> None:
    ((code, seconds, because),) = down(Driver(make(record_for_seconds=100.0)), 50, 400)
    assert (code, because) == ("stop_late", "not_running")
    assert seconds == pytest.approx(295, abs=3)


def test_when_a_pause_was_over_nobody_worked() -> None:
    policy = Policy(max_pause_seconds=200)
    driver = Driver(make(policy=policy))
    driver.request(40, PauseRequested())
    found = down(driver, 60, 1000)
    assert [(code, because) for code, _, because in found] == [("stop_late", "not_running")]
    assert found[0][1] == pytest.approx(1000 - 40 - 200 - policy.watch_seconds, abs=1)


def test_at_the_start_deadline_nobody_worked() -> None:
    """The page is never ready: it is asked after once more, and then stopped."""
    driver = Driver(make())
    driver.agora._ready = lambda task: None  # type: ignore[method-assign]
    ((code, seconds, because),) = down(driver, 20, 700)
    assert (code, because) == ("stop_late", "not_running")
    assert seconds == pytest.approx(700 - 120, abs=2)


def test_at_the_hour_limit_nobody_worked() -> None:
    """Agora's own limit is longer by a start that was repeated: the task ran until the stop."""
    recording = running(started_at=NOW, hours=2)
    taken = StepTaken(Stop(EndReason.HOUR_LIMIT), 1, NOW + 30, NOW + HOUR + 500)
    change = apply(recording, taken, NOW + HOUR + 501)
    assert warnings(list(change.history)) == [("stop_late", 441, "not_running")]


def running(**changes: float) -> Recording:
    alive = attempt(
        1, "test-1", 7, state=AttemptState.RUNNING, sid="5" * 32, resource_id="r", recording_at=NOW,
        next_query_at=NOW + 30, **changes,
    )  # fmt: skip
    return replace(make(parameters=Parameters(max_recording_hour=1)), state=State.RECORDING, attempts=(alive,))


def test_a_callers_stop_met_no_worker() -> None:
    stopped = apply(running(started_at=NOW), StopRequested(), NOW + 60).recording
    late = apply(stopped, StepTaken(Stop(EndReason.STOPPED), 1, NOW + 60, NOW + 200), NOW + 201)
    assert warnings(list(late.history)) == [("stop_late", 141, "not_running")]
    not_taken = apply(stopped, StepTaken(Stop(EndReason.STOPPED), 1, NOW + 60, NOW), NOW + 201)
    assert warnings(list(not_taken.history)) == [("stop_late", 141, "not_taken")]
    again = apply(late.recording, StepTaken(Stop(EndReason.STOPPED), 1, NOW + 60, NOW + 200), NOW + 300)
    assert warnings(list(again.history)) == []


@pytest.mark.parametrize("after", [0.0, 9.9])
def test_a_moment_is_not_late(after: float) -> None:
    recording = replace(running(started_at=NOW), stop_at=NOW + 100)
    taken = StepTaken(Stop(EndReason.STOP_AT), 1, NOW + 30, NOW)
    assert warnings(list(apply(recording, taken, NOW + 100 + after).history)) == []


def test_what_waited_for_agora_was_not_late_by_our_doing() -> None:
    """Asked once more before the start is given up, the row is due anew."""
    alive = attempt(
        1,
        "test-1",
        7,
        state=AttemptState.RUNNING,
        sid="5" * 32,
        resource_id="r",
        started_at=NOW,
        next_query_at=NOW + 150,
    )
    waits = replace(make(), state=State.STARTING, attempts=(alive,))
    taken = StepTaken(GiveUp(EndReason.AGORA_UNAVAILABLE), 1, NOW + 139, NOW)
    assert warnings(list(apply(waits, taken, NOW + 140).history)) == []


def test_nothing_was_late_where_nothing_ran() -> None:
    driver = Driver(make(start_at=NOW + 100, stop_at=NOW + 130))
    assert down(driver, 50, 400) == []
    assert driver.recording.state is State.FAILED


def test_a_length_that_counts_late_says_by_how_much() -> None:
    """Notifications are lost, and nobody asked whether it records."""
    driver = Driver(make(record_for_seconds=60.0), deliver=silent)
    ((code, seconds, because),) = down(driver, 3, 303)
    assert (code, because) == ("length_late", None)
    assert 290 < seconds < 300
    assert driver.recording.recorded_from_at == pytest.approx(NOW + 303, abs=1)


def test_a_length_whose_beginning_agora_tells_counts_from_there() -> None:
    alive = attempt(
        1, "test-1", 7, state=AttemptState.RUNNING, sid="5" * 32, resource_id="r",
        start_sent_at=NOW, started_at=NOW, next_query_at=NOW + 5, recorder_start_at=NOW + 4,
    )  # fmt: skip
    waits = replace(make(record_for_seconds=60.0), state=State.STARTING, attempts=(alive,))
    change = apply(waits, TaskSeen(5), NOW + 300)
    assert warnings(list(change.history)) == []
    assert change.recording.stop_at == NOW + 64


@pytest.mark.parametrize(("failures", "said"), [(30, 1), (3, 0)], ids=["long", "a moment"])
def test_a_stop_that_agora_did_not_hear_says_how_long_the_task_ran_on(failures: int, said: int) -> None:
    driver = Driver(deliver=silent)
    driver.agora.faults["stop"] = [Answer(503)] * failures
    driver.request(301, StopRequested())
    driver.run()
    driver.check_over()
    accepted_at = driver.recording.attempts[0].stop_accepted_at
    assert accepted_at is not None
    late = pytest.approx(accepted_at - NOW - 301, abs=0.1)
    assert warnings(driver.entries) == [("stop_late", late, "not_accepted")] * said


def test_a_stop_that_agora_took_and_ignored_is_late_when_it_is_taken_again() -> None:
    ignored = replace(running(started_at=NOW, stop_sent_at=NOW + 60, stops=2), state=State.STOPPING)
    waits = replace(ignored, state_since_at=NOW + 60)
    assert warnings(list(apply(waits, Stopped(), NOW + 69).history)) == []
    late = apply(waits, Stopped(), NOW + 85)
    assert warnings(list(late.history)) == [("stop_late", 25, "not_accepted")]
    first = replace(waits, attempts=(replace(waits.attempts[0], stops=1),))
    assert warnings(list(apply(first, Stopped(), NOW + 85).history)) == [], "it could not be sent before"
    lost = apply(waits, Stopped(already=True), NOW + 85)
    assert warnings(list(lost.history)) == [], "one before was carried out, and only its answer was lost"


def test_at_its_start_nobody_worked() -> None:
    """It begins as soon as somebody does, within its deadline."""
    driver = Driver(make(start_at=NOW + 100, stop_at=NOW + 400))
    found = down(driver, 50, 160)
    assert found == [("start_late", pytest.approx(65, abs=1), "not_running")]
    kinds = [entry.kind for entry in driver.entries]
    assert kinds.index("warning") == kinds.index("attempt_planned") + 1
    assert driver.recording.warnings == ("start_late",)


@pytest.mark.parametrize("start_at", [None, NOW + 20.0])
def test_a_start_that_no_worker_took_is_late(start_at: float | None) -> None:
    recording = make(start_at=start_at)
    due_at = NOW if start_at is None else start_at - recording.policy.lead_seconds
    for after, said in ((9.9, []), (30.0, [("start_late", 30, "not_taken")])):
        taken = StepTaken(Acquire(new=True), 1, due_at, NOW - 10)
        assert warnings(list(apply(recording, taken, due_at + after).history)) == said
    held = StepTaken(Acquire(new=True), 1, due_at + 29, NOW - 10)
    assert warnings(list(apply(recording, held, due_at + 30).history)) == [], "it waited for a limit or a full disk"


def test_a_second_start_is_not_late() -> None:
    over = attempt(1, "test-1", 7, state=AttemptState.ENDED, ended_at=NOW + 10)
    again = replace(make(), state=State.STARTING, attempts=(over,), retry_at=NOW + 20)
    taken = StepTaken(Acquire(new=True), 2, NOW + 20, NOW + 60)
    assert warnings(list(apply(again, taken, NOW + 61).history)) == []


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (
            {"code": "start_late", "late_seconds": 65.0, "because": "not_running"},
            "Pagereel took its start 1 min 5 s late, because the service was not running when the start was due. "
            "Nothing was recorded before.",
        ),
        (
            {"code": "stop_late", "late_seconds": 312.0, "because": "not_running"},
            "Pagereel took its stop 5 min 12 s late, because the service was not running when the stop was due. Agora "
            "bills that time if its task ran.",
        ),
        (
            {"code": "stop_late", "late_seconds": 45, "because": "not_taken"},
            "Pagereel took its stop 45 s late, because no worker took the stop when it was due. Agora bills that time "
            "if its task ran.",
        ),
        (
            {"code": "length_late", "late_seconds": 60.0},
            "Pagereel asked Agora 1 min late whether it records, and its length counts from the answer. Agora bills "
            "that time if its task ran.",
        ),
        (
            {"code": "stop_late", "late_seconds": 40.0, "because": "not_accepted"},
            "Agora accepted its stop 40 s late, after it had been sent before. Agora bills that time if its task ran.",
        ),
        ({"code": "stop_late"}, None),
        ({"code": "stalled", "seconds": 70}, None),
    ],
    ids=["down at the start", "down", "not taken", "length", "not accepted", "replayed", "another warning"],
)
def test_explain_says_what_was_late(detail: dict[str, object], said: str | None) -> None:
    explained = explain(running(started_at=NOW), [Line("warning", NOW, "worker", detail)])
    assert (said is None) == ("late" not in explained.summary)
    if said is not None:
        assert explained.summary.endswith(f" {said}")
        assert explained.proof[-1].text.startswith(f"warning: {detail['code']}")
