"""The only path by which a recording changes: an observation is applied and its results are written in the caller's
transaction. After the commit, the returned `Written` updates metrics and log."""

import math
from dataclasses import dataclass, replace

import sqlalchemy as sa
import structlog

from metrics import recordings as meter
from service.database.evidence import (
    HistoryRow,
    insert_history,
    insert_report,
    load_history,
    upsert_files,
    upsert_pictures,
)
from service.database.ledger import LedgerRow, write_ledger
from service.database.outbox import insert_messages
from service.database.recordings import insert_recording, replace_labels, save_recording
from service.lifecycle import apply, next_step, ran_until, task_limit_at
from service.lifecycle.observations import (
    Entry,
    Judged,
    LabelsChanged,
    Looked,
    LookFailed,
    LookHeldUp,
    NoticeReceived,
    Observation,
    PageTried,
    PauseRequested,
    ResumeRequested,
    RtmpRequested,
    StepTaken,
    StopAtChanged,
    StopRequested,
    TaskFound,
    VerifyRequested,
    Wait,
)
from service.messages import Message, message_of
from service.operations.recordings.counting import count_change, find_repairs
from service.recording import Recording, State

_log = structlog.get_logger(__name__)

_CALLER = (
    StopRequested,
    PauseRequested,
    ResumeRequested,
    RtmpRequested,
    StopAtChanged,
    LabelsChanged,
    VerifyRequested,
)
# A run of these lines is folded into one line of the history, because a long recording receives one a minute. While
# Agora is unavailable a query and a stop fail alternately, so either of the last two lines may grow.
FOLDED = frozenset({"notice_uploading_progress", "call_failed"})
_LINES_THAT_GROW = 2


@dataclass(frozen=True, slots=True)
class Written:
    """A written change that may not be committed yet."""

    before: Recording
    after: Recording
    at: float
    observation: Observation
    repairs: tuple[str, ...] = ()

    def tell(self) -> None:
        """Update metrics and log. Call it after the commit."""
        count_change(self.before, self.after, self.observation, self.at)
        for cause in self.repairs:
            meter.repaired(cause)
        if self.after.state is not self.before.state:
            log_state(self.after, self.before.state, source_of(self.observation))


def log_state(recording: Recording, was: State | None, source: str) -> None:
    """Log a change of state. `was` is None if the recording is new."""
    attempt = recording.attempt
    _log.info(
        "state",
        recording_id=recording.id,
        sid=None if attempt is None else attempt.sid,
        attempt=len(recording.attempts),
        was=was,
        state=recording.state,
        source=source,
        end_reason=recording.end_reason,
        blame=recording.blame,
    )


def create(connection: sa.Connection, recording: Recording, sealed: bytes, now: float, *, by: str) -> Recording:
    """Store a new recording with the first line of its history. For `by`, see `observe`."""
    recording = replace(recording, history=1)
    insert_recording(connection, recording, due_at=due_at(recording, now), sealed=sealed)
    entry = HistoryRow(1, now, "requested", "caller", {"page": recording.page, "by": by})
    insert_history(connection, recording.id, [entry])
    return recording


def due_at(recording: Recording, now: float) -> float | None:
    """Return when the worker must next act on the recording. It is derived from the recording, so a restart cannot lose
    it."""
    step = next_step(recording, now)
    return step.until_at if isinstance(step, Wait) else now


