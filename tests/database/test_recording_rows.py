"""Recordings and their attempts, labels and claims as rows."""

import asyncio
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.database import claims
from service.database.documents import decode, decode_file, decode_recording, decode_report, encode
from service.database.engine.database import Database
from service.database.recordings import (
    AttemptRow,
    LostRace,
    count_by_state,
    find_by_cname,
    insert_recording,
    list_recordings,
    load_recording,
    load_sealed,
    replace_labels,
    save_recording,
)
from service.database.tables import recordings
from service.recording import Recording, State
from service.report import JudgedFile, Report
from tests.database.samples import attempt, recording

RELAXED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    float: st.floats(allow_nan=False, allow_infinity=False),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(codec="utf-8"), max_size=8),
    bool: st.booleans(),
    NoneType: st.none(),
}


def some(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as wide as JSON can hold them."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: some(hints[field.name]) for field in fields(kind)})
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    inner = [some(part) for part in get_args(kind) if part is not Ellipsis]
    if get_origin(kind) is tuple:
        return st.lists(inner[0], max_size=2).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(inner[0], inner[1], max_size=2)
    return st.one_of(inner)


@RELAXED
@given(some(Recording))
def test_every_recording_survives_its_document(made: Recording) -> None:
    assert decode_recording(encode(made)) == made


@RELAXED
@given(some(Report))
def test_every_report_survives_its_document(made: Report) -> None:
    assert decode_report(encode(made)) == made


@RELAXED
@given(some(JudgedFile))
def test_every_file_survives_its_document(made: JudgedFile) -> None:
    assert decode_file(encode(made)) == made


def test_a_document_of_another_version_is_read_with_defaults() -> None:
    made = recording(attempts=(attempt(1, "c", 5),))
    document = decode(encode(made))
    for name in ("labels", "watch", "reports", "history", "looks", "warnings"):
        del document[name]
    del document["policy"]["watch_seconds"]
    del document["attempts"][0]["announced"]
    document["of_a_later_version"] = 1
    assert decode_recording(encode(document)) == made


async def test_a_recording_is_loaded_as_it_was_stored_and_only_by_its_owner(database: Database) -> None:
    made = recording(labels={"class": "7b", "ü": ""}, attempts=(attempt(1, "test-1", 2**32 - 1),))
    await database.run(lambda c: insert_recording(c, made, due_at=5, sealed=b"\0sealed"))
    assert await database.run(lambda c: load_recording(c, made.id, owner="school", lock=True)) == made
    assert await database.run(lambda c: load_recording(c, made.id)) == made
    assert await database.run(lambda c: load_recording(c, made.id, owner="other")) is None
    assert await database.run(lambda c: load_recording(c, "rec_none")) is None
    assert await database.run(lambda c: load_sealed(c, made.id)) == b"\0sealed"


async def test_a_save_counts_the_version_and_a_second_from_the_same_version_is_lost(database: Database) -> None:
    made = recording()
    await database.run(lambda c: insert_recording(c, made, due_at=5))
    changed = replace(made, state=State.STARTING)
    saved = await database.run(lambda c: save_recording(c, changed, due_at=None, sealed=b"new"))
    assert saved == replace(changed, version=1)
    with pytest.raises(LostRace):
        await database.run(lambda c: save_recording(c, changed, due_at=9))
    assert await database.run(lambda c: load_recording(c, made.id)) == saved
    assert await database.run(lambda c: load_sealed(c, made.id)) == b"new"
    assert await database.run(lambda c: claims.count_overdue(c, 99)) == 0


async def test_locked_loads_let_no_save_be_lost(database: Database) -> None:
    await database.run(lambda c: insert_recording(c, recording(), due_at=None))

    def count_up(connection: sa.Connection) -> None:
        loaded = load_recording(connection, recording().id, lock=True)
        assert loaded is not None
        save_recording(connection, replace(loaded, failures=loaded.failures + 1), due_at=None)

    await asyncio.gather(*(database.run(count_up) for _ in range(10)))
    loaded = await database.run(lambda c: load_recording(c, recording().id))
    assert loaded is not None
    assert (loaded.failures, loaded.version) == (10, 10)


async def test_an_unlocked_load_can_lose_the_race_on_postgresql_and_is_told(database: Database) -> None:
    """Why `lock` exists: without it one of two writers fails instead of waiting."""
    if database.writer is not None:
        return  # SQLite has one writer: transactions never interleave
    await database.run(lambda c: insert_recording(c, recording(), due_at=None))
    stale = await database.run(lambda c: load_recording(c, recording().id))
    assert stale is not None
    results = await asyncio.gather(
        *(database.run(lambda c: save_recording(c, stale, due_at=None)) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["LostRace", "Recording"]


async def test_attempts_are_found_by_channel_name_and_sid(database: Database) -> None:
    first = recording(1, cname="room", attempts=(attempt(1, "room", 11),))
    await database.run(lambda c: insert_recording(c, first, due_at=None))
    later = replace(first, attempts=(replace(first.attempts[0], sid="s1"), attempt(2, "room", 12)))
    await database.run(lambda c: save_recording(c, later, due_at=None))
    rows = [AttemptRow(first.id, 1, "room", 11, "s1"), AttemptRow(first.id, 2, "room", 12, None)]
    assert await database.run(lambda c: find_by_cname(c, "room")) == rows


async def test_one_agora_task_belongs_to_one_attempt(database: Database) -> None:
    await database.run(lambda c: insert_recording(c, recording(1, attempts=(attempt(1, "room", 1),)), due_at=None))
    with pytest.raises(sa.exc.IntegrityError):
        await database.run(lambda c: insert_recording(c, recording(2, attempts=(attempt(1, "room", 1),)), due_at=None))
    assert await database.run(lambda c: load_recording(c, recording(2).id)) is None


async def test_a_state_that_does_not_exist_is_refused(database: Database) -> None:
    await database.run(lambda c: insert_recording(c, recording(), due_at=None))
    with pytest.raises(sa.exc.IntegrityError):
        await database.run(lambda c: c.execute(recordings.update().values(state="lost")))


async def test_listing_filters_by_everything_and_pages_without_gap_or_repeat(database: Database) -> None:
    states, apps = list(State), ["main", "other"]
    made = [
        recording(
            n,
            owner="school" if n % 7 else "other",
            app=apps[n % 2],
            state=states[n % 12],
            requested_at=1000.0 + n // 4,  # several at the same instant
            labels={"class": f"c{n % 3}", "term": "1"} if n % 5 else {},
        )
        for n in range(1, 200)
    ]
    await database.run(lambda c: [insert_recording(c, one, due_at=None) for one in made])
    mine = sorted(
        (one for one in made if one.owner == "school"), key=lambda one: (one.requested_at, one.id), reverse=True
    )

    async def pages(**where: object) -> list[Recording]:
        found: list[Recording] = []
        after = None
        while page := await database.run(
            lambda c, after=after: list_recordings(c, owner="school", limit=7, after=after, **where)  # type: ignore[arg-type]
        ):
            found += [each.decode() for each in page]
            after = (page[-1].requested_at, page[-1].id)
        return found

    assert await pages() == mine
    assert await pages(app="other") == [one for one in mine if one.app == "other"]
    wanted = {State.VERIFIED, State.FAILED}
    assert await pages(states=wanted) == [one for one in mine if one.state in wanted]
    assert await pages(with_labels={"class": "c1"}) == [one for one in mine if one.labels.get("class") == "c1"]
    assert await pages(with_labels={"class": "c1", "term": "2"}) == []
    assert await pages(from_at=1010, to_at=1020) == [one for one in mine if 1010 <= one.requested_at < 1020]
    all_at_once = {"states": wanted, "app": "main", "with_labels": {"class": "c1", "term": "1"}, "from_at": 1005.0}
    fits = [
        one
        for one in mine
        if one.state in wanted and one.app == "main" and one.labels.get("class") == "c1" and one.requested_at >= 1005
    ]
    assert await pages(**all_at_once) == fits
    assert fits


async def test_a_label_that_is_on_thousands_is_found_as_well_as_a_rare_one(database: Database) -> None:
    made = [recording(n, app=f"a{n % 2}", labels={"env": "prod", "room": str(n)}) for n in range(1300)]
    await database.run(lambda c: [insert_recording(c, one, due_at=None) for one in made])

    async def listed(**where: Any) -> list[Recording]:
        found = await database.run(lambda c: list_recordings(c, owner="school", limit=5, **where))
        return [each.decode() for each in found]

    assert await listed(with_labels={"env": "prod"}) == made[:-6:-1]
    assert await listed(with_labels={"env": "prod"}, app="a0", to_at=1700) == made[698:688:-2]
    assert await listed(with_labels={"env": "prod", "room": "7"}) == [made[7]]
    assert await listed(with_labels={"env": "test"}) == []


async def test_changed_labels_replace_the_old_ones(database: Database) -> None:
    made = recording(labels={"a": "1"})
    await database.run(lambda c: insert_recording(c, made, due_at=None))

    def relabel(connection: sa.Connection) -> None:
        saved = save_recording(connection, replace(made, labels={"b": "2"}), due_at=None)
        replace_labels(connection, saved)

    await database.run(relabel)
    assert await database.run(lambda c: list_recordings(c, owner="school", limit=5, with_labels={"a": "1"})) == []
    assert len(await database.run(lambda c: list_recordings(c, owner="school", limit=5, with_labels={"b": "2"}))) == 1


async def test_every_state_is_counted(database: Database) -> None:
    states = [State.RECORDING, State.RECORDING, State.FAILED]
    await database.run(
        lambda c: [insert_recording(c, recording(n, state=s), due_at=None) for n, s in enumerate(states)]
    )
    counted = await database.run(count_by_state)
    assert counted == dict.fromkeys(State, 0) | {State.RECORDING: 2, State.FAILED: 1}


async def test_due_recordings_are_claimed_longest_due_first_and_once(database: Database) -> None:
    due = {1: 30.0, 2: 10.0, 3: 20.0, 4: 99.0, 5: None}
    await database.run(lambda c: [insert_recording(c, recording(n), due_at=at) for n, at in due.items()])
    claimed = await database.run(lambda c: claims.claim_due(c, 50, "w1", 30, 2))
    assert [(one.recording.requested_at - 1000, one.fence) for one in claimed] == [(2, 1), (3, 1)]
    rest = await database.run(lambda c: claims.claim_due(c, 50, "w2", 30, 9))
    assert [one.recording.requested_at - 1000 for one in rest] == [1]
    assert await database.run(lambda c: claims.count_overdue(c, 50)) == 3


async def test_workers_that_claim_at_once_share_the_work(database: Database) -> None:
    await database.run(lambda c: [insert_recording(c, recording(n), due_at=1) for n in range(40)])
    shares = await asyncio.gather(
        *(database.run(lambda c, w=w: claims.claim_due(c, 5, f"w{w}", 30, 10)) for w in range(4))
    )
    ids = [one.recording.id for share in shares for one in share]
    assert len(ids) == len(set(ids))
    left = await database.run(lambda c: claims.claim_due(c, 5, "last", 30, 40))
    assert len(ids) + len(left) == 40


async def test_a_worker_whose_lease_was_taken_over_cannot_save(database: Database) -> None:
    await database.run(lambda c: insert_recording(c, recording(), due_at=1))
    [old] = await database.run(lambda c: claims.claim_due(c, 5, "w1", 30, 1))
    assert await database.run(lambda c: claims.claim_due(c, 34, "w2", 30, 1)) == []
    [new] = await database.run(lambda c: claims.claim_due(c, 36, "w2", 30, 1))
    assert new.fence == old.fence + 1
    with pytest.raises(LostRace):
        await database.run(lambda c: save_recording(c, old.recording, due_at=None, fence=old.fence))
    renewals = [(recording().id, new.fence), (recording().id, old.fence)]
    await database.run(lambda c: [claims.renew(c, [one], until) for one, until in zip(renewals, (77, 99), strict=True)])
    assert await database.run(lambda c: claims.claim_due(c, 76, "w3", 30, 1)) == [], "its lease was prolonged"
    [new] = await database.run(lambda c: claims.claim_due(c, 78, "w3", 30, 1))
    await database.run(lambda c: save_recording(c, new.recording, due_at=1, fence=new.fence, release=True))
    assert len(await database.run(lambda c: claims.claim_due(c, 79, "w1", 30, 1))) == 1


async def test_released_claims_are_free_at_once(database: Database) -> None:
    await database.run(lambda c: [insert_recording(c, recording(n), due_at=1) for n in range(3)])
    await database.run(lambda c: claims.claim_due(c, 5, "w1", 30, 2))
    await database.run(lambda c: claims.claim_due(c, 5, "w2", 30, 1))
    assert await database.run(lambda c: claims.release_all(c, "w1")) == 2
    assert len(await database.run(lambda c: claims.claim_due(c, 6, "w3", 30, 3))) == 2
    assert await database.run(claims.release_left) == 3, "what anybody holds"
    assert len(await database.run(lambda c: claims.claim_due(c, 6, "w4", 30, 3))) == 3
