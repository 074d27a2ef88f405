"""The worker's use of the database: claim steps, report results, apply notices, measure.

A step is claimed and recorded in one transaction. If the process is killed later, the row shows the next process what
may have taken effect. The module makes no calls outside the database.
"""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa
import structlog

from metrics import intake
from metrics.verification import objects_touched
from metrics.worker import claimed, parked
from service.database.claims import Claim, PoisonedRow, claim_due, release_left, renew, set_back, versions_held
from service.database.claims import release_all as release_all_claims
from service.database.engine.database import Database
from service.database.engine.errors import is_outage
from service.database.engine.heartbeat import is_restored
from service.database.evidence import load_seen_report, upsert_files
from service.database.notifications import stored as inbox_rows
from service.database.recordings import LostRace, load_recording, load_sealed, save_recording
from service.database.retention import BATCH, RULES
from service.database.sealing import SealError, Seals
from service.errors import ServiceError
from service.lifecycle import next_step
from service.lifecycle.observations import (
    Acquire,
    GiveUp,
    Judged,
    Limited,
    Look,
    LookHeldUp,
    NoticeReceived,
    Observation,
    Start,
    Step,
    StepTaken,
    UpdateRtmp,
    Wait,
    Warn,
)
from service.media.changes import Comparison, compare_reports
from service.notification import parse_notice
from service.operations.evidence.proofs import load_all_files
from service.operations.ids import Entropy, new_uid
from service.operations.recordings.limits import limit_reached
from service.operations.recordings.secrets import PageSecrets, open_page
from service.operations.recordings.writing import Written, observe
from service.recording import Notice, Recording, State
from service.report import JudgedFile, Report
from service.settings import Retention, Settings
from service.worker.backlog import Backlog, measure
from service.worker.overtaking import LOOKS, Overtaking, Task, is_news

_log = structlog.get_logger(__name__)

# After this many failures a notice is parked: it is kept, shown, and replayed only on request. A recording with this
# many failures counts as parked but is still retried at the longest interval, because its task may have to be stopped.
MAX_TRIES = 8
LONGEST_SET_BACK_SECONDS = 60.0
# Reports with more files than this are compared in a thread.
_MANY_FILES = 500
# The delay before a held step is retried.
HOLD_SECONDS = 2


@dataclass(slots=True)
class _Batch:
    """The result of one claiming transaction: tasks, changes written for them, their delays in seconds, and the ids of
    recordings that currently have no step to take."""

    tasks: list[Task] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)


