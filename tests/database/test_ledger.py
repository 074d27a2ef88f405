"""The ledger and the counts that limits are judged by, on both databases."""

import asyncio

import pytest
import sqlalchemy as sa
from samples import attempt, recording

from service.database.engine.database import Database
from service.database.ledger import (
    LedgerRow,
    Used,
    count_active,
    count_overrunning,
    count_requested,
    hold_starts,
    sum_projected,
    sum_used,
    write_ledger,
)
from service.database.recordings import insert_recording, load_recording
from service.lifecycle.observations import Judged
from service.operations.recordings.writing import ledger_rows, observe
from service.recording import AttemptState, State
from service.report import FileKind, JudgedFile, Level, Report, Verdict

HOUR = 3600.0
NOW = 1_700_000_000.0


def row(number: int, started_at: float, ended_at: float | None, **changes: object) -> LedgerRow:
    made = LedgerRow("rec_1", number, "school", "main", "hd", NOW + started_at, None, NOW + 10 * HOUR)
    return made._replace(ended_at=None if ended_at is None else NOW + ended_at, **changes)


@pytest.fixture
async def used(database: Database) -> Database:
    rows = [
        row(1, 0, 100),
        row(2, 200, 250),
        row(3, 300, None),  # runs
        row(4, 0, 60, resolution="full_hd"),
        row(5, -500, 40),  # began before
        row(6, 0, 1000, owner="other"),
        row(7, -900, -800),  # was over before
    ]
    await database.run(lambda connection: write_ledger(connection, rows))
    return database


async def test_use_is_summed_by_app_and_class_within_the_time_and_what_runs_counts_up_to_now(used: Database) -> None:
    found = await used.run(lambda connection: sum_used(connection, NOW, NOW + HOUR, NOW + 400, owner="school"))
    assert found == [
        Used("school", "main", "full_hd", 60, 1),
        Used("school", "main", "hd", 100 + 50 + 100 + 40, 4),
    ]
    all_owners = await used.run(lambda connection: sum_used(connection, NOW, NOW + HOUR, NOW + 400))
    assert [one.owner for one in all_owners] == ["other", "school", "school"]


async def test_a_task_that_was_found_gone_late_is_billed_to_its_last_slice_once_the_bucket_was_read(
    database: Database,
) -> None:
    known = {"sid": "s1", "hours": 3, "started_at": NOW, "recording_at": NOW, "seen_at": NOW + 60}
    gone = attempt(1, "test-1", 7, state=AttemptState.ENDED, ended_at=NOW + 9000, ended_proof="404", **known)
    over = recording(state=State.VERIFYING, ended_at=NOW + 9000, attempts=(gone,))
    file = JudgedFile(f"{gone.prefix}1.ts", FileKind.SLICE, starts_at=NOW + 585, duration_seconds=15.0, listed=True)

    def seconds(connection: sa.Connection) -> list[float]:
        return [one.seconds for one in sum_used(connection, NOW, NOW + 3 * HOUR, NOW + 9999)]

    def begin(connection: sa.Connection) -> list[float]:
        insert_recording(connection, over, due_at=None)
        write_ledger(connection, ledger_rows(over))
        return seconds(connection)

    def look(connection: sa.Connection, verdict: Verdict, *files: JudgedFile) -> list[float]:
        kept = load_recording(connection, over.id, lock=True)
        assert kept is not None
        observe(connection, kept, Judged(Report(verdict, Level.CONTENT, NOW + 9500, files=files)), NOW + 9500)
        return seconds(connection)

    assert await database.run(begin) == [9000]
    assert await database.run(lambda connection: look(connection, Verdict.UNREACHABLE)) == [9000]
    assert await database.run(lambda connection: look(connection, Verdict.INCOMPLETE, file)) == [600]


async def test_a_task_that_runs_beyond_its_limit_is_counted_until_it_has_ended(used: Database) -> None:
    for before, count in ((NOW + 10 * HOUR, 0), (NOW + 10 * HOUR + 1, 1)):
        assert await used.run(lambda connection, before=before: count_overrunning(connection, before)) == count
    await used.run(lambda connection: write_ledger(connection, [row(3, 300, 11 * HOUR)]))
    assert await used.run(lambda connection: count_overrunning(connection, NOW + 12 * HOUR)) == 0


async def test_a_task_that_runs_over_the_end_of_the_time_counts_up_to_it(used: Database) -> None:
    found = await used.run(lambda connection: sum_used(connection, NOW, NOW + 320, NOW + 400, owner="school"))
    assert found[1].seconds == 100 + 50 + 20 + 40


async def test_the_projection_lets_what_runs_go_on_to_its_limit(used: Database) -> None:
    found = await used.run(lambda connection: sum_projected(connection, NOW, NOW + 20 * HOUR, NOW + 400))
    assert found[2].seconds == 100 + 50 + (10 * HOUR - 300) + 40
    late = await used.run(lambda connection: sum_projected(connection, NOW, NOW + 20 * HOUR, NOW + 11 * HOUR))
    assert late[2].seconds == 100 + 50 + (11 * HOUR - 300) + 40, "one that should be over and is not goes on to now"


async def test_an_end_is_written_into_the_row_that_is_there_and_can_be_taken_back(database: Database) -> None:
    for ended_at in (None, 50, None, 70):
        one = row(1, 0, ended_at)
        await database.run(lambda connection, one=one: write_ledger(connection, [one]))
    (found,) = await database.run(lambda connection: sum_used(connection, NOW, NOW + HOUR, NOW + 400))
    assert (found.seconds, found.tasks) == (70, 1)


async def test_recordings_with_a_task_are_counted_and_those_due_where_asked(database: Database) -> None:
    def fill(connection: sa.Connection) -> None:
        for number, state in enumerate(State):
            insert_recording(connection, recording(number, state=state, requested_at=NOW), due_at=NOW)
        insert_recording(connection, recording(90, requested_at=NOW), due_at=NOW + 100)
        other = recording(91, owner="another", app="other", state=State.RECORDING)
        insert_recording(connection, other, due_at=NOW)

    await database.run(fill)
    owner, app = "school", "main"
    assert await database.run(lambda connection: count_active(connection, owner=owner)) == 3
    assert await database.run(lambda connection: count_active(connection, app=app)) == 3
    assert await database.run(lambda connection: count_active(connection, owner=owner, due_by=NOW)) == 4
    late = await database.run(lambda connection: count_active(connection, owner=owner, due_by=NOW - 1))
    assert late == 4, "asked for after the one that counts had looked at its clock, and before it could count"
    assert await database.run(lambda connection: count_active(connection, app="other", due_by=NOW)) == 1
    count = len(State) + 1
    assert await database.run(lambda connection: count_requested(connection, owner, NOW - 1)) == (count, NOW)
    assert await database.run(lambda connection: count_requested(connection, owner, NOW)) == (0, None)


async def test_who_holds_the_starts_lets_nobody_count_before_its_commit(database: Database) -> None:
    async def take(number: int) -> int:
        def transaction(connection: sa.Connection) -> int:
            hold_starts(connection)
            before = len(sum_used(connection, NOW, NOW + HOUR, NOW + 1, owner="school"))
            write_ledger(connection, [row(number, 0, None, app=f"app-{number}")])
            return before

        return await database.run(transaction)

    assert sorted(await asyncio.gather(*(take(number) for number in range(8)))) == list(range(8))
