"""The adoption of a task that the database has lost (an older backup, a deleted row).

Before anything is stored, the caller's values are compared with stored notifications, and Agora is queried for the
task, because a recorder with a wrong address can neither be watched nor stopped. Afterwards the row contains a running
task, which the worker treats like any other.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from service.agora.answers import TaskState
from service.agora.bodies import Task
from service.agora.refusals import TaskMissing
from service.database.engine.database import Database
from service.database.evidence import HistoryRow, insert_history
from service.database.ledger import ledger_owner, write_ledger
from service.database.notifications.stored import NoticeRow, list_notices
from service.database.recordings import correct_recording, find_by_cname, load_recording
from service.database.sealing import Seals
from service.errors import Code, OutsideError, Refused, ServiceError, Unavailable, invalid
from service.lifecycle.observations import StopRequested
from service.operations.ids import instant_of_ulid
from service.operations.recordings.admission import admit
from service.operations.recordings.secrets import PageSecrets, seal_page
from service.operations.recordings.writing import Written, create, due_at, ledger_rows, log_state, observe
from service.operations.trail import ActionKind, note_action
from service.operations.types import Caller, Wish
from service.recording import ADOPTED, Attempt, AttemptState, Attention, Recording, State
from service.settings import Settings

_ID = re.compile(r"rec_[0-9A-HJKMNP-TV-Z]{26}")
# The original URL is lost. This placeholder is never opened, because the task is never started again.
LOST_PAGE = "https://lost.invalid/"
# At most this many of the newest notifications without a recording are searched.
_NOTICES = 500
_UNCHECKED = "`unchecked` (`--unchecked`) adopts it all the same"


@dataclass(frozen=True, slots=True)
class Lost:
    """The known values of the task: from the log line `acquired`, and `sid` from a notification or an object's name. If
    `unchecked` is true, adopt the task even if Agora cannot be queried or contradicts the values."""

    recording: str
    app: str
    storage: str
    uid: int
    resource_id: str
    sid: str | None = None
    attempt: int = 1
    hours: int = 3
    stop: bool = False
    unchecked: bool = False


@dataclass(frozen=True, slots=True)
class Tasks:
    """Searches for tasks. `ask` queries Agora as an app of the settings, and `find_sid` lists the bucket. Both raise
    `OutsideError`."""

    ask: Callable[[str, Task], Awaitable[TaskState]]
    find_sid: Callable[[Recording], Awaitable[str | None]]


async def _ask_nobody(_: object, __: object) -> TaskState:
    raise Unavailable("not_asked")


async def _find_nothing(_: object) -> str | None:
    return None


NO_TASKS = Tasks(_ask_nobody, _find_nothing)


class Adoption:
    """Adopts lost tasks; `wake` makes the worker act at once."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        seals: Seals,
        tasks: Tasks,
        wake: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._tasks = tasks
        self._wake = wake
        self._clock = clock

    async def adopt(self, caller: Caller, lost: Lost) -> Recording:
        """Store the task as a recording of the caller with its old id.

        A recording adopted with wrong values is corrected. A recording whose task was found only in the bucket receives
        the uid and resource id. Raise `ServiceError`: invalid, also if Agora knows no such task; unavailable if Agora
        cannot be queried; conflict if the recording is known; not_found if it belongs to another owner, or did
        according to the ledger.
        """
        if not _ID.fullmatch(lost.recording):
            raise invalid("/recording", "is not an id; ids look like rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE")
        if not lost.unchecked:
            lost = await self._checked(caller, lost)
        recording, written = await self._database.run(lambda connection: self._adopt(connection, caller, lost))
        log_state(recording if written is None else written.before, None, "caller")
        if written is not None:
            written.tell()
        self._wake()
        return recording

    async def _checked(self, caller: Caller, lost: Lost) -> Lost:
        """Return the values with the sid, after checking that no notification contradicts them and that Agora knows the
        task."""

        def transaction(connection: sa.Connection) -> tuple[Recording, list[NoticeRow]]:
            _, found = self._prepare(connection, caller, lost)
            told = list_notices(connection, sid=lost.sid, outcome="unmatched", limit=_NOTICES)
            return found, told

        found, told = await self._database.run(transaction)
        sid = lost.sid or await self._find_sid(found, told)
        refuse_contradicted(found, sid, told)
        attempt = found.attempt
        assert attempt is not None
        try:
            state = await self._tasks.ask(lost.app, Task(attempt.cname, attempt.uid, lost.resource_id, sid))
        except OutsideError as error:
            raise _not_known(lost, error) from error
        refuse_another(found, state)
        return replace(lost, sid=sid)

    async def _find_sid(self, found: Recording, told: Iterable[NoticeRow]) -> str:
        why = ""
        try:
            sid = await self._tasks.find_sid(found)
        except OutsideError as error:
            sid, why = None, f" (its bucket cannot be listed: {error.code})"
        sid = sid or next((each.sid for each in told if each.cname == found.cname and each.sid), None)
        if sid is None:
            below = f"no object below {found.key_prefix} in the storage {found.storage}{why} and no notification has it"
            said = f"is needed: {below}; is the recording's id right? {_UNCHECKED}"
            raise invalid("/sid", said)
        return sid

    def _prepare(
        self, connection: sa.Connection, caller: Caller, lost: Lost, *, lock: bool = False
    ) -> tuple[Recording | None, Recording]:
        """Return the known recording, if it exists and may be corrected, and the recording derived from the values."""
        known = load_recording(connection, lost.recording, lock=lock)
        whose = known.owner if known is not None else ledger_owner(connection, lost.recording)
        if whose not in (None, caller.owner):
            raise ServiceError(Code.NOT_FOUND, "no such recording")
        if known is None and find_by_cname(connection, _cname(self._settings, lost)):
            raise _in_database(lost)
        found = _found(self._settings, caller, lost, self._clock())
        if known is not None and not lacks_task(known, found) and not may_correct(known, found):
            raise _in_database(lost)
        return known, found

    def _adopt(self, connection: sa.Connection, caller: Caller, lost: Lost) -> tuple[Recording, Written | None]:
        now = self._clock()
        known, found = self._prepare(connection, caller, lost, lock=True)
        if known is None:
            sealed = seal_page(self._seals, PageSecrets(LOST_PAGE))
            recording = create(connection, found, sealed, now, by=caller.token_id)
        else:
            right = _completed(known, found, now) if lacks_task(known, found) else _corrected(known, found)
            recording = _correct(connection, right, now, by=caller.token_id)
        write_ledger(connection, ledger_rows(recording))
        note_action(connection, caller, ActionKind.ADOPT, recording.id, now)
        if not lost.stop and (known is None or known.stop_wished_at is None):
            return recording, None
        written = observe(connection, recording, StopRequested(), now, by=caller.token_id)
        return written.after, written


