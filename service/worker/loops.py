"""Performs the steps that the lifecycle calls for, and applies what the inbox has kept.

It claims what is due, makes one call outside, and reports what came of it; what that means is decided elsewhere.
Nothing is remembered here: a worker killed anywhere is replaced by another that reads the rows.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

import structlog

from metrics import intake
from metrics import recordings as recording_meter
from metrics import worker as meter
from service.agora.client import AgoraClient
from service.buckets.troubles import Troubles
from service.database.retention import BATCH
from service.errors import OutsideError, ServiceError
from service.isolation import isolate
from service.lifecycle import next_step
from service.lifecycle.observations import LookHeldUp, Observation, Verify, Wait, name_of
from service.operations import NoticeClaim, Sorted
from service.recording import Recording
from service.report import JudgedFile
from service.settings import Settings
from service.verifier import Verifier
from service.worker.overtaking import Task
from service.worker.steps import Steps, log_step, unexpected
from service.worker.store import Work

# What comes within so many seconds is claimed together: one transaction for all of it.
GATHER_SECONDS = 0.04
# Steps claimed in one transaction; and beside `worker.concurrency` looks at the bucket so many calls to Agora, most of
# which wait for their place in the budget: a stop waits behind neither.
STEPS_AT_ONCE = 16
CALLS_IN_ALL = 512
# Answering Agora goes before understanding it. So many notices are sorted in one short transaction, and so many
# understood at once.
NOTICES_AT_ONCE = 25
UNDERSTOOD_AT_ONCE = 8
SORT_REST, UNDERSTANDING_REST, LONGEST_REST_SECONDS = 10, 2, 2.0
GAUGES_SECONDS = 15
PRUNE_SECONDS = 600
PRUNE_REST_SECONDS = 0.2
LAG_PROBE_SECONDS = 0.5
# What is due again sooner than this is not left to the poll.
SOON_SECONDS = 1.0

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
        troubles: Troubles | None = None,
    ) -> None:
        self._settings = settings
        self._work = work
        self._verifier = verifier
        self._clock = clock
        self._troubles = troubles or Troubles()
        self._steps = Steps(settings, clients, verifier, clock)
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
        """The loops of the worker. Each keeps an error that nobody expected to the item or round in which it came."""
        async with asyncio.TaskGroup() as group:
            for loop in (
                self._claim_steps,
                self._apply_notices,
                self.measure,
                self._renew_leases,
                self._probe_lag,
                self._prune,
            ):
                group.create_task(loop(), name=loop.__name__)

    async def take_over(self) -> None:
        """Have at once what a killed process of this SQLite file held. Call it before `run`."""
        await isolate("claims", self._work.release_left(), None)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more and let what is under way end; what takes longer is given back."""
        self._stopping = True
        if self._running:
            _, late = await asyncio.wait(list(self._running), timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await isolate("claims", self._work.release_all(), None)  # without a database the leases run out by themselves

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
            tasks: list[Task] = []
            if free > 0:
                under_way = list(self._running.values())
                claiming = self._work.claim(worker.lease_seconds, free, looks, under_way)
                tasks = await isolate("claims", claiming, [])
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
            began = time.perf_counter()
            found = await isolate("notices", self._work.sort_notices(NOTICES_AT_ONCE), Sorted([], []))
            sorted_at = time.perf_counter()
            if found.claims:
                await self._understand(found.claims)
                self.wake()
            if found.more:
                await asyncio.sleep(rest_seconds(sorted_at - began, time.perf_counter() - sorted_at))
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
                    await isolate("notices", self._work.apply_notice(claim), None)

        async with asyncio.TaskGroup() as group:
            for line in lines.values():
                group.create_task(apply(line))

    async def _renew_leases(self) -> None:
        lease_seconds = self._settings.worker.lease_seconds
        while True:
            await asyncio.sleep(lease_seconds / 3)
            if self._running:
                await isolate("leases", self._work.renew(list(self._running.values()), lease_seconds), None)

    async def measure(self) -> None:
        """Feed the gauges of the database until it is cancelled. `run` does so. Without a worker it is needed too:
        where no worker runs, they say what waits for one."""
        while True:
            await isolate("gauges", self._feed_gauges(), None)
            await asyncio.sleep(GAUGES_SECONDS)

    async def _feed_gauges(self) -> None:
        backlog = await self._work.measure()
        states = {state.value: count for state, count in backlog.states.items()}
        recording_meter.measured(states, backlog.overrunning)
        recording_meter.spending(backlog.spent, backlog.projected)
        meter.measured(backlog.overdue)
        intake.measured(backlog.inbox_depth, backlog.inbox_oldest_at, backlog.unknown)

    async def _prune(self) -> None:
        while True:
            pruned = await isolate("pruning", self._work.prune(self._settings.retention), {})
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
        name = name_of(task.step)
        began = time.perf_counter()
        meter.step_began()
        try:
            after = await self._take_step(name, task)
        except ServiceError as error:  # the database is away; the lease runs out and the step is taken again
            _log.warning("step_not_written", step=name, recording_id=task.recording.id, error=error.message)
        except Exception:
            self._failed(name, task)
        else:
            if after is None:
                meter.claim_lost(name)
                _log.warning("claim_lost", step=name, recording_id=task.recording.id)
            else:
                self._wake_for(after)
        finally:
            meter.step_done(name, time.perf_counter() - began)

    async def _take_step(self, name: str, task: Task) -> Recording | None:
        """Do it and write down what came of it. What fails unexpectedly is written down as a failure; where even that
        cannot be, the recording is set back."""
        began = time.perf_counter()
        try:
            observation, files = await self._observe(task)
            log_step(name, task, observation, time.perf_counter() - began)
            return await self._work.report(task, observation, files)
        except ServiceError:
            raise
        except Exception:
            self._failed(name, task)
        try:
            return await self._work.report(task, unexpected(task, self._clock()), unexpected=True)
        except ServiceError:
            raise
        except Exception:
            self._failed(name, task)
            return task.recording if await self._work.set_back(task.recording.id, task.fence) else None

    async def _observe(self, task: Task) -> tuple[Observation, tuple[JudgedFile, ...]]:
        """Take the step. A verification reports that its bucket is silent while it goes on, never after its outcome."""
        if not isinstance(task.step, Verify):
            return await self._steps.observe(task)
        silences: asyncio.Queue[LookHeldUp] = asyncio.Queue()
        with self._troubles.telling(task.recording.id, lambda error: silences.put_nowait(_held_up(error))):
            storing = asyncio.create_task(self._store_silences(task, silences))
            try:
                return await self._steps.observe(task)
            finally:
                await silences.join()
                storing.cancel()

    async def _store_silences(self, task: Task, silences: asyncio.Queue[LookHeldUp]) -> None:
        while True:
            held = await silences.get()
            await isolate("claims", self._work.hold_up(task, held), None)
            silences.task_done()

    def _failed(self, name: str, task: Task) -> None:
        meter.step_crashed(name)
        _log.exception("step_failed", step=name, recording_id=task.recording.id)

    def _wake_for(self, recording: Recording) -> None:
        now = self._clock()
        step = next_step(recording, now)
        if isinstance(step, Wait) and step.until_at is not None and step.until_at - now < SOON_SECONDS:
            asyncio.get_running_loop().call_later(step.until_at - now, self.wake)


def _held_up(error: OutsideError | None) -> LookHeldUp:
    return LookHeldUp() if error is None else LookHeldUp(error.code, error.detail)


def rest_seconds(sorting: float, understanding: float) -> float:
    """How long the loop of notices rests while many wait, after so many seconds of work for a batch of them.

    In proportion, because the same work takes longer where the machine is busy answering. What is nobody's here is in
    no hurry: 500 a second of it on an idle machine. A database that stood still delays the next round but little."""
    return min(SORT_REST * sorting + UNDERSTANDING_REST * understanding, LONGEST_REST_SECONDS)


async def _event_or(event: asyncio.Event, seconds: float) -> None:
    """Wake on the event or after `seconds`, never on the event alone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
