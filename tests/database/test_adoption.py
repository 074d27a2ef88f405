"""A lost task is taken up only where Agora knows it under the values that were given, and mistaken values can be
corrected."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from service.agora.answers import TaskState
from service.agora.bodies import Task
from service.agora.refusals import TaskMissing
from service.database.engine.database import Database
from service.database.evidence import load_history
from service.database.notifications.inbox import Inbox
from service.database.notifications.stored import sort_notices
from service.database.recordings import find_by_cname, load_recording, save_recording
from service.database.sealing import Seals
from service.database.tables import ledger, recordings
from service.errors import Code, OutsideError, Refused, ServiceError, Unavailable
from service.explain import explain
from service.lifecycle import apply, next_step
from service.lifecycle.observations import Call, Judged, Stop, TaskSeen
from service.lifecycle.observations import TaskMissing as NotFound
from service.media.expectation import expectation
from service.operations import Caller, Lost, Scope
from service.operations.recordings.adoption import Adoption, Tasks
from service.recording import Attention, EndReason, Recording, State
from service.report import FileKind, JudgedFile, Level, Report, Verdict
from service.settings import Settings
from tests.database.samples import notice
from tests.database.test_held_up_requests import STARTING

CALLER = Caller("token", "school", frozenset(Scope))
ULID = "01JZ8Q4S9XH2M7C5V0T3KBWDNE"
CNAME = f"test-{ULID.lower()}"
SID = "a" * 32
NOW = 2_000_000_000.0
SLICE = JudgedFile("slice.ts", FileKind.SLICE, listed=True)
LOST = Lost(f"rec_{ULID}", app="main", storage="archive", uid=7, resource_id="rid")
SETTINGS = Settings.model_validate(
    {
        **STARTING,
        "apps": {"main": STARTING["apps"]["main"], "other": {**STARTING["apps"]["main"], "app_id": "o"}},  # type: ignore[index]
        "storage": {"archive": STARTING["storage"]["archive"], "attic": STARTING["storage"]["archive"]},  # type: ignore[index]
    }
)


class Outside:
    """Agora, which knows one task, and the bucket, whose objects carry `named`."""

    def __init__(self, named: str | None = SID) -> None:
        self.named = named
        self.failure: OutsideError | None = None
        self.state = TaskState(5, cname=CNAME, uid="7")
        self.asked: list[tuple[str, Task]] = []

    async def ask(self, app: str, task: Task) -> TaskState:
        self.asked.append((app, task))
        if self.failure is not None:
            raise self.failure
        if (app, task.resource_id, task.sid) != ("main", "rid", SID):
            raise TaskMissing("no_task")
        return self.state

    async def find_sid(self, recording: Recording) -> str | None:
        return self.named if recording.storage == "archive" else None


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def adoption(database: Database, seals: Seals, outside: Outside) -> Adoption:
    tasks = Tasks(outside.ask, outside.find_sid)
    return Adoption(SETTINGS, database, seals, tasks, lambda: None, lambda: 2_000_000_000.0)


async def _refused(adoption: Adoption, lost: Lost) -> tuple[Code, list[str], str]:
    with pytest.raises(ServiceError) as raised:
        await adoption.adopt(CALLER, lost)
    error = raised.value
    return error.code, [each.pointer for each in error.errors], error.message


async def test_a_task_that_agora_knows_is_adopted_with_the_sid_that_its_objects_carry(
    adoption: Adoption, outside: Outside
) -> None:
    adopted = await adoption.adopt(CALLER, LOST)
    assert (adopted.attempts[0].sid, adopted.attention) == (SID, None)
    assert outside.asked == [("main", Task(CNAME, 7, "rid", SID))]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"app": "other"}, "/resource_id"),
        ({"resource_id": "another"}, "/resource_id"),
        ({"sid": "b" * 32}, "/resource_id"),
        ({"uid": 8}, "/uid"),
        ({"storage": "attic"}, "/sid"),
    ],
)
async def test_a_wrong_value_is_named_and_nothing_is_stored(
    database: Database, adoption: Adoption, wrong: dict[str, Any], pointer: str
) -> None:
    code, pointers, message = await _refused(adoption, replace(LOST, **wrong))
    assert (code, pointers) == (Code.INVALID, [pointer])
    assert "unchecked" in message
    assert await database.run(lambda c: load_recording(c, LOST.recording)) is None
    assert (await adoption.adopt(CALLER, LOST)).attempts[0].uid == 7


async def test_notifications_name_the_sid_the_app_and_the_channel_that_are_right(
    database: Database, seals: Seals, adoption: Adoption, outside: Outside
) -> None:
    async with Inbox(database, seals) as inbox:
        await inbox.put(notice(1, cname=CNAME, sid=SID, app="main"))
        await inbox.put(notice(2, cname="test-else", sid="c" * 32, app="main"))
    await database.run(lambda c: sort_notices(c, 3000, 50, "test"))
    assert (await _refused(adoption, replace(LOST, app="other")))[:2] == (Code.INVALID, ["/app"])
    assert (await _refused(adoption, replace(LOST, sid="c" * 32)))[:2] == (Code.INVALID, ["/sid"])
    assert outside.asked == [], "the notifications have said it"
    outside.named = None
    assert (await adoption.adopt(CALLER, LOST)).attempts[0].sid == SID


@pytest.mark.parametrize(
    ("failure", "code", "pointers"),
    [
        (Unavailable("transport", "no answer"), Code.UNAVAILABLE, []),
        (Refused("unauthorized"), Code.INVALID, ["/app"]),
        (Refused("resource_expired"), Code.INVALID, ["/resource_id"]),
    ],
)
async def test_what_agora_cannot_confirm_is_adopted_only_where_the_caller_says_so(
    adoption: Adoption, outside: Outside, failure: OutsideError, code: Code, pointers: list[str]
) -> None:
    outside.failure = failure
    found, named, message = await _refused(adoption, LOST)
    assert (found, named) == (code, pointers)
    assert failure.code in message
    adopted = await adoption.adopt(CALLER, replace(LOST, unchecked=True))
    assert (adopted.state, adopted.attention and adopted.attention.code) == (State.STARTING, "sid_unknown")


async def test_mistaken_values_are_corrected_by_adopting_it_again(database: Database, adoption: Adoption) -> None:
    wrong = replace(LOST, app="other", storage="attic", uid=9, sid="b" * 32, stop=True, unchecked=True)
    mistaken = await adoption.adopt(CALLER, wrong)
    assert (await _refused(adoption, wrong))[0] is Code.CONFLICT, "it says nothing new"
    await database.run(lambda c: c.execute(recordings.update().values(lease_owner="w", lease_until=9e9)))
    before = await database.run(_row)
    adopted = await adoption.adopt(CALLER, LOST)
    (attempt,) = adopted.attempts
    assert (adopted.app, adopted.storage, attempt.uid, attempt.sid) == ("main", "archive", 7, SID)
    assert adopted.state is State.STOPPING, "the stop that was asked for stays"
    after = await database.run(_row)
    assert (after.app, after.storage, after.lease_owner, after.fence) == ("main", "archive", None, before.fence + 1)
    assert [(row.uid, row.sid) for row in await database.run(lambda c: find_by_cname(c, CNAME))] == [(7, SID)]
    assert await database.run(lambda c: c.execute(sa.select(ledger.c.app)).scalars().all()) == ["main"]
    kinds = [line.kind for line in await database.run(lambda c: load_history(c, adopted.id, after=0, limit=50))]
    assert kinds == ["requested", "stop_requested", "state", "adoption_corrected", "stop_requested", "state"]
    assert mistaken.version < adopted.version


def _row(connection: sa.Connection) -> Any:
    return connection.execute(sa.select(recordings)).one()


SEEN: dict[str, tuple[Callable[[Recording], Recording], dict[str, Any]]] = {
    "another task was seen": (lambda one: _seen(one, seen_at=2e9), {"resource_id": "rid2", "unchecked": True}),
    "another task records": (lambda one: _seen(one, recording_at=2e9), {"app": "other", "unchecked": True}),
    "it was stopped": (lambda one: _seen(one, stop_accepted_at=2e9), {"uid": 8, "unchecked": True}),
    "it is over": (lambda one: replace(one, state=State.FAILED), {"uid": 8, "unchecked": True}),
    "it was not adopted": (lambda one: replace(one, page="https://example.org"), {"uid": 8, "unchecked": True}),
}


def _seen(recording: Recording, **changes: Any) -> Recording:
    return replace(recording, attempts=(replace(recording.attempts[0], **changes),))


@pytest.mark.parametrize("case", SEEN)
async def test_a_recording_of_a_task_that_is_known_stays_what_it_is(
    database: Database, adoption: Adoption, case: str
) -> None:
    adopted = await adoption.adopt(CALLER, LOST)
    change, other = SEEN[case]
    changed = await database.run(lambda c: save_recording(c, change(adopted), due_at=None))
    assert (await _refused(adoption, replace(LOST, **other)))[0] is Code.CONFLICT
    assert await database.run(lambda c: load_recording(c, adopted.id)) == changed


async def test_the_uid_of_a_task_that_was_seen_is_corrected(database: Database, adoption: Adoption) -> None:
    adopted = await adoption.adopt(CALLER, replace(LOST, uid=9, sid=SID, unchecked=True))
    await database.run(lambda c: save_recording(c, _seen(adopted, seen_at=2e9), due_at=None))
    assert (await adoption.adopt(CALLER, LOST)).attempts[0].uid == 7


async def test_a_task_that_agora_never_shows_is_doubted_until_the_verdict(adoption: Adoption) -> None:
    adopted = await adoption.adopt(CALLER, replace(LOST, uid=9, sid=SID, unchecked=True))
    for seconds in (0, 60, 120, 180):
        adopted = apply(adopted, NotFound(Call.QUERY, leftover=1), NOW + seconds).recording
        assert adopted.attention is not None
        assert adopted.attention.detail.startswith("Agora finds no task by the values of its adoption")
        assert "if they are mistaken, adopt it again." in explain(adopted, []).summary
    assert adopted.state is State.UPLOADING
    looked = apply(adopted, Judged(Report(Verdict.INCOMPLETE, Level.LISTING, NOW + 200, files=(SLICE,))), NOW + 200)
    assert (looked.recording.state, looked.recording.attention is None) == (State.INCOMPLETE, False)
    seen = apply(adopted, TaskSeen(5, leftover=1), NOW + 210).recording
    assert (seen.attention and seen.attention.code) == "recorder_alive"


@pytest.mark.parametrize(
    ("ended", "until"),
    [
        ({"ended_proof": "web_recorder_stopped", "seen_at": NOW - 300}, NOW - 200),
        ({"ended_proof": "query", "seen_at": NOW - 300}, NOW - 300),
        ({"ended_proof": "404", "seen_at": NOW - 300}, NOW - 300),
        ({"ended_proof": "404", "seen_at": NOW - 100}, NOW - 200),
        ({"ended_proof": "404"}, NOW - 200),
    ],
    ids=["Agora told it", "a query", "a 404", "uploads went on", "never seen"],
)
async def test_the_hours_of_an_adopted_recording_are_a_limit_and_not_what_was_wanted(
    adoption: Adoption, ended: dict[str, Any], until: float
) -> None:
    adopted = await adoption.adopt(CALLER, replace(LOST, hours=719))
    over = _seen(
        replace(adopted, ended_at=NOW - 200, end_reason=EndReason.HOUR_LIMIT, window_from_at=NOW - 5000),
        started_at=NOW - 5000,
        **ended,
    )
    assert expectation(over).wanted.to_at == until
    stopped = replace(over, stop_wished_at=NOW - 400)
    assert expectation(stopped).wanted.to_at == NOW - 400
    own = replace(over, page="https://example.org", stop_at=NOW)
    assert expectation(own).wanted.to_at == NOW


def _put_back(adopted: Recording, uid: int) -> Recording:
    """As it is after a restore: its task is known by its files alone. A backup may have its uid."""
    lost = replace(adopted.attempts[0], uid=uid, resource_id=None, resource_ids=(), sid=SID)
    attention = Attention("task_lost", "it was started before this database was restored", NOW)
    return replace(adopted, attempts=(lost,), page="https://class.example.org/", attention=attention)


@pytest.mark.parametrize("uid", [-1, 7], ids=["not planned in the backup", "planned in the backup"])
async def test_a_task_that_only_the_bucket_knows_gets_its_ids_and_can_be_stopped(
    database: Database, adoption: Adoption, outside: Outside, uid: int
) -> None:
    restored = _put_back(await adoption.adopt(CALLER, replace(LOST, unchecked=True)), uid)
    restored = await database.run(lambda c: save_recording(c, restored, due_at=NOW))
    for wrong, pointer in (({"uid": 8}, "/uid"), ({"resource_id": "another"}, "/resource_id")):
        assert (await _refused(adoption, replace(LOST, **wrong)))[1] == [pointer]
    code, _, said = await _refused(adoption, replace(LOST, attempt=2))
    assert (code, said) == (Code.CONFLICT, f"{LOST.recording} is already in the database")
    await adoption.adopt(CALLER, replace(LOST, stop=True))
    found = await database.run(lambda c: load_recording(c, LOST.recording))
    assert found is not None
    (attempt,) = found.attempts
    assert (attempt.uid, attempt.resource_id, attempt.sid) == (7, "rid", SID)
    assert (found.page, found.stop_wished_at, found.state) == (restored.page, NOW, State.STOPPING)
    assert isinstance(next_step(found, NOW), Stop)
    kinds = [line.kind for line in await database.run(lambda c: load_history(c, found.id, after=0, limit=50))]
    assert kinds.count("adoption_corrected") == 1