def refuse_contradicted(found: Recording, sid: str, told: Iterable[NoticeRow]) -> None:
    """Raise `invalid` if a notification of the task belongs to another app or recording. Pure."""
    for each in told:
        if each.sid != sid:
            continue
        if each.cname not in (None, found.cname):
            raise invalid("/sid", f"is that of a task with the channel name {each.cname}; {_UNCHECKED}")
        if each.app != found.app:
            raise invalid("/app", f"is another: the task's notifications came to the app {each.app}; {_UNCHECKED}")


def refuse_another(found: Recording, state: TaskState) -> None:
    """Raise `invalid` if Agora shows another channel name or uid for the task. Pure."""
    attempt = found.attempt
    assert attempt is not None
    if state.cname not in (None, attempt.cname):
        raise invalid("/sid", f"is that of a task with the channel name {state.cname}; {_UNCHECKED}")
    if state.uid not in (None, str(attempt.uid)):
        raise invalid("/uid", f"is another: Agora says {state.uid}; {_UNCHECKED}")


def may_correct(known: Recording, found: Recording) -> bool:
    """Return whether a recording may have been adopted with wrong values. This is true if Agora has shown no such task,
    or if it is the same task and has not been stopped. Pure."""
    (was, *more), (now,) = known.attempts or (None,), found.attempts
    if known.page != ADOPTED or was is None or more or known.state.terminal or was.stop_accepted_at is not None:
        return False
    sid = now.sid or was.sid
    task, values = (known.app, was.resource_id, was.sid), (known.storage, was.uid, was.prefix, was.hours)
    same = task == (found.app, now.resource_id, sid)
    if same and values == (found.storage, now.uid, now.prefix, now.hours):
        return False
    return same or (was.seen_at is None and was.recording_at is None)


