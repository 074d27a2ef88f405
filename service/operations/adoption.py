"""A task that the database has lost (a backup that was older, a row that was deleted) becomes a recording again.

Nothing is asked of Agora here: the row says that a task runs, and the worker does with it what it does with any other.
"""

import re
from dataclasses import dataclass, replace

import sqlalchemy as sa

from service.database.ledger import write_ledger
from service.database.recordings import find_by_cname, load_recording
from service.database.run import Database
from service.database.sealing import Seals
from service.errors import Code, ServiceError, invalid
from service.lifecycle.observations import StopRequested
from service.operations.admission import admit
from service.operations.ids import instant_of_ulid
from service.operations.secrets import PageSecrets, seal_page
from service.operations.words import Caller, Wish
from service.operations.writing import create, ledger_rows, observe
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
    owner: str = "default"
    hours: int = 3
    stop: bool = False


async def adopt(settings: Settings, database: Database, seals: Seals, lost: Lost, now: float) -> Recording:
    """Store the task as a recording of its old id. Raises `ServiceError`: invalid, or conflict where it is known."""
    if not _ID.fullmatch(lost.recording):
        raise invalid("/recording", "is no id such as rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE")

    def transaction(connection: sa.Connection) -> Recording:
        if load_recording(connection, lost.recording) or find_by_cname(connection, _cname(settings, lost)):
            raise ServiceError(Code.CONFLICT, f"{lost.recording} is in the database; nothing is lost")
        recording = create(connection, _found(settings, lost, now), seal_page(seals, PageSecrets(LOST_PAGE)), now)
        write_ledger(connection, ledger_rows(recording))
        return observe(connection, recording, StopRequested(), now).after if lost.stop else recording

    return await database.run(transaction)


def _cname(settings: Settings, lost: Lost) -> str:
    return f"{settings.deployment}-{lost.recording.removeprefix('rec_').lower()}"


def _found(settings: Settings, lost: Lost, now: float) -> Recording:
    """The recording as it must have been: what it was made with is taken from the settings of today."""
    began_at = min(instant_of_ulid(lost.recording.removeprefix("rec_")), now)
    wish = Wish(LOST_PAGE, app=lost.app, storage=lost.storage, parameters={"max_recording_hour": lost.hours})
    nobody = Caller("adopt", lost.owner, frozenset())
    made = admit(settings, nobody, wish, ulid=lost.recording.removeprefix("rec_"), now=began_at)
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
