"""The loops of the worker, which take the steps that the lifecycle requires and apply stored notifications.

A loop claims what is due, makes one outside call and reports the result. `lifecycle` decides what the result means. All
state is in the rows, so another worker can replace a worker that is killed at any point.
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

# Work that arrives within this time is claimed in one transaction.
GATHER_SECONDS = 0.04
# The number of steps claimed in one transaction. In addition to `worker.concurrency` bucket steps, this many calls to
# Agora may be in progress. Most of them wait for the budget, so a stop waits for neither.
STEPS_AT_ONCE = 16
CALLS_IN_ALL = 512
# Answering Agora takes precedence over applying its notifications. This many notices are sorted in one short
# transaction, and this many are applied at a time.
NOTICES_AT_ONCE = 25
UNDERSTOOD_AT_ONCE = 8
SORT_REST, UNDERSTANDING_REST, LONGEST_REST_SECONDS = 10, 2, 2.0
GAUGES_SECONDS = 15
PRUNE_SECONDS = 600
PRUNE_REST_SECONDS = 0.2
LAG_PROBE_SECONDS = 0.5
# A step that is due again sooner than this does not wait for the poll.
SOON_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Worker:
    """Takes steps until `run()` is cancelled. Call `drain()` first to let current steps finish."""

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
        """Check for due steps now. This only saves time, because the next poll finds the same steps."""
        self._steps_wake.set()

    def wake_notices(self) -> None:
        """Check for stored notifications now. This only saves time."""
        self._notices_wake.set()

    async def run(self) -> None:
        """Run the loops of the worker. An unexpected error ends only the item or round in which it occurs."""
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
        """Take over the claims that a killed process left in this SQLite file. Call it before `run`."""
        await isolate("claims", self._work.release_left(), None)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more and let current steps finish for up to `seconds`. Then cancel them and release all
        claims."""
        self._stopping = True
        if self._running:
            _, late = await asyncio.wait(list(self._running), timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await isolate("claims", self._work.release_all(), None)  # without a database the leases expire by themselves

    async def close(self) -> None:
        """Release the worker's resources outside this process."""
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
        """Apply the notices. Those of one recording are applied in order."""
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
        """Update the gauges of the database until cancelled. `run` includes this loop. Call it on its own in a process
        without a worker, so that the gauges show the work that waits for one."""
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
        except ServiceError as error:  # the database is unavailable; when the lease expires, the step is taken again
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
        """Take the step and record the result. An unexpected error is recorded as a failure. If that fails too, the
        recording is set back."""
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
        """Take the step. During a verification, store each report that the bucket does not answer, but never after
        storing the verification's result."""
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
    """Return how many seconds the notices loop rests between batches, given the seconds spent on the last batch.

    The rest is proportional, because the same work takes longer on a machine that is busy answering. Notices that
    belong to no recording are not urgent, and an idle machine sorts 500 of them a second. Because of the limit, a
    database stall cannot delay the next round for long.
    """
    return min(SORT_REST * sorting + UNDERSTANDING_REST * understanding, LONGEST_REST_SECONDS)


async def _event_or(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but at most for `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