def lacks_task(known: Recording, found: Recording) -> bool:
    """Return whether a recording restored from a backup has a possibly running task of which only the files and the sid
    are known. `found` must have the same app, storage and attempt. Pure."""
    (*_, was), (now,) = known.attempts or (None,), found.attempts
    if was is None or not was.lost or not was.may_be_alive or now.sid not in (None, was.sid):
        return False
    return (known.app, known.storage, was.prefix) == (found.app, found.storage, now.prefix)


def _completed(known: Recording, found: Recording, now: float) -> Recording:
    """Return the restored recording with the identifiers that Agora needs for its task."""
    (*before, was), (right,) = known.attempts, found.attempts
    attempt = replace(
        was,
        uid=right.uid,
        resource_id=right.resource_id,
        resource_ids=right.resource_ids,
        acquired_at=was.acquired_at or right.acquired_at,
        sid=right.sid or was.sid,
        next_query_at=now,
    )
    return replace(known, attempts=(*before, attempt), attention=None)


def _corrected(known: Recording, found: Recording) -> Recording:
    """Return the recording with the right values. Its history and reports continue their numbers."""
    return replace(
        found,
        labels=known.labels,
        reports=known.reports,
        latest_report=known.latest_report,
        history=known.history,
        version=known.version,
    )


def _correct(connection: sa.Connection, right: Recording, now: float, *, by: str) -> Recording:
    recording = replace(right, history=right.history + 1)
    attempt = recording.attempts[-1]
    detail = {"app": right.app, "storage": right.storage, "uid": attempt.uid, "attempt": attempt.prefix, "by": by}
    insert_history(connection, right.id, [HistoryRow(recording.history, now, "adoption_corrected", "caller", detail)])
    return correct_recording(connection, recording, due_at=due_at(recording, now))


def _in_database(lost: Lost) -> ServiceError:
    return ServiceError(Code.CONFLICT, f"{lost.recording} is already in the database")


def _not_known(lost: Lost, error: OutsideError) -> ServiceError:
    """Return the error for a task that is not adopted, because Agora contradicts the values or does not answer.
    Pure."""
    if isinstance(error, TaskMissing):
        said = (
            f"names no running task of the app {lost.app} with this sid: one of these is wrong, or the task is over,"
            f" or it moves to another recorder just now; {_UNCHECKED}"
        )
        return invalid("/resource_id", said)
    if isinstance(error, Refused):
        pointer = "/resource_id" if error.code in ("resource_mismatch", "resource_expired") else "/app"
        return invalid(pointer, f"is refused by Agora, which was asked for the task ({error}); {_UNCHECKED}")
    said = f"Agora cannot be asked for the task ({error}), so nothing is adopted: try again; {_UNCHECKED}"
    return ServiceError(Code.UNAVAILABLE, said, detail="agora_unavailable")


def _cname(settings: Settings, lost: Lost) -> str:
    return f"{settings.deployment}-{lost.recording.removeprefix('rec_').lower()}"


def _found(settings: Settings, caller: Caller, lost: Lost, now: float) -> Recording:
    """Return the recording derived from the values. Its original parameters are unknown, so they are taken from the
    current settings."""
    began_at = min(instant_of_ulid(lost.recording.removeprefix("rec_")), now)
    wish = Wish(LOST_PAGE, app=lost.app, storage=lost.storage, parameters={"max_recording_hour": lost.hours})
    made = admit(settings, caller, wish, ulid=lost.recording.removeprefix("rec_"), now=began_at)
    attempt = Attempt(
        number=1,
        cname=made.cname,
        uid=lost.uid,
        prefix=f"{made.key_prefix}a{lost.attempt}/",
        planned_at=began_at,
        state=AttemptState.RUNNING,
        resource_id=lost.resource_id,
        resource_ids=(lost.resource_id,),
        acquired_at=began_at,
        start_sent_at=began_at,
        hours=lost.hours,
        sid=lost.sid,
        started_at=began_at,
        next_query_at=now,
    )
    waiting = None if lost.sid else Attention("sid_unknown", "Adopted without its sid; looking for it", now)
    return replace(
        made,
        state=State.STARTING,
        state_since_at=now,
        policy=replace(made.policy, restart=False),
        attempts=(attempt,),
        start_deadline_at=now + made.policy.start_within_seconds,
        attention=waiting,
        page=ADOPTED,
    )
