"""A tiny deterministic worker: claims the step that the row says is due, writes it down, makes its call to the
simulated Agora, reports the answer. It can be killed at any boundary, and knows nothing but the row afterwards."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lifecycle_agora import SLICE_SECONDS, UPLOAD_SECONDS, Agora, Answer, Clock, Task

from metrics.agora import Operation
from service.agora.refusals import Fault, refusal, unclear
from service.agora.refusals import TaskMissing as NoSuchTask
from service.database.documents import decode_recording, encode
from service.errors import Refused, ServiceError, Unavailable
from service.lifecycle import apply, next_step
from service.lifecycle.observations import (
    Acquire,
    Acquired,
    Call,
    CallFailed,
    Entry,
    Failure,
    GiveUp,
    Judged,
    Look,
    Looked,
    LookFailed,
    NoticeReceived,
    Observation,
    Query,
    Start,
    Started,
    Step,
    StepTaken,
    Stop,
    Stopped,
    TaskMissing,
    TaskSeen,
    Updated,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    Verify,
    Wait,
    Warn,
)
from service.media.expectation import expectation
from service.policy import Policy
from service.recording import Attempt, AttemptState, EndReason, Location, Notice, Parameters, Recording, State
from service.report import Coverage, FileKind, Interval, JudgedFile, Level, Report, Verdict

NOW = 1_700_000_000.0
ULID = "01JZZZZZZZZZZZZZZZZZZZZZZZ"
LOCATION = Location(vendor=1, region=0, bucket="lessons", endpoint=None, path_style=False, prefix=("pr", "x"))
TIMEOUT_SECONDS = 15.0
MOST_STEPS = 5000


def make(*, policy: Policy | None = None, **changes: Any) -> Recording:
    """A recording as `admit` makes it at `NOW`."""
    policy = policy or Policy()
    start_at = changes.get("start_at")
    parameters = changes.setdefault("parameters", Parameters(max_recording_hour=1))
    wanted_at = start_at if start_at is not None else NOW
    made = Recording(
        id=f"rec_{ULID}",
        owner="school",
        app="main",
        storage="archive",
        location=LOCATION,
        policy=policy,
        page="https://example.org/room?…",
        rtmp=None,
        requested_at=NOW,
        cname=f"test-{ULID.lower()}",
        start_deadline_at=wanted_at + policy.start_within_seconds,
        state_since_at=NOW,
        window_from_at=None if parameters.onhold else wanted_at,
        pause_wished=parameters.onhold,
        pause_wished_at=wanted_at if parameters.onhold else None,
        **changes,
    )
    return made


class Driver:
    """`poll_seconds` 0: every change wakes the worker. Otherwise nothing ever does: it looks that often at the due
    times that were written into the row. `deliver`: after how many seconds, each, a notice arrives; none: it is lost.
    """

    def __init__(
        self,
        recording: Recording | None = None,
        *,
        poll_seconds: float = 0,
        deliver: Callable[[int, int], list[float]] = lambda event_type, number: [0.3],
        kills: dict[tuple[int, str], float] | None = None,
    ) -> None:
        self.clock = Clock(NOW)
        self.agora = Agora(self.clock, self._post)
        self.recording = recording or make()
        self.entries: list[Entry] = []
        self.states: list[tuple[float, State]] = [(NOW, self.recording.state)]
        self.attentions: list[tuple[float, str]] = []
        self.steps: list[tuple[float, Step]] = []
        self.refused: list[ServiceError] = []
        self.defect = False
        self._poll_seconds = poll_seconds
        self._deliver = deliver
        self._kills = kills or {}
        self._notices = 0
        self._busy = False
        self._life = 0
        self._down_until = -math.inf
        self._due_at: float | None = None
        self._uids = iter(range(1, 10_000))
        self._save_due()

    # --- from outside ---

    def run(self, *, until: float = NOW + 40 * 86400) -> Recording:
        """Run until everything has come to rest, or to `until`."""
        self.clock.run(until)
        return self.recording

    def request(self, after_seconds: float, observation: Observation) -> None:
        """What a caller asks for; one whose request meets a dead process asks again."""

        def ask() -> None:
            if self.clock.now < self._down_until:
                self.clock.at(self._down_until, ask)
                return
            try:
                self.observe(observation)
            except ServiceError as error:
                self.refused.append(error)

        self.clock.at(NOW + after_seconds, ask)

    def at(self, after_seconds: float, event: Callable[[], object]) -> None:
        self.clock.at(NOW + after_seconds, lambda: (event(), None)[1])

    def kill(self, down_seconds: float) -> None:
        """The process dies now: a call under way is not reported."""
        self.recording = decode_recording(encode(self.recording))  # what the next process reads is what was stored
        self._life += 1
        self._busy = False
        self._down_until = self.clock.now + down_seconds
        self._claim_due()

    @property
    def task(self) -> Task:
        return self.agora.tasks[-1]

    # --- the row ---

    def observe(self, observation: Observation) -> None:
        before = self.recording
        change = apply(before, observation, self.clock.now)
        after = change.recording
        if before.state.terminal:
            assert after.state is before.state, "a terminal state never changes"
            guessed = before.end_reason is EndReason.ENDED_BY_ITSELF  # gives way to what Agora says
            assert guessed or after.end_reason is before.end_reason
        if sum(attempt.may_be_alive for attempt in after.attempts) > 1:  # only where one thought dead came to life
            assert sum(attempt.may_be_alive for attempt in before.attempts) > 1 or _revived(before, after)
        assert [attempt.number for attempt in after.attempts] == list(range(1, len(after.attempts) + 1))
        assert len({attempt.uid for attempt in after.attempts}) == len(after.attempts)
        self.entries += change.history
        told = [entry.detail["state"] for entry in change.history if entry.kind == "state"]
        assert (not told and after.state is before.state) or told[-1] == after.state
        self.states += [(self.clock.now, State(str(state))) for state in told]
        self.attentions += [
            (self.clock.now, str(entry.detail["code"])) for entry in change.history if entry.kind == "attention"
        ]
        self.recording = replace(after, history=before.history + len(change.history))
        self._save_due()

    def _save_due(self) -> None:
        step = next_step(self.recording, self.clock.now)
        due_at = step.until_at if isinstance(step, Wait) else self.clock.now
        if due_at is None:
            assert self.recording.state.terminal, f"nothing will ever happen to {self.recording}"
            return
        self._due_at = due_at
        self._claim_due()

    def _claim_due(self) -> None:
        due_at = self._due_at
        if due_at is None:
            return
        due_at = max(due_at, self._down_until)
        if self._poll_seconds:
            due_at = math.ceil(due_at / self._poll_seconds) * self._poll_seconds
        self.clock.at(due_at, self._claim)

    # --- the worker ---

    def _claim(self) -> None:
        if self._busy or self.clock.now < self._down_until:
            return
        for _ in range(20):
            step = next_step(self.recording, self.clock.now)
            if isinstance(step, Wait):
                return
            self.steps.append((self.clock.now, step))
            assert len(self.steps) < MOST_STEPS, f"{self.steps[-10:]}"
            self.observe(StepTaken(step, next(self._uids), self._due_at, max(NOW, self._down_until)))
            if not isinstance(step, GiveUp | Warn):
                break
        else:
            raise AssertionError(f"steps without a call for ever: {self.steps[-3:]}")
        number = len(self.steps)
        if (number, "before") in self._kills:
            self.kill(self._kills[number, "before"])
            return
        self._busy = True
        self.clock.at(self.clock.now + 0.1, lambda: self._perform(step, number, self._life, self.recording))

    def _perform(self, step: Step, number: int, life: int, recording: Recording) -> None:
        if life != self._life:
            return
        observation, seconds = self._call(step, recording)
        if (number, "after") in self._kills:
            self.kill(self._kills[number, "after"])
            return
        self.clock.at(self.clock.now + seconds, lambda: self._report(observation, life))

    def _report(self, observation: Observation, life: int) -> None:
        if life == self._life:
            self._busy = False
            self.observe(observation)

    def _call(self, step: Step, recording: Recording) -> tuple[Observation, float]:
        if isinstance(step, Look):
            return self._look(recording), 0.1
        if isinstance(step, Verify):
            return Judged(self._judge(recording)), 0.5
        attempt = recording.attempts[(_leftover(step) or len(recording.attempts)) - 1]
        operation, answer = self._ask(step, attempt)
        return _understood(step, operation, answer), 0.1 if answer.status else TIMEOUT_SECONDS

    def _ask(self, step: Step, attempt: Attempt) -> tuple[Operation, Answer]:
        call, who = self.agora.call, {"cname": attempt.cname, "uid": attempt.uid}
        if isinstance(step, Acquire):
            return Operation.ACQUIRE, call("acquire", **who)
        assert attempt.resource_id is not None
        if isinstance(step, Start):
            order = {"prefix": attempt.prefix, "hours": step.hours, "onhold": attempt.onhold}
            return Operation.START, call("start", **who, rid=attempt.resource_id, **order)
        assert attempt.sid is not None
        where = {"rid": attempt.resource_id, "sid": attempt.sid}
        if isinstance(step, Query):
            return Operation.QUERY, call("query", **where)
        if isinstance(step, Stop):
            return Operation.STOP, call("stop", **where)
        onhold = step.onhold if isinstance(step, UpdateOnhold) else None
        return Operation.UPDATE, call("update", **where, onhold=onhold)

    def _look(self, recording: Recording) -> Observation:
        if not self.agora.bucket_answers():
            return LookFailed("transport", "no answer")
        attempt = recording.attempt
        assert attempt is not None
        listed = self.agora.listed(attempt.prefix)
        known = float(recording.watch.after_key.rpartition("_")[2].removesuffix(".ts") or 0)
        new = [one for one in listed if one[1] > known]
        alive = [sid for sid, _ in listed if sid not in attempt.past_sids]
        sids = {attempt.number: attempt.sid or alive[-1]} if alive else {}
        newest = max((at for _, at in new), default=None)
        began_at = None if newest is None else newest - UPLOAD_SECONDS - SLICE_SECONDS
        ended = attempt.lost and bool(listed) and not any(task.live for task in self.agora.tasks)
        return Looked(len(new), 1000 * len(new), str(newest or known), newest, sids, began_at=began_at, ended=ended)

    def _judge(self, recording: Recording) -> Report:
        if not self.agora.bucket_answers():
            return Report(Verdict.UNREACHABLE, Level.LISTING, self.clock.now)
        files = tuple(
            JudgedFile(
                f"{attempt.prefix}{sid}_{at}.ts",
                FileKind.SLICE,
                starts_at=at - UPLOAD_SECONDS - SLICE_SECONDS,
                duration_seconds=SLICE_SECONDS,
                listed=True,
            )
            for attempt in recording.attempts
            for sid, at in self.agora.listed(attempt.prefix)
        )
        wanted = expectation(recording).wanted
        verdict = Verdict.VERIFIED if self.agora.complete() else Verdict.INCOMPLETE
        seconds = (wanted.to_at or 0) - wanted.from_at
        coverage = Coverage(Interval(*_ends(wanted)), seconds, seconds, 0, 0, 0, 5, 1.0)
        return Report(
            Verdict.DEFECTIVE if self.defect else verdict, Level.LISTING, self.clock.now, coverage=coverage, files=files
        )

    # --- notices ---

    def _post(self, event_type: int, task: Task, details: dict[str, Any]) -> None:
        self._notices += 1
        sent_at = self.clock.now
        notice = Notice(
            notice_id=f"notice-{self._notices}",
            event_type=event_type,
            notify_at=sent_at,
            sent_at=sent_at,
            cname=task.cname,
            uid=str(task.uid),
            sid=task.sid,
            sequence=details["sequence"],
            service_type=0,
            details={name: value for name, value in details.items() if name != "sequence"},
        )
        for seconds in self._deliver(event_type, self._notices):
            self.clock.at(sent_at + seconds, lambda: self._receive(notice))

    def _receive(self, notice: Notice) -> None:
        if self.clock.now >= self._down_until:  # a dead process hears nothing
            self.observe(NoticeReceived(notice))

    # --- what tests ask ---

    def first(self, state: State) -> float:
        """Seconds after `NOW` at which the recording first was in this state."""
        return next(at for at, one in self.states if one is state) - NOW

    def attended(self, code: str) -> float:
        return next(at for at, one in self.attentions if one == code) - NOW

    def count(self, kind: type) -> int:
        return sum(isinstance(step, kind) for _, step in self.steps)

    def story(self) -> str:
        """What happened, for a test that failed."""
        steps = "\n".join(f"{at - NOW:10.1f} {step}" for at, step in self.steps)
        entries = "\n".join(f"{entry.kind} {entry.detail}" for entry in self.entries)
        return f"{steps}\n{entries}\n{self.agora.tasks}"

    def check_over(self) -> None:
        """Nothing runs, nothing is left to do, and there never were two."""
        assert self.recording.state.terminal, self.recording.state
        assert not any(task.live for task in self.agora.tasks)
        assert self.agora.most_alive <= 1
        assert next_step(self.recording, self.clock.now) == Wait(None)


def _ends(interval: Interval) -> tuple[float, float | None]:
    return interval.from_at, interval.to_at


def _revived(before: Recording, after: Recording) -> bool:
    pairs = zip(before.attempts, after.attempts, strict=False)
    return any(old.state is AttemptState.ENDED and new.may_be_alive for old, new in pairs)


def _leftover(step: Step) -> int | None:
    return step.leftover if isinstance(step, Query | Stop) else None


_CALLS = {Query: Call.QUERY, Stop: Call.STOP}


def _understood(step: Step, operation: Operation, answer: Answer) -> Observation:
    """As the client and the worker do it."""
    if answer.status == 200 or (operation is Operation.START and answer.status == 201):
        return _agreed(step, answer)
    if operation is Operation.STOP and answer.code in (49, 435):
        return Stopped(answer.code == 435, answer.code == 49, _leftover(step))
    if answer.status == 0:
        error = unclear(operation)("transport", "no answer")
    else:
        error = refusal(operation, answer.status, Fault(answer.code, "said so"))
    if isinstance(error, NoSuchTask):
        return TaskMissing(_CALLS.get(type(step), Call.UPDATE), _leftover(step))
    failure = Failure.REFUSED if isinstance(error, Refused) else Failure.UNKNOWN
    failure = Failure.UNAVAILABLE if isinstance(error, Unavailable) else failure
    return CallFailed(step, failure, error.code, error.detail)


def _agreed(step: Step, answer: Answer) -> Observation:
    match step:
        case Acquire():
            return Acquired(answer.body["resourceId"])
        case Start():
            return Started(answer.body.get("sid"))
        case Query():
            return TaskSeen(answer.body["status"], answer.body["onhold"], leftover=_leftover(step))
        case Stop():
            return Stopped(leftover=_leftover(step))
        case UpdateOnhold() | UpdateRtmp() | UpdateStorage():
            return Updated(step)
    raise AssertionError(step)
