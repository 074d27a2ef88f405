"""Every state against every observation, generated: nothing raises but a caller's conflict, states change only along
the arrows of docs/states.md, terminal states not at all, and whatever is not at its end has something to wait for."""

from dataclasses import dataclass, replace
from typing import get_args

import pytest
from lifecycle_driver import NOW, Driver, make

from service.errors import Code, ServiceError
from service.lifecycle import apply, next_step
from service.lifecycle.observations import (
    Acquire,
    Acquired,
    Call,
    CallFailed,
    Failure,
    GiveUp,
    Judged,
    LabelsChanged,
    Limited,
    Look,
    Looked,
    LookFailed,
    LookHeldUp,
    NoticeReceived,
    Observation,
    PageTried,
    PauseRequested,
    Query,
    ResumeRequested,
    RtmpRequested,
    Start,
    Started,
    Step,
    StepTaken,
    Stop,
    StopAtChanged,
    Stopped,
    StopRequested,
    TaskFound,
    TaskMissing,
    TaskSeen,
    Updated,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    Verify,
    VerifyRequested,
    Wait,
    Warn,
)
from service.policy import Policy
from service.recording import Attempt, AttemptState, EndReason, Notice, Recording, State
from service.report import Level, Report, Verdict

SID = "5" * 32
STEPS: list[Step] = [
    Acquire(new=True),
    Acquire(new=False),
    Start(1),
    Query(),
    UpdateOnhold(True),
    UpdateOnhold(False),
    UpdateRtmp(1),
    UpdateStorage(),
    Stop(EndReason.STOP_AT),
    Look(),
    Verify(),
    GiveUp(EndReason.CAPACITY),
    Warn("pause_too_long"),
]
LEFTOVER_STEPS: list[Step] = [Query(1), Stop(EndReason.STOPPED, 1), GiveUp(EndReason.HOUR_LIMIT, 1)]
CODES = ["task_conflict", "resource_expired", "capacity", "transport", "bad_parameter", "resource_mismatch"]


def _notices() -> list[Notice]:
    details: dict[int, list[dict[str, object]]] = {
        1: [{"module": 1, "errorLevel": 5}, {"module": "x", "errorLevel": None}],
        4: [{"fileList": "a.m3u8"}, {"fileList": {"x": 1}}],
        71: [{"code": code, "fileList": [{"filename": "a.m3u8"}, 7, {}]} for code in (0, 1, 2, 3, 4, 5, 6, 99, "x")],
        70: [{}, {"recorderStartTime": (NOW + 1000) * 1000}, {"recorderStartTime": "x"}],
    }
    return [
        Notice(f"n-{event}-{sid[:1]}-{uid}", event, NOW, NOW + 999, "test", uid, sid, sequence, 0, detail)
        for event in (1, 2, 3, 4, 11, 12, 13, 30, 31, 32, 33, 34, 70, 71, 72, 73, 100, 1001, -1)
        for sid, uid in ((SID, "7"), ("", "7"), (SID, "8"), ("9" * 32, "7"), ("", ""))
        for sequence in (None, 3)
        for detail in details.get(event, [{}])
    ]


def _observations() -> list[Observation]:
    found: list[Observation] = [StopRequested(), PauseRequested(), ResumeRequested(), RtmpRequested("rtmp://x")]
    found += [StopAtChanged(NOW + 1800), StopAtChanged(NOW + 10**6), LabelsChanged({"a": "b"}), VerifyRequested()]
    found += [StepTaken(step, 8) for step in STEPS]
    found += [
        Limited("app_max_concurrent"),
        PageTried(readable=True),
        PageTried(readable=False),
        *(TaskFound(number, "9" * 32, -number) for number in (1, 2, 3)),
        Acquired("resource-9"),
        Started(SID),
        Started("9" * 32),
        Started(None, sts=True),
    ]
    found += [TaskSeen(status, onhold) for status in (*range(-1, 9), 20, 99) for onhold in (None, True, False)]
    found += [TaskSeen(5, False, exited=True), TaskSeen(5, True, files=("a.m3u8",))]
    found += [TaskMissing(call) for call in Call]
    found += [Updated(UpdateOnhold(True)), Updated(UpdateOnhold(False)), Updated(UpdateRtmp(1))]
    found += [Updated(UpdateStorage()), Updated(UpdateStorage(), sts=False), Stopped(), Stopped(nothing_recorded=True)]
    found += [CallFailed(step, failure, code, "d", 5) for step in STEPS for failure in Failure for code in CODES]
    found += [TaskSeen(status, leftover=1) for status in (2, 5, 6, 20)] + [
        TaskMissing(Call.QUERY, 1),
        Stopped(leftover=1),
    ]
    found += [StepTaken(step, 8) for step in LEFTOVER_STEPS] + [Started(SID, attempt=1)]
    found += [CallFailed(step, failure, "transport") for step in LEFTOVER_STEPS[:2] for failure in Failure]
    found += [Looked(1, 10, "k", NOW, {1: SID, 2: SID, 7: "x"}), Looked(0, 0, "", None), LookFailed("transport", "")]
    found += [Looked(1, 10, "k", NOW, began_at=NOW + 90), LookHeldUp("storage_unreachable", "no answer"), LookHeldUp()]
    found += [Judged(Report(verdict, Level.LISTING, NOW)) for verdict in Verdict]
    found += [NoticeReceived(notice) for notice in _notices()]
    return found


