"""Random worlds: notices lost, doubled, late and out of order, calls that fail in every ambiguous way, kills, a caller
that changes its mind. Whatever happens, the end is that of the clean run, and it costs no second task."""

from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from lifecycle_agora import Answer
from lifecycle_driver import NOW, Driver, make

from service.lifecycle.observations import PauseRequested, ResumeRequested, StopRequested
from service.policy import Policy
from service.recording import EndReason, State

HOUR = 3600
DELAYS = st.lists(st.sampled_from([0.2, 1.0, 7.0, 45.0, 400.0, 86400.0]), max_size=3)
STARTS: list[Any] = [
    Answer(206, 65),
    Answer(500, 62),
    Answer(429),
    Answer(500, 502),
    "lost",
    "answer_lost",
    Answer(400, 433),
]
CALLS: list[Any] = [Answer(206, 65), Answer(504, 62), Answer(429), "lost", "answer_lost", Answer(500, 0)]
# 3, 4 and 5 say that the page was never recorded (agora-reference §8.5).
DEATHS = [*((3.0, code) for code in range(7)), *((seconds, code) for seconds in (20.0, 200.0) for code in (0, 2, 6))]
KILLS = st.dictionaries(
    st.tuples(st.integers(1, 25), st.sampled_from(["before", "after"])), st.sampled_from([5.0, 60.0]), max_size=3
)
patient = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _clean(plot: str, recording: Any) -> Driver:
    driver = Driver(recording)
    _plot(driver, plot)
    driver.run()
    return driver


def _plot(driver: Driver, plot: str) -> None:
    if plot == "page dies":
        driver.agora.page_dies = [(300, 6)]
    elif plot == "unreachable":
        driver.agora.page_dies = [(3, 5)]
    else:
        if plot == "paused":
            driver.request(200, PauseRequested())
            driver.request(300, ResumeRequested())
        if plot == "failover":
            driver.at(300, lambda: driver.agora.tasks and driver.agora.fail_over(driver.task, 80))
        driver.request(700, StopRequested())


@patient
@given(
    plot=st.sampled_from(["stopped", "paused", "failover", "page dies", "unreachable"]),
    delays=st.lists(DELAYS, min_size=40, max_size=40),
    poll_seconds=st.sampled_from([0.0, 1.0]),
)
def test_lost_doubled_and_reordered_notices_lead_to_the_end_of_the_clean_run(
    plot: str, delays: list[list[float]], poll_seconds: float
) -> None:
    clean = _clean(plot, make())
    driver = Driver(make(), deliver=lambda event_type, number: delays[number % 40], poll_seconds=poll_seconds)
    _plot(driver, plot)
    driver.run()
    driver.check_over()
    clean.check_over()
    assert driver.recording.state is clean.recording.state
    assert len(driver.recording.attempts) == 1
    same_reason = driver.recording.end_reason is clean.recording.end_reason
    # Only a notice can say why a task ended by itself.
    assert same_reason or driver.recording.end_reason is EndReason.ENDED_BY_ITSELF


@patient
@given(
    plot=st.sampled_from(["stopped", "paused", "failover"]),
    starts=st.lists(st.sampled_from(STARTS), max_size=3),
    queries=st.lists(st.sampled_from(CALLS), max_size=4),
    stops=st.lists(st.sampled_from(CALLS), max_size=4),
    updates=st.lists(st.sampled_from(CALLS), max_size=4),
    kills=KILLS,
    heard=st.booleans(),
    poll_seconds=st.sampled_from([0.0, 1.0]),
)
def test_failing_calls_and_kills_lead_to_the_end_of_the_clean_run(
    plot: str,
    starts: list[Any],
    queries: list[Any],
    stops: list[Any],
    updates: list[Any],
    kills: dict[tuple[int, str], float],
    heard: bool,
    poll_seconds: float,
) -> None:
    patience = make(policy=Policy(start_within_seconds=600))
    driver = Driver(
        patience,
        deliver=lambda event_type, number: [0.3] if heard else [],
        kills=kills,
        poll_seconds=poll_seconds,
    )
    driver.agora.faults.update(start=starts, query=queries, stop=stops, update=updates)
    _plot(driver, plot)
    driver.run()
    driver.check_over()
    assert driver.recording.state is State.VERIFIED
    assert driver.recording.end_reason is EndReason.STOPPED
    assert len(driver.agora.tasks) == len(driver.recording.attempts) == 1
    stop_at = driver.task.ended_at
    assert stop_at is not None
    assert stop_at <= NOW + 700 + 400
    if plot == "paused":
        assert [onhold for _, onhold in driver.task.held][-1:] in ([], [False])


@patient
@given(
    wishes=st.lists(
        st.tuples(
            st.sampled_from([0.05, 0.15, 0.25, 3.0, 7.0, 30.0, 31.0, 90.0, 100.0, 400.0]),
            st.sampled_from([StopRequested(), PauseRequested(), ResumeRequested()]),
        ),
        max_size=5,
    ),
    dies=st.lists(st.sampled_from(DEATHS), max_size=2),
    starts=st.lists(st.sampled_from([*STARTS, Answer(400, 2)]), max_size=6),
    outage=st.tuples(st.integers(0, 900), st.integers(0, 900)),
    down=st.tuples(st.integers(0, 900), st.sampled_from([0, 30, 400, 2 * HOUR])),
    delays=st.lists(DELAYS, min_size=40, max_size=40),
    kills=KILLS,
)
def test_whatever_happens_every_recording_ends_with_never_two_tasks_and_none_left(
    wishes: list[Any],
    dies: list[Any],
    starts: list[Any],
    outage: tuple[int, int],
    down: tuple[int, int],
    delays: list[list[float]],
    kills: dict[tuple[int, str], float],
) -> None:
    driver = Driver(
        make(policy=Policy(restart=True)), deliver=lambda event_type, number: delays[number % 40], kills=kills
    )
    driver.agora.faults["start"] = starts
    driver.agora.page_dies = dies
    driver.agora.outages = [(NOW + outage[0], NOW + outage[0] + outage[1])]
    for after, wish in wishes:
        driver.request(after, wish)
    driver.at(down[0], lambda: driver.kill(down[1]))
    driver.run()
    driver.check_over()
    recorded = any(task.slices for task in driver.agora.tasks)
    note(driver.story())
    assert driver.recording.state in (
        {State.VERIFIED} if recorded else {State.FAILED, State.CANCELLED, State.DEFECTIVE}
    )
    assert driver.recording.end_reason is not None
    assert all(pause.to_at is not None for pause in driver.recording.pauses)
    assert len(driver.entries) == driver.recording.history
