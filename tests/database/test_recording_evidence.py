"""History, files and reports of a recording, tokens, idempotent answers and budgets as rows."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from service.database import budgets, evidence, idempotency, tokens
from service.database.engine.database import Database
from service.database.evidence import FileRow, HistoryRow
from service.database.idempotency import KeptAnswer
from service.database.recordings import insert_recording
from service.errors import ServiceError
from service.operations import Caller, Scope
from service.operations.evidence.queries import Evidence
from service.recording import State
from service.report import FileKind, Finding, JudgedFile, Level, Pictures, Report, Severity, Verdict
from tests.database.samples import recording

ID = recording().id


@pytest.fixture
async def stored(database: Database) -> Database:
    await database.run(lambda c: insert_recording(c, recording(), due_at=None))
    return database


async def test_history_comes_back_in_order_and_a_run_of_equal_entries_grows(stored: Database) -> None:
    rows = [HistoryRow(n, float(n), "notice", "agora", {"progress": n, "nul": "\0"}) for n in (1, 2, 3)]
    await stored.run(lambda c: evidence.insert_history(c, ID, rows))
    grown = replace(rows[2], at=9.0, count=2, detail={"progress": 5})
    await stored.run(lambda c: evidence.insert_history(c, ID, [grown]))
    assert await stored.run(lambda c: evidence.load_history(c, ID, limit=9)) == [*rows[:2], grown]
    assert await stored.run(lambda c: evidence.load_history(c, ID, after=1, limit=1)) == rows[1:2]
    await stored.run(lambda c: evidence.insert_history(c, ID, []))


async def test_files_keep_when_they_were_first_seen_and_page_in_the_order_of_a_bucket(stored: Database) -> None:
    keys = ["a/Z.ts", "a/a.ts", "a/é.ts", "a/_.m3u8"]
    files = [JudgedFile(key, FileKind.SLICE if key.endswith("ts") else FileKind.PLAYLIST) for key in keys]
    await stored.run(lambda c: evidence.upsert_files(c, ID, files, 5))
    again = replace(files[1], size_bytes=7, listed=True)
    await stored.run(lambda c: evidence.upsert_files(c, ID, [again], 8))
    inorder = sorted([files[0], again, *files[2:]], key=lambda file: file.key.encode())
    expected = [FileRow(file, 5, 8 if file is again else 5) for file in inorder]
    assert await stored.run(lambda c: evidence.load_files(c, ID, limit=9)) == expected
    assert await stored.run(lambda c: evidence.load_files(c, ID, after=inorder[0].key, limit=2)) == expected[1:3]
    playlists = await stored.run(lambda c: evidence.load_files(c, ID, limit=9, kind=FileKind.PLAYLIST))
    assert [row.file.key for row in playlists] == ["a/_.m3u8"]


async def test_the_newest_pictures_are_kept_once_and_go_with_the_recording(stored: Database) -> None:
    report = Report(Verdict.VERIFIED, Level.CONTENT, 5, pictures=Pictures(b"one", b"two"))
    await stored.run(lambda c: evidence.insert_report(c, ID, 1, report))
    assert await stored.run(lambda c: evidence.load_report(c, ID, 1)) == replace(report, pictures=None)
    assert await stored.run(lambda c: evidence.load_pictures(c, ID)) is None
    for number, made in enumerate((Pictures(b"one", b"two"), Pictures(b"three", b"\0four")), 1):
        await stored.run(lambda c, number=number, made=made: evidence.upsert_pictures(c, ID, number, made))
    assert await stored.run(lambda c: evidence.load_pictures(c, ID)) == Pictures(b"three", b"\0four")
    await stored.run(lambda c: c.execute(sa.text("DELETE FROM recordings")))
    assert await stored.run(lambda c: evidence.load_pictures(c, ID)) is None


async def test_a_report_is_kept_without_its_files(stored: Database) -> None:
    finding = Finding("gap", Severity.ERROR, "a hole", evidence={"seconds": 3.5})
    first = Report(Verdict.INCOMPLETE, Level.LISTING, 5, findings=(finding,), files=(JudgedFile("k", FileKind.MP4),))
    second = replace(first, verdict=Verdict.VERIFIED, files=(), judged_at=6)
    await stored.run(lambda c: evidence.insert_report(c, ID, 1, first))
    await stored.run(lambda c: evidence.insert_report(c, ID, 2, second))
    assert await stored.run(lambda c: evidence.load_report(c, ID, 1)) == replace(first, files=())
    assert await stored.run(lambda c: evidence.load_report(c, ID)) == second
    assert await stored.run(lambda c: evidence.load_report(c, ID, 3)) is None


async def test_evidence_of_no_recording_is_refused(stored: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await stored.run(lambda c: evidence.insert_history(c, "rec_none", [HistoryRow(1, 1.0, "k", "s", {})]))


async def test_a_token_is_kept_until_it_is_revoked(database: Database) -> None:
    token = tokens.Token("t1", "ab" * 32, "school", frozenset({"read", "start"}), 5.0, apps=frozenset({"main"}))
    await database.run(lambda c: tokens.insert_token(c, token))
    assert await database.run(lambda c: tokens.load_token(c, "t1")) == token
    assert await database.run(lambda c: tokens.load_token(c, "t2")) is None
    assert await database.run(lambda c: tokens.revoke_token(c, "t1", 9))
    assert not await database.run(lambda c: tokens.revoke_token(c, "t1", 10))
    assert await database.run(tokens.list_tokens) == [replace(token, revoked_at=9)]


async def test_the_use_of_a_token_is_noted_once_a_minute(database: Database) -> None:
    await database.run(lambda c: tokens.insert_token(c, tokens.Token("t1", "x", "o", frozenset(), 5.0)))
    for now, noted in ((100.0, 100.0), (130.0, 100.0), (161.0, 161.0)):
        await database.run(lambda c, now=now: tokens.note_token_use(c, "t1", now))
        token = await database.run(lambda c: tokens.load_token(c, "t1"))
        assert token is not None
        assert token.last_used_at == noted


async def test_of_many_requests_with_one_key_exactly_one_is_kept(database: Database) -> None:
    class Taken(Exception):
        pass

    def start(connection: sa.Connection, number: int) -> int:
        insert_recording(connection, recording(number), due_at=None)
        answer = KeptAnswer("hash", recording(number).id, b"%d" % number)
        if not idempotency.insert_answer(connection, "school", "key", answer, 5):
            raise Taken
        return number

    results = await asyncio.gather(
        *(database.run(lambda c, n=n: start(c, n)) for n in range(10)), return_exceptions=True
    )
    [winner] = [result for result in results if isinstance(result, int)]
    assert sum(isinstance(result, Taken) for result in results) == 9
    kept = await database.run(lambda c: idempotency.load_answer(c, "school", "key"))
    assert kept == KeptAnswer("hash", recording(winner).id, b"%d" % winner)
    assert await database.run(lambda c: c.execute(sa.text("SELECT count(*) FROM recordings")).scalar_one()) == 1
    assert await database.run(lambda c: idempotency.load_answer(c, "other", "key")) is None
    assert await database.run(lambda c: idempotency.prune_answers(c, 6, 9)) == 1


async def test_a_budget_is_never_taken_twice(database: Database) -> None:
    def next_one(tat: float) -> tuple[float, float]:
        return tat + 1, tat

    taken = await asyncio.gather(*(database.run(lambda c: budgets.take(c, "g", next_one)) for _ in range(20)))
    assert sorted(taken) == list(range(20))
    assert await database.run(lambda c: budgets.take(c, "g", lambda tat: (tat, "refused"))) == "refused"
    assert await database.run(lambda c: budgets.take(c, "h", next_one)) == 0


@pytest.mark.parametrize(("state", "end"), [(State.FAILED, ""), (State.UPLOADING, " yet")], ids=["over", "not over"])
async def test_what_is_missing_has_a_reason_and_is_awaited_only_while_a_look_is_to_come(
    database: Database, state: State, end: str
) -> None:
    made = recording(state=state)
    await database.run(lambda c: insert_recording(c, made, due_at=None))
    asked = Evidence(database, "test", links=_nothing, fetch=_nothing, signing_key=lambda: "a key")
    caller = Caller("token", made.owner, frozenset({Scope.READ}))
    refused = []
    for answer in (
        asked.pictures(caller, ID), asked.playlist(caller, ID), asked.playlist(caller, ID, 1.0, 2.0),
        asked.manifest(caller, ID),
    ):  # fmt: skip
        with pytest.raises(ServiceError) as error:
            await answer
        refused.append((error.value.detail, error.value.message))
    assert refused == [
        ("no_pictures", f"this recording has no pictures{end}"),
        ("no_slices", f"this recording has no slices{end}"),
        ("no_slices", f"this recording has no slices of that time{end}"),
        ("not_judged", f"this recording has not been verified{end}"),
    ]


async def _nothing(*_: object) -> Any:
    raise AssertionError