OBSERVATIONS = _observations()


@dataclass(frozen=True)
class Case:
    name: str
    recording: Recording


def _attempt(state: AttemptState, **changes: object) -> Attempt:
    sent = {} if state in (AttemptState.PLANNED, AttemptState.ACQUIRED) else {"start_sent_at": NOW + 1, "sends": 1}
    known = {} if state is AttemptState.PLANNED else {"resource_id": "r1", "resource_ids": ("r1",), "acquired_at": NOW}
    attempt = Attempt(1, "test", 7, "pr/x/a1/", NOW, state=state)
    return replace(attempt, **{**sent, **known, **changes})  # type: ignore[arg-type]


def _lives(state: State) -> dict[str, Attempt]:
    """The attempts that a recording in this state may have."""
    running = {"sid": SID, "started_at": NOW + 1, "next_query_at": NOW + 5}
    recorded = {**running, "recording_at": NOW + 6, "stop_sent_at": NOW + 100}
    ended = {**recorded, "ended_at": NOW + 200, "ended_proof": "404"}
    begun = {
        "undecided": _attempt(AttemptState.UNKNOWN, undecided=True, resource_ids=("r1", "r2")),
        "sent": _attempt(AttemptState.START_SENT),
        "without sid": _attempt(AttemptState.RUNNING, started_at=NOW + 1),
        "running": _attempt(AttemptState.RUNNING, **running),
    }
    if state is State.STARTING:
        planned = {one.value: _attempt(one) for one in (AttemptState.PLANNED, AttemptState.ACQUIRED)}
        return planned | begun | {"ended, restart due": _attempt(AttemptState.ENDED, **ended)}
    if state is State.RECORDING:
        held = {**recorded, "onhold": True, "update_sent_at": NOW + 60}
        return {
            "recorded": _attempt(AttemptState.RUNNING, **recorded),
            "held": _attempt(AttemptState.RUNNING, **held),
            "missing": _attempt(AttemptState.RUNNING, **recorded, missing_since_at=NOW + 300),
            "told": _attempt(AttemptState.RUNNING, **recorded, missing_since_at=NOW + 300, told_ended="session_exit"),
        }
    if state is State.STOPPING:
        accepted = _attempt(AttemptState.STOPPING, **recorded, stop_accepted_at=NOW + 101)
        return begun | {"recorded": _attempt(AttemptState.RUNNING, **recorded), "accepted": accepted}
    if state.terminal:
        alive = {"revived": _attempt(AttemptState.RUNNING, **recorded)}
        return alive | {
            "never started": _attempt(AttemptState.ENDED, ended_at=NOW),
            "over": _attempt(AttemptState.ENDED, **ended),
        }
    return {"over": _attempt(AttemptState.ENDED, **ended)}


def _cases() -> list[Case]:
    cases = [Case("requested", make())]
    for state in State:
        if state is State.REQUESTED:
            continue
        for name, attempt in _lives(state).items():
            over = state.terminal or state in (State.UPLOADING, State.VERIFYING, State.INCOMPLETE, State.STOPPING)
            for restart in (False,) if over else (False, True):
                recording = replace(
                    make(policy=Policy(restart=restart)),
                    state=state,
                    attempts=(attempt,),
                    rtmp="rtmp://host",
                    end_reason=EndReason.STOPPED if over else None,
                    start_deadline_at=NOW + 2000,
                    give_up_at=NOW + 5000 if state in (State.VERIFYING, State.INCOMPLETE) else None,
                )
                cases.append(Case(f"{state}, {name}{', may restart' if restart else ''}", recording))
                if not restart and (
                    state in (State.STARTING, State.RECORDING, State.STOPPING) or state is State.VERIFIED
                ):
                    cases.append(Case(f"{cases[-1].name}, beside an older one", _beside_older(recording)))
    return cases


