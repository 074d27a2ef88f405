"""Planned starts and warnings as columns: listed, counted, and filled in where an earlier version wrote the rows."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from service.database import recordings as rows
from service.database.documents import decode_recording, encode
from service.database.engine import startup
from service.database.engine.database import Database
from service.database.tables import recordings
from service.recording import Recording, State
from service.report import Finding, Level, ReportSummary, Severity, Verdict
from tests.database.samples import recording

DUMP = Path(__file__).with_name("before_rules_had_numbers.sql")
BLANK = Finding("picture_blank", Severity.WARNING, "It shows nothing.")
SILENT = Finding("sound_silent", Severity.WARNING, "It is silent.")
NOTED = Finding("picture_static", Severity.NOTE, "It does not move.")


def judged(number: int, *findings: Finding, verdict: Verdict = Verdict.VERIFIED) -> Recording:
    report = ReportSummary(1, verdict, Level.CONTENT, 1500.0, len(findings), findings, len(findings), None)
    return recording(number, state=State.VERIFIED, latest_report=report)


@pytest.fixture
async def stored(database: Database) -> Database:
    made = [
        recording(1, start_at=9000.0),
        recording(2, start_at=5000.0),
        recording(3, start_at=5000.0, state=State.RECORDING),
        recording(4),
        replace(judged(5, BLANK), warned=("picture_blank",), warned_level=Level.CONTENT),
        judged(6),
        recording(7, owner="other", start_at=1.0),
        recording(8, state=State.FAILED),
    ]
    for each in made:
        await database.run(lambda c, each=each: rows.insert_recording(c, each, due_at=None))
    return database


async def numbers(database: Database, **where: object) -> list[int]:
    found = await database.run(lambda c: rows.list_recordings(c, owner="school", limit=50, **where))  # type: ignore[arg-type]
    return [int(item.id[4:]) for item in found]


async def test_planned_recordings_are_listed_by_their_start_and_page_by_page(stored: Database) -> None:
    assert await numbers(stored, planned=True) == [2, 1]
    (first,) = await stored.run(lambda c: rows.list_recordings(c, owner="school", limit=1, planned=True))
    assert first.planned_at is not None
    assert await numbers(stored, planned=True, after=(first.planned_at, first.id)) == [1]
    assert await numbers(stored, planned=False) == [8, 6, 5, 4, 3]


async def test_recordings_with_warnings_are_listed_alone_or_left_out(stored: Database) -> None:
    assert await numbers(stored, warned=True) == [5]
    assert await numbers(stored, warned=False) == [8, 6, 4, 3, 2, 1]
    assert await numbers(stored, warned=True, states={State.FAILED}) == []


async def test_a_recording_that_starts_or_is_judged_again_changes_its_columns(stored: Database) -> None:
    def change(connection: sa.Connection) -> None:
        for name, changes in (
            ("2", {"state": State.STARTING}),
            ("6", {"warned": ("sound_silent",), "warned_level": Level.CONTENT}),
        ):
            one = rows.load_recording(connection, f"rec_{int(name):026d}", lock=True)
            assert one is not None
            rows.save_recording(connection, replace(one, **changes), due_at=None)  # type: ignore[arg-type]

    await stored.run(change)
    assert await numbers(stored, planned=True) == [1]
    assert await numbers(stored, warned=True) == [6, 5]


async def test_several_recordings_are_loaded_at_once_and_others_owners_are_left_out(stored: Database) -> None:
    ids = [f"rec_{number:026d}" for number in (1, 5, 7, 99)]
    found = await stored.run(lambda c: rows.load_several(c, "school", ids))
    assert sorted(one.id for one in found) == ids[:2]


async def test_counts_are_the_owners_and_end_at_the_limit(stored: Database) -> None:
    async def count(limit: int = 100, **where: object) -> int:
        return await stored.run(lambda c: rows.count_recordings(c, "school", limit, **where))  # type: ignore[arg-type]

    assert [await count(), await count(3), await count(planned=True), await count(planned=False)] == [7, 3, 2, 5]
    assert await count(states={State.VERIFIED}, warned=True) == 1
    assert await count(states={State.FAILED, State.RECORDING}, warned=False) == 2


async def test_rows_of_the_earlier_version_get_their_warnings_and_planned_starts(tmp_path: Path) -> None:
    path = tmp_path / "earlier.db"
    earlier = [judged(21, BLANK, NOTED, SILENT, BLANK), judged(22, NOTED), recording(23, start_at=7.0), recording(24)]
    earlier.append(judged(25, BLANK, verdict=Verdict.UNREACHABLE))
    connection = sqlite3.connect(path)
    connection.executescript(DUMP.read_text(encoding="utf-8"))
    for each in earlier:
        document = orjson.loads(encode(each))
        del document["warned"], document["warned_level"]
        values = (
            each.id,
            each.owner,
            each.app,
            each.storage,
            each.state,
            each.requested_at,
            orjson.dumps(document).decode(),
        )
        names = "id, owner, app, storage, state, requested_at, version, document"
        connection.execute(f"INSERT INTO recordings ({names}) VALUES (?, ?, ?, ?, ?, ?, 0, ?)", values)
    connection.commit()
    connection.close()
    before, _ = await startup.migrate(f"sqlite:///{path}")
    assert before == "0001"
    async with await Database.open(f"sqlite:///{path}") as database:
        await startup.prepare(database, "test", 1500.0)
        assert await numbers(database, planned=True) == [23]
        assert await numbers(database, warned=True) == [21, 1]
        documents = await database.run(lambda c: c.execute(sa.select(recordings.c.document)).scalars().all())
        warned = {int(one.id[4:]): one.warned for one in map(decode_recording, documents)}
    assert warned[21] == ("picture_blank", "sound_silent")
    assert warned[1] == ("gap",), "what the dump holds"
    assert [number for number, codes in warned.items() if codes] == [1, 21]
