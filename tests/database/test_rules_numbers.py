"""Reports of a version that did not number its rules: their database opens, and what judges otherwise now says why.

`before_rules_had_numbers.sql` is the dump of a SQLite database that commit be7bf0d wrote.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from handlers import Limits, build_api
from handlers.resources.evidence import render_report
from handlers.resources.recordings import view_recording
from pagereel.cli.remote.shown import facts_of
from service.database import evidence
from service.database.engine import startup
from service.database.engine.database import Database
from service.database.notifications.inbox import Inbox
from service.database.outbox import load_events, publish
from service.database.recordings import load_recording
from service.database.sealing import Seals
from service.errors import Unavailable
from service.lifecycle.observations import Judged, Verify
from service.operations import Caller, Operations, Scope
from service.operations.accounts.access import create_token
from service.operations.evidence.proofs import signed_manifest
from service.operations.evidence.queries import Evidence
from service.operations.evidence.statement import PAYLOAD_TYPE, read_manifest
from service.recording import Recording, State
from service.report import FileKind, Finding, JudgedFile, Level, Report, Severity, Verdict, rules_of
from service.settings import Settings
from service.worker.store import Task, Work

DUMP = Path(__file__).with_name("before_rules_had_numbers.sql")
ID = "rec_00000000000000000000000001"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SETTINGS = Settings.model_validate({"deployment": "test"})
KEPT = JudgedFile("pr/x/1/a.ts", FileKind.SLICE, 188, "etag-a", 1100.0, 1000.0, 15.0, listed=True, sha256="ab" * 32)
LOST = Finding("packets_lost", Severity.ERROR, "Packets are missing.")
DEFECTIVE = Report(
    Verdict.DEFECTIVE, Level.CONTENT, 2000.0, findings=(LOST,), files=(KEPT,), wanted_level=Level.BYTES, rules_version=2
)


@pytest.fixture
async def earlier(tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "earlier.db"
    connection = sqlite3.connect(path)
    connection.executescript(DUMP.read_text(encoding="utf-8"))
    connection.close()
    await startup.migrate(f"sqlite:///{path}")
    async with await Database.open(f"sqlite:///{path}") as database:
        await startup.prepare(database, "test", 1500.0)
        yield database


async def recorded(database: Database) -> Recording:
    found = await database.run(lambda c: load_recording(c, ID))
    assert found is not None
    return found


async def verified_again(database: Database, seals: Seals, report: Report) -> Recording:
    work = Work(SETTINGS, database, seals, worker_id="w", clock=lambda: 2000.0)
    written = await work.report(Task(await recorded(database), Verify(), 0, None), Judged(report))
    assert written is not None
    return written


async def test_reports_and_files_of_the_earlier_version_are_read(earlier: Database) -> None:
    reports = await earlier.run(lambda c: evidence.load_reports(c, ID, 9))
    assert {number: report.rules_version for number, report in reports.items()} == {1: 0, 2: 0}
    assert {rules_of(report) for report in reports.values()} == {1}
    assert (reports[1].wanted_level, reports[1].findings[0].code, reports[1].samples) == (None, "gap", 4)
    (first, _) = await earlier.run(lambda c: evidence.load_files(c, ID, limit=9))
    assert (first.file.sha256, first.file.checksum, first.file.etag) == (None, None, "etag-a")


async def test_what_callers_see_of_an_earlier_report_counts_as_rules_1(earlier: Database) -> None:
    recording = await recorded(earlier)
    shown = view_recording(recording, 1600.0)
    assert shown.latest_report is not None
    assert (shown.level, shown.wanted_level, shown.latest_report.rules_version) == (Level.CONTENT, None, 1)
    _, report = await earlier.run(lambda c: evidence.load_seen_report(c, ID)) or (0, None)
    assert report is not None
    assert orjson.loads(render_report(1, report))["rules_version"] == 1


async def test_the_manifest_is_of_the_newest_report_of_a_bucket_that_could_be_read(earlier: Database) -> None:
    envelope = await signed_manifest(earlier, await recorded(earlier), "test", lambda: KEY)
    said = read_manifest(envelope.payload, PAYLOAD_TYPE)
    assert (said["report"], said["verdict"], said["level"], said["rules_version"]) == (1, "verified", "content", 1)


async def test_another_verdict_on_the_same_objects_is_told_as_the_rules_doing(earlier: Database, seals: Seals) -> None:
    after = await verified_again(earlier, seals, DEFECTIVE)
    assert (after.state, after.reports) == (State.VERIFIED, 3)
    stored = await earlier.run(lambda c: evidence.load_report(c, ID, 3))
    assert stored is not None
    assert [finding.code for finding in stored.findings] == ["packets_lost", "rules_changed"]
    assert stored.findings[1].evidence["was"] == 1
    history = await earlier.run(lambda c: evidence.load_history(c, ID, after=2, limit=9))
    assert [(row.kind, row.detail.get("because"), row.detail.get("wanted_level")) for row in history] == [
        ("judged", None, "bytes"),
        ("changed", "rules", None),
    ]
    await earlier.run(publish)
    (event,) = await earlier.run(lambda c: load_events(c, "school", after=0, limit=9))
    assert b'"because":"rules"' in orjson.dumps(event.document)


@pytest.mark.parametrize(
    ("changes", "because"),
    [({"etag": "other"}, "bytes"), ({"size_bytes": 376}, "bytes"), ({"checksum": "crc32c:AA=="}, "rules")],
)
async def test_a_changed_object_is_never_put_down_to_the_rules(
    earlier: Database, seals: Seals, changes: dict[str, object], because: str
) -> None:
    file = replace(KEPT, **changes)  # type: ignore[arg-type]
    await verified_again(earlier, seals, replace(DEFECTIVE, files=(file,)))
    history = await earlier.run(lambda c: evidence.load_history(c, ID, after=2, limit=9))
    assert history[-1].detail["because"] == because


async def test_a_hash_once_known_stays_in_files_and_manifest_while_the_object_is_the_same(
    earlier: Database, seals: Seals
) -> None:
    await verified_again(earlier, seals, replace(DEFECTIVE, verdict=Verdict.VERIFIED, findings=()))
    shallow = replace(DEFECTIVE, level=Level.LISTING, files=(replace(KEPT, sha256=None),))
    await verified_again(earlier, seals, shallow)
    envelope = await signed_manifest(earlier, await recorded(earlier), "test", lambda: KEY)
    assert orjson.loads(envelope.payload)["subject"] == [{"name": KEPT.key, "digest": {"sha256": "ab" * 32}}]


async def test_the_console_and_the_api_show_rules_levels_and_hashes(
    earlier: Database, seals: Seals, aiohttp_client: Callable[..., Awaitable[Any]]
) -> None:
    """Over HTTP, through the real operations."""
    await verified_again(earlier, seals, DEFECTIVE)
    token = await create_token(earlier, owner="school", scopes=[Scope.READ], now=2000.0)
    async with Inbox(earlier, seals) as inbox:
        operations = Operations(
            SETTINGS,
            earlier,
            seals,
            inbox,
            links=_no_links,
            fetch=_no_bytes,
            signing_key=lambda: KEY,
            clock=lambda: 2000.0,
        )
        client = await aiohttp_client(build_api(operations, Limits(), clock=lambda: 2000.0, console=True))
        await client.post("/console/login", data={"token": token})
        page = await (await client.get(f"/console/recordings/{ID}")).text()
        api = {"Authorization": f"Bearer {token}"}
        shown = await (await client.get(f"/v1/recordings/{ID}", headers=api)).json()
        files = await (await client.get(f"/v1/recordings/{ID}/files", headers=api)).json()
        refused = await client.get(f"/v1/recordings/{ID}/manifest?timestamp=true", headers=api)
    assert "content level, bytes wanted; version 2 of the rules" in page
    assert "No object has changed since report 1, but the rules have changed from version 1 to 2." in page
    assert "verdict defective, because rules" in page
    assert (shown["level"], shown["wanted_level"], shown["latest_report"]["rules_version"]) == ("content", "bytes", 2)
    assert [(file["sha256"], file["checksum"]) for file in files["items"]] == [("ab" * 32, None), (None, None)]
    assert (refused.status, "timestamp_not_configured" in await refused.text()) == (409, True)
    facts = dict(facts_of(shown))
    assert facts["verdict"].startswith("defective, level content (wanted: bytes), at ")


async def test_an_authority_that_fails_leaves_the_list_of_stamps_empty_and_the_manifest_as_it_is(
    earlier: Database,
) -> None:
    async def failing(message: bytes) -> bytes | None:
        return None

    owned = Evidence(earlier, "test", links=_no_links, fetch=_no_bytes, signing_key=lambda: KEY, stamp=failing)
    caller = Caller("token", "school", frozenset({Scope.READ}))
    plain, stamped = [orjson.loads(await owned.manifest(caller, ID, timestamp=asked)) for asked in (False, True)]
    assert stamped == plain | {"timestamps": []}
    assert "timestamps" not in plain


async def test_where_links_lead_is_known_before_there_is_a_film_and_none_where_the_storage_is_gone(
    earlier: Database,
) -> None:
    async def gone(recording: Recording, keys: list[str]) -> dict[str, str]:
        raise Unavailable("storage_not_configured", "gone")

    caller = Caller("token", "school", frozenset({Scope.READ}))
    for links, origin in ((_no_links, "https://bucket.example"), (gone, None)):
        owned = Evidence(earlier, "test", links=links, fetch=_no_bytes, signing_key=lambda: KEY)
        assert await owned.origin(caller, ID) == origin


async def _no_links(recording: Recording, keys: list[str]) -> dict[str, str]:
    return dict.fromkeys(keys, "https://bucket.example/")


async def _no_bytes(recording: Recording, key: str, most: int) -> bytes | None:
    return None
