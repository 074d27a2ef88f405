"""Performs the steps that the lifecycle calls for, and applies what the inbox has kept.

It claims what is due, makes one call outside, and reports what came of it; what that means is decided elsewhere.
Nothing is remembered here: a worker killed anywhere is replaced by another that reads the rows.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import structlog

from metrics import intake
from metrics import recordings as recording_meter
from metrics import worker as meter
from service.agora.answers import TaskState
from service.agora.bodies import StartOrder, Storage
from service.agora.bodies import Task as AgoraTask
from service.agora.client import AgoraClient
from service.agora.refusals import TaskMissing as NoSuchTask
from service.database.retention import BATCH
from service.errors import Code, OutsideError, Refused, ServiceError, Unavailable
from service.lifecycle.observations import (
    Acquire,
    Acquired,
    Call,
    CallFailed,
    Failure,
    Judged,
    Look,
    Looked,
    LookFailed,
    Observation,
    Query,
    Start,
    Started,
    Stop,
    Stopped,
    TaskMissing,
    TaskSeen,
    Updated,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    Verify,
)
from service.operations import NoticeClaim, Sorted, Task, Work
from service.operations.secrets import PageSecrets
from service.recording import Attempt, Recording
from service.report import JudgedFile
from service.settings import Settings
from service.verifier import Verifier

T = TypeVar("T")

# What comes within so many seconds is claimed together: one transaction for all of it.
GATHER_SECONDS = 0.04
# Steps claimed in one transaction; and beside `worker.concurrency` looks at the bucket so many calls to Agora, most of
# which wait for their place in the budget: a stop waits behind neither.
STEPS_AT_ONCE = 16
CALLS_IN_ALL = 512
# Answering Agora goes before understanding it. So many notices are sorted in one transaction: 1,000 a second that are
# nobody's here. So many are understood at once.
NOTICES_AT_ONCE = 50
UNDERSTOOD_AT_ONCE = 8
# With so many waiting, the loop of notices rests after each round for so many times as long as understanding them took.
STORM_REST = 2
GAUGES_SECONDS = 15
PRUNE_SECONDS = 600
PRUNE_REST_SECONDS = 0.2
LAG_PROBE_SECONDS = 0.5
_CALLS: dict[type, Call] = {
    Query: Call.QUERY,
    UpdateOnhold: Call.UPDATE,
    UpdateRtmp: Call.UPDATE,
    UpdateStorage: Call.UPDATE,
    Stop: Call.STOP,
}

_log = structlog.get_logger(__name__)


class Worker:
    """`run()` works until it is cancelled; `drain()` before that lets steps under way come to their end."""

    def __init__(
        self,
        settings: Settings,
        work: Work,
        *,
        clients: Mapping[str, AgoraClient],
        verifier: Verifier,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._work = work
        self._clients = clients
        self._verifier = verifier
        self._clock = clock
        self._steps_wake = asyncio.Event()
        self._notices_wake = asyncio.Event()
        self._running: dict[asyncio.Task[None], Task] = {}
        self._stopping = False

    def wake(self) -> None:
        """Something may be due. Only hastens: without it the next poll finds the same."""
        self._steps_wake.set()

    def wake_notices(self) -> None:
        """A notification was stored. Only hastens."""
        self._notices_wake.set()

    async def run(self) -> None:
        """The loops of the worker; one of them dying ends all, with its reason."""
        async with asyncio.TaskGroup() as group:
            for loop in (
                self._claim_steps,
                self._apply_notices,
                self._measure,
                self._renew_leases,
                self._probe_lag,
                self._prune,
            ):
                group.create_task(loop(), name=loop.__name__)

    async def take_over(self) -> None:
        """Have at once what a killed process of this SQLite file held. Call it before `run`."""
        await _calmly(self._work.release_left(), None)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more and let what is under way end; what takes longer is given back."""
        self._stopping = True
        if self._running:
            _, late = await asyncio.wait(list(self._running), timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await _calmly(self._work.release_all(), None)  # without a database the leases run out by themselves

    async def close(self) -> None:
        """End what the worker holds outside this process."""
        await self._verifier.close()

    # --- loops ---------------------------------------------------------------------------------------------------

    async def _claim_steps(self) -> None:
        worker = self._settings.worker
        while True:
            self._steps_wake.clear()
            looks = worker.concurrency - sum(task.looks for task in self._running.values())
            free = min(STEPS_AT_ONCE, worker.concurrency + CALLS_IN_ALL - len(self._running))
            free = 0 if self._stopping else free
            tasks = await _calmly(self._work.claim(worker.lease_seconds, free, looks), []) if free > 0 else []
            for task in tasks:
                running = asyncio.create_task(self._perform(task), name=f"step {type(task.step).__name__}")
                self._running[running] = task
                running.add_done_callback(self._performed)
            if len(tasks) < free or free <= 0:
                await _event_or(self._steps_wake, worker.poll_seconds)
            await asyncio.sleep(GATHER_SECONDS)

    def _performed(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._steps_wake.set()

    async def _apply_notices(self) -> None:
        while True:
            self._notices_wake.clear()
            found = await _calmly(self._work.sort_notices(NOTICES_AT_ONCE), Sorted([], []))
            storm = len(found.claims) + len(found.settled) == NOTICES_AT_ONCE
            began = time.perf_counter()
            if found.claims:
                await self._understand(found.claims)
                self.wake()
            if storm:
                await asyncio.sleep(STORM_REST * (time.perf_counter() - began))
            else:
                await _event_or(self._notices_wake, self._settings.worker.poll_seconds)
            await asyncio.sleep(GATHER_SECONDS)

    async def _understand(self, claims: list[NoticeClaim]) -> None:
        """Apply them, those of one recording one after the other."""
        places = asyncio.Semaphore(UNDERSTOOD_AT_ONCE)
        lines: dict[str, list[NoticeClaim]] = {}
        for claim in claims:
            lines.setdefault(claim.recording_id, []).append(claim)

        async def apply(line: list[NoticeClaim]) -> None:
            for claim in line:
                async with places:
                    await _calmly(self._work.apply_notice(claim), None)

        async with asyncio.TaskGroup() as group:
            for line in lines.values():
                group.create_task(apply(line))

    async def _renew_leases(self) -> None:
        lease_seconds = self._settings.worker.lease_seconds
        while True:
            await asyncio.sleep(lease_seconds / 3)
            if self._running:
                await _calmly(self._work.renew(list(self._running.values()), lease_seconds), None)

    async def _measure(self) -> None:
        while True:
            backlog = await _calmly(self._work.measure(), None)
            if backlog is not None:
                states = {state.value: count for state, count in backlog.states.items()}
                recording_meter.measured(states, backlog.overrunning)
                recording_meter.spending(backlog.spent, backlog.projected)
                meter.measured(backlog.overdue)
                intake.measured(backlog.inbox_depth, backlog.inbox_oldest_at)
            await asyncio.sleep(GAUGES_SECONDS)

    async def _prune(self) -> None:
        while True:
            pruned = await _calmly(self._work.prune(self._settings.retention), {})
            if any(pruned.values()):
                _log.info("pruned", rows=pruned)
            full = any(count >= BATCH for count in pruned.values())
            await asyncio.sleep(PRUNE_REST_SECONDS if full else PRUNE_SECONDS)

    async def _probe_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(LAG_PROBE_SECONDS)
            meter.lagged(loop.time() - before - LAG_PROBE_SECONDS)

    # --- steps ---------------------------------------------------------------------------------------------------

    async def _perform(self, task: Task) -> None:
        name = type(task.step).__name__.lower()
        began = time.perf_counter()
        meter.step_began()
        try:
            observation, files = await self._observe(task)
            _log_step(name, task, observation, time.perf_counter() - began)
            after = await self._work.report(task, observation, files)
        except ServiceError as error:  # the database is away; the lease runs out and the step is taken again
            _log.warning("step_not_written", step=name, recording_id=task.recording.id, error=error.message)
        except Exception:
            meter.step_crashed(name)
            _log.exception("step_failed", step=name, recording_id=task.recording.id)
        else:
            if after is None:
                meter.claim_lost(name)
                _log.warning("claim_lost", step=name, recording_id=task.recording.id)
        finally:
            meter.step_done(name, time.perf_counter() - began)

    async def _observe(self, task: Task) -> tuple[Observation, tuple[JudgedFile, ...]]:
        """Make the step's one call, and say what came of it."""
        match task.step:
            case Look():
                return await self._look(task.recording)
            case Verify():
                return Judged(await self._verifier.verify(task.recording, self._clock)), ()
        attempt = _attempt(task)
        try:
            return await self._call(task, attempt), ()
        except NoSuchTask:
            return TaskMissing(_CALLS[type(task.step)], _leftover(task)), ()
        except OutsideError as error:
            return _failed(task, error), ()

    async def _call(self, task: Task, attempt: Attempt) -> Observation:
        recording = task.recording
        client = self._clients.get(recording.app)
        if client is None:
            raise Unavailable("app_not_configured", f"the settings have no app {recording.app!r} any more")
        match task.step:
            case Acquire():
                answer = await client.acquire(attempt.cname, attempt.uid, recording.parameters.max_recording_hour)
                _log.info(
                    "acquired",
                    recording_id=recording.id,
                    cname=attempt.cname,
                    uid=attempt.uid,
                    resource_id=answer.resource_id,
                )
                return Acquired(answer.resource_id)
            case Start(hours=hours):
                order = self._order(task, attempt, hours)
                started = await client.start(attempt.cname, attempt.uid, _resource(attempt), order)
                sts = order.storage.credentials.expires_at is not None
                return Started(started.sid, sts=sts, attempt=attempt.number)
            case Query():
                overdue = (attempt.next_query_at or 0) + recording.policy.watch_seconds < self._clock()
                return _seen(await client.query(_task(attempt), overdue=overdue), _leftover(task))
            case UpdateOnhold(onhold=onhold):
                await client.update_onhold(_task(attempt), onhold)
            case UpdateRtmp(version=version):
                await client.update_rtmp(_task(attempt), _page(task).rtmp_url(version) or "")
            case UpdateStorage():
                storage = self._storage(recording, attempt)
                await client.update_storage(_task(attempt), storage)
                return Updated(task.step, sts=storage.credentials.expires_at is not None)
            case Stop():
                stopped = await client.stop(_task(attempt))
                return Stopped(stopped.nothing_recorded, _leftover(task))
            case step:
                raise TypeError(f"no call for {step}")
        return Updated(task.step)

    def _order(self, task: Task, attempt: Attempt, hours: int) -> StartOrder:
        recording = task.recording
        page = _page(task)
        return StartOrder(
            url=page.url,
            parameters=replace(recording.parameters, max_recording_hour=hours, onhold=attempt.onhold),
            storage=self._storage(recording, attempt),
            rtmp_url=page.rtmp_url(attempt.rtmp_version),
        )

    def _storage(self, recording: Recording, attempt: Attempt) -> Storage:
        profile = self._settings.storage.get(recording.storage)
        if profile is None:
            raise Unavailable("storage_not_configured", f"the settings have no storage {recording.storage!r} any more")
        return Storage(recording.location, attempt.prefix, profile.write_credentials(), profile.sse, profile.tag)

    async def _look(self, recording: Recording) -> tuple[Observation, tuple[JudgedFile, ...]]:
        try:
            look = await self._verifier.look(recording)
        except OutsideError as error:
            return LookFailed(error.code, error.detail), ()
        seen = Looked(
            look.slices, look.size_bytes, look.after_key, look.last_slice_at, look.sids, look.picture, look.silent
        )
        return seen, look.files


def _log_step(name: str, task: Task, observation: Observation, seconds: float) -> None:
    """The line of what was done outside, before anybody knows what becomes of it."""
    number = _leftover(task) or len(task.recording.attempts)
    attempt = task.recording.attempts[number - 1] if number else None
    outcome, code = _came_of(observation)
    _log.info(
        "step",
        step=name,
        recording_id=task.recording.id,
        attempt=number,
        sid=observation.sid if isinstance(observation, Started) else attempt and attempt.sid,
        outcome=outcome,
        code=code,
        seconds=round(seconds, 4),
    )


def _came_of(observation: Observation) -> tuple[str, str | None]:
    match observation:
        case CallFailed(failure=failure, code=code):
            return failure, code
        case TaskMissing():
            return "missing", None
        case LookFailed(code=code):
            return "unavailable", code
        case Judged(report=report):
            return report.verdict, None
    return "ok", None


def _failed(task: Task, error: OutsideError) -> CallFailed:
    if isinstance(error, Refused):
        failure = Failure.REFUSED
    else:
        failure = Failure.UNAVAILABLE if isinstance(error, Unavailable) else Failure.UNKNOWN
    return CallFailed(task.step, failure, error.code, error.detail, error.retry_after_seconds)


def _leftover(task: Task) -> int | None:
    return task.step.leftover if isinstance(task.step, Query | Stop) else None


def _attempt(task: Task) -> Attempt:
    """The attempt that the step is about; steps other than looks are about one."""
    number = _leftover(task) or len(task.recording.attempts)
    return task.recording.attempts[number - 1]


def _seen(state: TaskState, leftover: int | None) -> TaskSeen:
    names = tuple(file.name for file in state.files)
    return TaskSeen(state.status or 0, state.onhold, state.recorder_state == "exit", names, leftover)


def _page(task: Task) -> PageSecrets:
    if task.page is None:
        raise Unavailable("page_not_readable", "no live sealing key opens the URL of the page")
    return task.page


def _resource(attempt: Attempt) -> str:
    assert attempt.resource_id is not None, "a call about a task comes after its acquire"
    return attempt.resource_id


def _task(attempt: Attempt) -> AgoraTask:
    assert attempt.sid is not None, "a call about a task comes after its sid is known"
    return AgoraTask(attempt.cname, attempt.uid, _resource(attempt), attempt.sid)


async def _calmly(working: Awaitable[T], otherwise: T) -> T:
    """The result, or `otherwise` while the database is away: a loop goes on, its next round tries again."""
    try:
        return await working
    except ServiceError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        _log.warning("database_away", error=error.message)
        return otherwise


async def _event_or(event: asyncio.Event, seconds: float) -> None:
    """Wake on the event or after `seconds`, never on the event alone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