def observe(
    connection: sa.Connection,
    recording: Recording,
    observation: Observation,
    now: float,
    *,
    fence: int | None = None,
    release: bool = False,
    sealed: bytes | None = None,
    by: str | None = None,
) -> Written:
    """Apply an observation and write the result. `by`, the id of a caller's token, is stored in the first line of
    history that the observation adds. A step or a page check that changes nothing is not written. Raise `ServiceError`
    (conflict) or `LostRace`; the transaction must then not be committed."""
    change = apply(recording, observation, now)
    if isinstance(observation, StepTaken | PageTried) and change.recording is recording:
        return Written(recording, recording, now, observation)
    history = change.history
    if by is not None and history:
        history = (replace(history[0], detail={**history[0].detail, "by": by}), *history[1:])
    rows = _history(connection, recording, history, source_of(observation), now)
    numbered = replace(change.recording, history=max([recording.history, *(row.number for row in rows)]))
    due = due_at(numbered, now)
    saved = save_recording(
        connection, numbered, due_at=due, fence=fence, release=release, sealed=sealed, before=recording
    )
    write_ledger(connection, _ledger(recording, saved))
    insert_history(connection, saved.id, rows)
    insert_messages(connection, saved, _messages(saved, rows))
    if isinstance(observation, Judged):
        insert_report(connection, saved.id, saved.reports, observation.report)
        upsert_files(connection, saved.id, observation.report.files, now)
        if observation.report.pictures is not None:
            upsert_pictures(connection, saved.id, saved.reports, observation.report.pictures)
    if isinstance(observation, LabelsChanged):
        replace_labels(connection, saved)
    return Written(recording, saved, now, observation, tuple(find_repairs(recording, saved, change.history)))


def _ledger(before: Recording, after: Recording) -> list[LedgerRow]:
    """Return the changed ledger rows: the times at which tasks began, ended, or end by themselves."""
    known = {row.number: row for row in ledger_rows(before)}
    return [row for row in ledger_rows(after) if known.get(row.number) != row]


def ledger_rows(recording: Recording) -> list[LedgerRow]:
    """Return the ledger rows of a recording, one for every task that began."""
    pixels = recording.parameters.video_width * recording.parameters.video_height
    return [
        LedgerRow(
            recording_id=recording.id,
            number=attempt.number,
            owner=recording.owner,
            app=recording.app,
            resolution=meter.resolution_of(pixels),
            started_at=attempt.started_at,
            ended_at=ran_until(recording, attempt),
            limit_at=min(task_limit_at(recording, attempt), recording.stop_at or math.inf),
        )
        for attempt in recording.attempts
        if attempt.started_at is not None
    ]


def _history(
    connection: sa.Connection, recording: Recording, entries: tuple[Entry, ...], source: str, now: float
) -> list[HistoryRow]:
    rows: list[HistoryRow] = []
    number = recording.history
    for entry in entries:
        if entry.kind in FOLDED and not rows:
            after = recording.history - _LINES_THAT_GROW
            lines = load_history(connection, recording.id, after=max(0, after), limit=_LINES_THAT_GROW)
            run = next((line for line in reversed(lines) if _are_equal(line, entry)), None)
            if run is not None:
                rows.append(HistoryRow(run.number, now, entry.kind, source, entry.detail, run.count + 1))
                continue
        number += 1
        rows.append(HistoryRow(number, now, entry.kind, source, entry.detail))
    return rows


def _are_equal(line: HistoryRow, entry: Entry) -> bool:
    """Return whether both lines have the same kind and, if they are failed calls, the same call and code."""
    same = (line.detail.get(name) == entry.detail.get(name) for name in ("call", "code"))
    return line.kind == entry.kind and all(same)


def _messages(recording: Recording, rows: list[HistoryRow]) -> list[Message]:
    """Return the messages for lines of the history. A line that grew is omitted, because its message was created when
    the line began."""
    found = (message_of(recording, row.number, row.at, row.kind, row.detail) for row in rows if row.count == 1)
    return [message for message in found if message is not None]


def source_of(observation: Observation) -> str:
    if isinstance(observation, _CALLER):
        return "caller"
    if isinstance(observation, NoticeReceived):
        return "notice"
    if isinstance(observation, Looked | LookFailed | LookHeldUp | Judged | TaskFound):
        return "bucket"
    return "worker" if isinstance(observation, StepTaken | PageTried) else "agora"
