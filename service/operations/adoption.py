"""A task that the database has lost (a backup that was older, a row that was deleted) becomes a recording again.

Nothing is asked of Agora here: the row says that a task runs, and the worker does with it what it does with any other.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from service.database.ledger import ledger_owner, write_ledger
from service.database.recordings import find_by_cname, load_recording
from service.database.run import Database
from service.database.sealing import Seals
from service.errors import Code, ServiceError, invalid
from service.lifecycle.observations import StopRequested
from service.operations.admission import admit
from service.operations.ids import instant_of_ulid
from service.operations.secrets import PageSecrets, seal_page
from service.operations.trail import ActionKind, note_action
from service.operations.words import Caller, Wish
from service.operations.writing import Written, create, ledger_rows, log_state, observe
from service.recording import Attempt, AttemptState, Attention, Recording, State
from service.settings import Settings

_ID = re.compile(r"rec_[0-9A-HJKMNP-TV-Z]{26}")
# Nobody knows the page any more; it is never started again, so nothing ever opens this one.
LOST_PAGE = "https://lost.invalid/"


@dataclass(frozen=True, slots=True)
class Lost:
    """What is known of the task: from the log line `acquired`, and `sid` from a notification or an object's name."""

    recording: str
    app: str
    storage: str
    uid: int
    resource_id: str
    sid: str | None = None
    attempt: int = 1
    hours: int = 3
    stop: bool = False


class Adoption:
    """Takes lost tasks up; `wake` makes the worker look at once."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        seals: Seals,
        wake: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._wake = wake
        self._clock = clock

    async def adopt(self, caller: Caller, lost: Lost) -> Recording:
        """Store the task as a recording of its old id; it is the caller's. Raises `ServiceError`: invalid; conflict
        where it is known; not_found where it is, or was by the ledger, another's."""
        if not _ID.fullmatch(lost.recording):
            raise invalid("/recording", "is not an id; ids look like rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE")
        recording, written = await self._database.run(lambda connection: self._adopt(connection, caller, lost))
        log_state(recording if written is None else written.before, None, "caller")
        if written is not None:
            written.tell()
        self._wake()
        return recording

    def _adopt(self, connection: sa.Connection, caller: Caller, lost: Lost) -> tuple[Recording, Written | None]:
        now = self._clock()
        known = load_recording(connection, lost.recording)
        whose = known.owner if known is not None else ledger_owner(connection, lost.recording)
        if whose not in (None, caller.owner):
            raise ServiceError(Code.NOT_FOUND, "no such recording")
        if known is not None or find_by_cname(connection, _cname(self._settings, lost)):
            raise ServiceError(Code.CONFLICT, f"{lost.recording} is already in the database")
        found = _found(self._settings, caller, lost, now)
        sealed = seal_page(self._seals, PageSecrets(LOST_PAGE))
        recording = create(connection, found, sealed, now, by=caller.token_id)
        write_ledger(connection, ledger_rows(recording))
        note_action(connection, caller, ActionKind.ADOPT, recording.id, now)
        if not lost.stop:
            return recording, None
        written = observe(connection, recording, StopRequested(), now, by=caller.token_id)
        return written.after, written


def _cname(settings: Settings, lost: Lost) -> str:
    return f"{settings.deployment}-{lost.recording.removeprefix('rec_').lower()}"


def _found(settings: Settings, caller: Caller, lost: Lost, now: float) -> Recording:
    """The recording as it must have been: what it was made with is taken from the settings of today."""
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
        page="lost: adopted",
    )