def _beside_older(recording: Recording) -> Recording:
    """The same with an older attempt that was believed over and proved alive."""
    known = {"sid": "4" * 32, "started_at": NOW, "recording_at": NOW + 6, "next_query_at": NOW + 140}
    older = replace(_attempt(AttemptState.RUNNING, **known), uid=6)
    newest = replace(recording.attempts[0], number=2)
    return replace(recording, attempts=(older, newest))


CASES = _cases()
LOOKS = {State.UPLOADING, State.VERIFYING, State.INCOMPLETE}
ENDS = {State.VERIFIED, State.DEFECTIVE, State.UNPROVEN}
NOTHING = {State.FAILED, State.CANCELLED}
# docs/states.md; `stopping` again from the looks: a recorder proved alive.
ARROWS = {
    State.REQUESTED: {State.STARTING, *NOTHING},
    State.STARTING: {State.RECORDING, State.STOPPING, State.UPLOADING, *NOTHING},
    State.RECORDING: {State.STARTING, State.STOPPING, State.UPLOADING},
    State.STOPPING: {State.UPLOADING, *NOTHING},
    State.UPLOADING: {State.VERIFYING, State.STOPPING, State.INCOMPLETE, *ENDS, *NOTHING},
    State.VERIFYING: {State.STOPPING, State.INCOMPLETE, *ENDS, *NOTHING},
    State.INCOMPLETE: {State.STOPPING, *ENDS, *NOTHING},
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_observation_is_borne_in_every_state(case: Case) -> None:
    for observation in OBSERVATIONS:
        for now in (NOW + 150, NOW + 1000, NOW + 10000):
            after = _applied(case.recording, observation, now)
            allowed = ARROWS.get(case.recording.state, set()) | {case.recording.state}
            assert after.state in allowed, (observation, after.state)
            _check(case.recording, after, observation, now)


def _applied(recording: Recording, observation: Observation, now: float) -> Recording:
    """A caller's conflict changes nothing."""
    try:
        return apply(recording, observation, now).recording
    except ServiceError as error:
        if error.code is not Code.CONFLICT:
            raise
        return recording


def _check(before: Recording, after: Recording, observation: Observation, now: float) -> None:
    step = next_step(after, now)
    if not after.state.terminal:
        assert step != Wait(None), observation
        assert any(attempt.may_be_alive for attempt in after.attempts) or after.state is not State.STOPPING
    else:
        assert after.end_reason is before.end_reason or not before.state.terminal
        if not before.state.terminal:
            assert not any(attempt.may_be_alive for attempt in after.attempts), "at its end nothing may be alive"
    if after.state in (State.UPLOADING, State.VERIFYING, State.INCOMPLETE):
        assert not any(attempt.may_be_alive for attempt in after.attempts)
        assert after.end_reason is not None
    if len(after.attempts) > len(before.attempts):
        assert not any(attempt.may_be_alive for attempt in before.attempts)
        assert isinstance(observation, StepTaken | TaskFound)


def test_every_kind_of_observation_is_in_the_table() -> None:
    assert {type(one) for one in OBSERVATIONS} == set(get_args(Observation))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_conflict_comes_from_callers_alone(case: Case) -> None:
    callers = (StopRequested, PauseRequested, ResumeRequested, RtmpRequested, StopAtChanged, VerifyRequested)
    for observation in OBSERVATIONS:
        if not isinstance(observation, callers):
            apply(case.recording, observation, NOW + 1000)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_notice_that_comes_twice_does_what_it_does_once(case: Case) -> None:
    for observation in OBSERVATIONS:
        if isinstance(observation, NoticeReceived):
            once = apply(case.recording, observation, NOW + 1000).recording
            twice = apply(once, observation, NOW + 1000).recording
            assert replace(twice, history=once.history) == once, observation


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_step_that_needs_no_call_makes_progress(case: Case) -> None:
    for now in (NOW + 1, NOW + 1000, NOW + 10**5, NOW + 10**7):
        recording = case.recording
        for _ in range(4):
            step = next_step(recording, now)
            if not isinstance(step, GiveUp | Warn):
                break
            recording = apply(recording, StepTaken(step, 9), now).recording
        else:
            pytest.fail(f"{step} for ever")


def test_jitter_and_steps_are_the_same_whenever_they_are_asked_for() -> None:
    first, second = Driver(), Driver()
    for driver in (first, second):
        driver.request(600, StopRequested())
        driver.run()
    assert first.steps == second.steps
    assert first.recording == second.recording