class Work:
    """The worker's database operations. `clock` returns Unix seconds and is read once per transaction. `entropy`
    provides fresh uids. `room` returns whether the disk has room for new recordings."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        seals: Seals,
        *,
        worker_id: str,
        clock: Callable[[], float],
        entropy: Entropy = os.urandom,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._room = room
        self._settings = settings
        self._database = database
        self._seals = seals
        self._worker_id = worker_id
        self._clock = clock
        self._working_from_at = clock()
        self._entropy = entropy
        self._failures: Counter[str] = Counter()
        self._notices_looked_to = 0
        self._overtaking = Overtaking(worker_id)

    async def claim(self, lease_seconds: float, limit: int, looks: int, under_way: Iterable[Task] = ()) -> list[Task]:
        """Claim due steps, at most `looks` of them on the bucket, and record them as taken.

        Steps without an outside call are completed at once. Steps in `under_way` that delay a stop are overtaken. A
        recording whose row causes an error is set back, so that it does not block others."""
        held = list(under_way)
        while True:
            try:
                batch = await self._database.run(partial(self._claim, lease_seconds, limit, looks, held))
            except PoisonedRow as poisoned:
                _log.exception("claim_failed", recording_id=poisoned.recording_id)
                if not await self.set_back(poisoned.recording_id):
                    raise
                continue
            claimed(batch.late)
            for change in batch.written:
                change.tell()
            for recording_id in batch.idle:
                self._forget_failures(recording_id)
            return batch.tasks

    def _claim(
        self, lease_seconds: float, limit: int, looks: int, held: list[Task], connection: sa.Connection
    ) -> "_Batch":
        batch, now = _Batch(), self._clock()
        if held:
            self._overtaking.overtake(connection, held, now)
        for claim in claim_due(connection, now, self._worker_id, lease_seconds, limit):
            batch.late.append(now - claim.due_at)
            full = sum(task.looks for task in batch.tasks) >= looks
            task = self._take_whole(connection, claim, now, batch.written, full=full)
            if task is None:
                batch.idle.append(claim.recording.id)
            else:
                batch.tasks.append(task)
        return batch

    def _take_whole(
        self, connection: sa.Connection, claim: Claim, now: float, written: list[Written], *, full: bool
    ) -> Task | None:
        """Call `_take`, raising `PoisonedRow` with the recording's id on an unexpected error."""
        try:
            return self._take(connection, claim, now, written, full=full)
        except Exception as error:
            if isinstance(error, ServiceError) or is_outage(error):
                raise
            raise PoisonedRow(claim.recording.id) from error

    async def set_back(self, recording_id: str, fence: int | None = None) -> bool:
        """Postpone a recording that failed with an unexpected error. The delay grows with each failure. Return False if
        no row was changed."""
        failures = self._count_failure(recording_id)
        wait = min(2.0**failures, LONGEST_SET_BACK_SECONDS)
        return await self._database.run(
            lambda connection: set_back(connection, recording_id, self._clock() + wait, fence)
        )

    def _count_failure(self, recording_id: str) -> int:
        self._failures[recording_id] += 1
        self._show_parked()
        return self._failures[recording_id]

    def _forget_failures(self, recording_id: str) -> None:
        if self._failures.pop(recording_id, 0):
            self._show_parked()

    def _show_parked(self) -> None:
        parked(sum(failures >= MAX_TRIES for failures in self._failures.values()))

    def _take(
        self, connection: sa.Connection, claim: Claim, now: float, written: list[Written], *, full: bool
    ) -> Task | None:
        recording, fence = claim.recording, claim.fence
        while True:
            step = next_step(recording, now)
            if isinstance(step, Wait):
                save_recording(connection, recording, due_at=step.until_at, fence=fence, release=True)
                return None
            if (full and isinstance(step, LOOKS) and not _leads_to_stop(recording, step)) or self._held(
                connection, step
            ):
                save_recording(connection, recording, due_at=now + HOLD_SECONDS, fence=fence, release=True)
                return None
            taken = self._limited(connection, recording, step, now) or StepTaken(
                step, new_uid(self._entropy), claim.due_at, self._working_from_at
            )
            change = observe(connection, recording, taken, now, fence=fence)
            written.append(change)
            recording = change.after
            if isinstance(taken, StepTaken) and not isinstance(step, GiveUp | Warn):
                break
        page = self._page(connection, recording) if isinstance(step, Start | UpdateRtmp) else None
        return Task(recording, step, fence, page)

    def _held(self, connection: sa.Connection, step: Step) -> bool:
        """Return whether a step must wait. Nothing new is started on a full disk. During reconciliation nothing is
        started or abandoned."""
        new = isinstance(step, Acquire) and step.new
        if new and not self._room():
            return True
        return (new or isinstance(step, GiveUp)) and is_restored(connection)

    def _limited(self, connection: sa.Connection, recording: Recording, step: Step, now: float) -> Limited | None:
        """Return the limit that currently prevents a new task, if any."""
        if not (isinstance(step, Acquire) and step.new):
            return None
        limit = limit_reached(connection, self._settings, recording, now)
        return None if limit is None else Limited(limit)

    def _page(self, connection: sa.Connection, recording: Recording) -> PageSecrets | None:
        """Return the URLs of the page, or None if no live key opens them, so that the error does not block other
        recordings."""
        sealed = load_sealed(connection, recording.id)
        try:
            return None if sealed is None else open_page(self._seals, sealed)
        except SealError:
            _log.error("page_not_readable", recording_id=recording.id)
            return None

    async def report(
        self, task: Task, observation: Observation, files: tuple[JudgedFile, ...] = (), *, unexpected: bool = False
    ) -> Recording | None:
        """Record the result of a task and end its claim. If the claim was lost, return None and keep only information
        that no other source has. `unexpected` is true if the result represents an unexpected error."""
        vanished = changed = 0
        if isinstance(observation, Judged) and task.recording.state.terminal:
            compared = await self._compare(task.recording, observation.report)
            observation = Judged(compared.report, compared.because)
            vanished, changed = compared.vanished, compared.changed

        def transaction(connection: sa.Connection) -> Written | None:
            now = self._clock()
            written = self._observed(connection, task, observation, now)
            if written is not None:
                upsert_files(connection, task.recording.id, files, now)
            return written

        overtaken = self._overtaking.forget(task)
        written = await self._database.run(transaction)
        if written is None:
            return task.recording if overtaken else None
        if unexpected and not written.after.state.terminal:
            self._count_failure(task.recording.id)
        else:
            self._forget_failures(task.recording.id)
        written.tell()
        objects_touched(vanished, changed)
        return written.after

    async def hold_up(self, task: Task, held: LookHeldUp) -> None:
        """Record that the bucket does not answer a current verification, or answers again. The claim stays. If it is
        lost, nothing is recorded."""

        def transaction(connection: sa.Connection) -> None:
            current = load_recording(connection, task.recording.id, lock=True)
            if current is not None and task.claim in versions_held(connection, self._worker_id, {current.id}):
                observe(connection, current, held, self._clock())

        await self._database.run(transaction)

    async def _compare(self, recording: Recording, report: Report) -> Comparison:
        """Compare the report of a finished recording with its earlier files and report."""
        filed = await load_all_files(self._database, recording.id)
        earlier = await self._database.run(lambda connection: load_seen_report(connection, recording.id))
        verified = recording.state is State.VERIFIED
        compare = partial(compare_reports, report, filed, earlier, verified=verified)
        return await asyncio.to_thread(compare) if len(filed) > _MANY_FILES else compare()

    def _observed(self, connection: sa.Connection, task: Task, observation: Observation, now: float) -> Written | None:
        """Apply an observation to the claimed state of the recording. Reload the recording only after a lost race,
        which is rare and raised before anything is written."""
        with contextlib.suppress(LostRace):
            return observe(connection, task.recording, observation, now, fence=task.fence, release=True)
        current = load_recording(connection, task.recording.id, lock=True)
        if current is None:
            return None
        with contextlib.suppress(LostRace):
            return observe(connection, current, observation, now, fence=task.fence, release=True)
        return observe(connection, current, observation, now) if is_news(task, observation, current) else None

    async def renew(self, tasks: Iterable[Task], lease_seconds: float) -> None:
        """Extend the claims of current tasks."""
        until = self._clock() + lease_seconds
        held = [(task.recording.id, task.fence) for task in tasks]
        await self._database.run(lambda connection: renew(connection, held, until))

    async def release_left(self) -> None:
        """Release the claims of a killed process if no other process can be running. Otherwise its leases expire."""
        if self._database.exclusive:
            await self._database.run(release_left)

    async def release_all(self) -> None:
        """Release every claim, for an orderly shutdown."""
        await self._database.run(lambda connection: release_all_claims(connection, self._worker_id))

    # --- notices -------------------------------------------------------------------------------------------------

    async def sort_notices(self, limit: int) -> inbox_rows.Sorted:
        """Sort stored notices. Notices with recordings come first, and then the oldest. Notices that belong to no
        recording are settled. The returned claims are for `apply_notice`."""
        now, after = self._clock(), self._notices_looked_to
        found = await self._database.run(
            lambda connection: inbox_rows.sort_notices(connection, now, limit, self._settings.deployment, after)
        )
        self._notices_looked_to = found.looked_to
        for event_type, outcome in found.settled:
            intake.counted(event_type, outcome)
        if found.settled:
            _log.info("notices_settled", outcomes=Counter(outcome for _, outcome in found.settled))
        return found

    async def apply_notice(self, stored: inbox_rows.NoticeClaim) -> None:
        """Apply one notice in its own transaction. A notice that causes an error is set aside."""
        try:
            found = await self._database.run(lambda connection: self._understand(connection, stored))
        except ServiceError:
            raise  # the database is unavailable, so the notice's claim expires later
        except Exception:
            _log.exception(
                "notice_not_understood", recording_id=stored.recording_id, number=stored.id, tries=stored.tries
            )
            await self._database.run(lambda connection: self._set_aside(connection, stored))
            return
        if found is None:
            return
        written, notice = found
        with structlog.contextvars.bound_contextvars(notice_id=notice.notice_id):
            _log.info("notice", recording_id=written.after.id, sid=notice.sid, event_type=notice.event_type)
            written.tell()

    def _set_aside(self, connection: sa.Connection, stored: inbox_rows.NoticeClaim) -> None:
        """Postpone or park a notice that causes an error, so that it does not block others."""
        if stored.tries >= MAX_TRIES:
            inbox_rows.park_notice(connection, stored)
        else:
            inbox_rows.retry_notice(connection, stored, self._clock() + 2**stored.tries)

    def _understand(self, connection: sa.Connection, stored: inbox_rows.NoticeClaim) -> tuple[Written, Notice] | None:
        """Apply a notice. Return None if the recording has been deleted or another worker has claimed the notice."""
        current = load_recording(connection, stored.recording_id, lock=True)
        if not inbox_rows.finish_notice(connection, stored, "applied" if current is not None else "foreign"):
            return None
        if current is None:
            return None
        notice = parse_notice(inbox_rows.open_body(stored, self._seals))
        assert notice is not None, "what is no JSON object names no attempt"
        return observe(connection, current, NoticeReceived(notice), self._clock()), notice

    # --- retention -----------------------------------------------------------------------------------------------

    async def prune(self, retention: Retention) -> dict[str, int]:
        """Delete one batch of expired rows of each kind and return the counts. Call this again while a batch is
        full."""
        days = {name: float(getattr(retention, name)) for name in RULES}

        def transaction(connection: sa.Connection) -> dict[str, int]:
            now = self._clock()
            return {name: prune(connection, now - days[name] * 86400, BATCH) for name, prune in RULES.items()}

        return await self._database.run(transaction)

    # --- gauges --------------------------------------------------------------------------------------------------

    async def measure(self) -> Backlog:
        """Return the current backlog."""
        return await self._database.run(lambda connection: measure(connection, self._settings, self._clock()))


def _leads_to_stop(recording: Recording, step: Step) -> bool:
    """Return whether a listing searches for a task that is to be stopped. Such a listing is exempt from the limit on
    bucket steps."""
    return isinstance(step, Look) and recording.state is State.STOPPING
