"""`pagereel verify` and `pagereel audit` on a real S3 server: what they find, print and end with."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from corpus import recording
from wire_bucket_rig import BUCKET

from emulator.s3_server import S3Server
from pagereel.cli import main
from pagereel.logs import configure_logs
from service.settings import Log

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32

Files = dict[str, bytes]
Puts = Callable[[str, Files], None]
Runs = Callable[..., Result]


@pytest.fixture
def prefix() -> str:
    return f"p{uuid.uuid4().hex}/"  # no recording's id begins so


@pytest.fixture
def puts(weed: S3Server) -> Iterator[Puts]:
    client = weed.client()

    def put(folder: str, files: Files) -> None:
        for name, body in files.items():
            client.put_object(Bucket=BUCKET, Key=folder + name, Body=body)

    yield put
    client.close()


@pytest.fixture
def runs(weed: S3Server, tmp_path: Path) -> Iterator[Runs]:
    """Runs the command with a settings file that has nothing but one storage profile."""

    def invoke(*arguments: str, secret_key: str = weed.reader_secret_key, **env: str) -> Result:
        settings = tmp_path / "pagereel.toml"
        settings.write_text(
            f'deployment = "test"\n[storage.old]\nvendor = 11\nendpoint = "{weed.endpoint}"\nbucket = "{BUCKET}"\n'
            f'path_style = true\nread_only = true\n[storage.old.read]\naccess_key = "{weed.reader_access_key}"\n'
            f'secret_key = "{secret_key}"\n'
        )
        return CliRunner().invoke(main, ["--config", str(settings), *arguments], env=env)

    yield invoke
    configure_logs(Log())


def verify(runs: Runs, prefix: str, *arguments: str, **env: str) -> tuple[int, list[dict[str, Any]]]:
    ended = runs("verify", "--storage", "old", "--prefix", prefix, "--level", "listing", "--json", *arguments, **env)
    return ended.exit_code, json.loads(ended.stdout)["recordings"]


def test_recordings_of_others_are_found_and_judged_each_for_itself(runs: Runs, puts: Puts, prefix: str) -> None:
    puts(prefix, recording(ONE, "room-1") | recording(TWO, "room-2") | {"stranger.txt": b"?"})
    broken = recording(THREE, "room-3", slices=6)
    del broken[sorted(broken)[3]]
    puts(f"{prefix}below/", broken)
    code, judged = verify(runs, prefix)
    assert code == 1
    shown = {(one["folder"], one["sid"], one["cname"]): one["verdict"] for one in judged}
    assert shown == {
        (prefix, ONE, "room-1"): "verified",
        (prefix, TWO, "room-2"): "verified",
        (f"{prefix}below/", THREE, "room-3"): "incomplete",
    }
    assert next(each["code"] for each in judged[-1]["findings"]) == "slice_missing"
    assert all(one["slices"] >= 4 and one["size_bytes"] > 0 for one in judged)


def test_one_recording_is_judged_against_the_window_that_was_wanted(runs: Runs, puts: Puts, prefix: str) -> None:
    puts(prefix, recording(ONE, "room-1") | recording(TWO, "room-2"))
    assert verify(runs, prefix, "--sid", ONE, "--cname", "room-1")[0] == 0
    code, (late,) = verify(runs, prefix, "--sid", ONE, "--from", "2024-12-31T23:58:00Z", "--to", "2025-01-01T00:01:00Z")
    assert (code, late["verdict"]) == (1, "defective")
    assert "late_start" in [each["code"] for each in late["findings"]]
    assert verify(runs, prefix, "--sid", THREE) == (1, [])


def test_what_was_asked_for_is_named_where_no_recording_was_found(runs: Runs, prefix: str) -> None:
    where = ("verify", "--storage", "old", "--prefix", prefix)
    assert runs(*where).stderr == f"no recording was found with the prefix {prefix!r}\n"
    both = f"the prefix {prefix!r}, the sid {ONE!r}, the cname 'room'"
    assert runs(*where, "--sid", ONE, "--cname", "room").stderr == f"no recording was found with {both}\n"


def test_a_bucket_that_cannot_be_looked_at_ends_with_2_and_shows_no_key(runs: Runs, prefix: str) -> None:
    ended = runs("verify", "--storage", "old", "--prefix", prefix, secret_key="not-the-secret")
    assert ended.exit_code == 2
    assert "SignatureDoesNotMatch" in ended.stderr
    assert "not-the-secret" not in ended.output
    assert "--storage" not in runs("verify", "--storage", "no", "--prefix", prefix).stdout
    assert runs("verify", "--storage", "no", "--prefix", prefix).exit_code == 2


def test_a_person_gets_a_table_and_a_sum(runs: Runs, puts: Puts, prefix: str) -> None:
    puts(prefix, recording(ONE, "room-1"))
    ended = runs("verify", "--storage", "old", "--prefix", prefix, "--level", "listing")
    assert ended.exit_code == 0
    assert f"{prefix}{ONE}_room-1" in ended.stdout
    assert "2025-01-01 00:00:11" in ended.stdout
    assert ended.stdout.endswith("1 verified\n")


def test_a_person_reads_what_is_wrong_below_the_table(runs: Runs, puts: Puts, prefix: str) -> None:
    files = recording(ONE, "room-1", slices=6)
    gone = sorted(files)[3]
    del files[gone]
    puts(prefix, files)
    ended = runs("verify", "--storage", "old", "--prefix", prefix, "--level", "listing")
    table, told = ended.stdout.split(f"\n{prefix}{ONE}_room-1:\n")
    assert "slice_missing" in table
    first, *_, total = told.splitlines()
    assert first.startswith("  slice_missing: ")
    assert gone in first
    assert total == "1 incomplete"


FOLDERS = [
    "r [/old]",
    "[bold]",
    "[/]",
    "a [link=x] b",
    ":warning:",
    "100 %",
    "a+b",
    "Gr\u00f6\u00dfe",
    "a#b?c",
    "[red]a[/red]",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_any_name_is_verified_and_stands_in_the_table(
    runs: Runs, puts: Puts, prefix: str, folder: str
) -> None:
    puts(f"{prefix}{folder}/", recording(ONE, "room 42"))
    ended = runs("verify", "--storage", "old", "--prefix", prefix, "--level", "listing")
    assert ended.exit_code == 0
    assert f"{prefix}{folder}/{ONE}_room 42" in ended.stdout


def test_what_was_wanted_is_demanded(runs: Runs, puts: Puts, prefix: str) -> None:
    files = recording(ONE, "room-1", slices=8)
    files.pop(f"{ONE}_room-1.m3u8")
    left = recording(ONE, "room-1", slices=8)
    names = sorted(files)
    text = left[f"{ONE}_room-1.m3u8"].decode()
    for gone in names[3:5]:
        text = text.replace(f"#EXTINF:16.000000\n{gone}\n", "")
        del files[gone]
    puts(prefix, files | {f"{ONE}_room-1.m3u8": text.encode()})
    pause = "2025-01-01T00:00:59Z/2025-01-01T00:01:31Z"
    assert verify(runs, prefix)[0] == 1
    assert verify(runs, prefix, "--pause", pause)[0] == 0
    assert verify(runs, prefix, "--pause", "2025-01-01T00:00:59Z/2025-01-01T00:01:15Z")[0] == 1
    halves = (
        "--pause",
        "2025-01-01T00:01:10Z/2025-01-01T00:01:31Z",
        "--pause",
        "2025-01-01T00:00:59Z/2025-01-01T00:01:15Z",
    )
    assert verify(runs, prefix, *halves)[0] == 0
    assert verify(runs, prefix, "--max-missing", "32")[0] == 0
    assert verify(runs, prefix, "--max-missing", "31")[0] == 1
    code, (one,) = verify(runs, prefix, "--pause", pause, "--mp4")
    assert (code, one["verdict"], one["findings"][0]["code"]) == (1, "incomplete", "mp4_missing")
    assert verify(runs, prefix, "--pause", pause, "--no-mp4")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--size", "1280"], "write WIDTHxHEIGHT in pixels, for example 1280x720"),
        (["--size", "0x720"], "write WIDTHxHEIGHT"),
        (["--size", "1280x-720"], "write WIDTHxHEIGHT"),
        (["--pause", "2026-11-22T09:00:00Z"], "write two times with their offsets"),
        (["--pause", "2026-11-22T09:00:00/2026-11-22T09:10:00Z"], "write two times with their offsets"),
        (["--pause", "2026-11-22T09:10:00Z/2026-11-22T09:00:00Z"], "must be earlier than the second"),
        (["--max-missing", "-1"], "write a number of seconds, 0 or more"),
        (["--max-missing", "nan"], "write a number of seconds, 0 or more"),
        (["--max-missing", "inf"], "write a number of seconds, 0 or more"),
        (["--level", "all"], "'listing', 'structure', 'content', 'bytes', 'full'"),
        (["--from", "yesterday"], "write a time with its offset"),
        (["--at-once", "0"], "write a whole number from 1 to 256"),
        (["--to", "2026-11-22T09:00:00Z", "--from", "2026-11-22T09:00:00Z"], "must be later than --from"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_takes(runs: Runs, prefix: str, words: list[str], told: str) -> None:
    ended = runs("verify", "--storage", "old", "--prefix", prefix, *words)
    assert ended.exit_code == 2
    assert told in ended.stderr
    assert f"'{words[0]}'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_each_recording_is_a_line_of_json_where_lines_are_asked_for(runs: Runs, puts: Puts, prefix: str) -> None:
    puts(prefix, recording(ONE, "room-1") | recording(TWO, "room-2"))
    ended = runs("verify", "--storage", "old", "--prefix", prefix, "--level", "listing", "--json-lines")
    shown = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {one["sid"]: one["verdict"] for one in shown} == {ONE: "verified", TWO: "verified"}
    assert runs("verify", "--storage", "old", "--prefix", prefix, "--json", "--json-lines").exit_code == 2


def filed(url: str, rows: list[tuple[str, str, str, int, str]]) -> None:
    """Recordings and what their looks filed: recording id, state, key, size, ETag."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for recording_id, state in dict.fromkeys((one[0], one[1]) for one in rows):
            connection.execute(
                sa.text(
                    "INSERT INTO recordings (id, owner, app, storage, state, requested_at, version, document)"
                    " VALUES (:id, 'o', 'a', 'old', :state, 0, 1, '{}')"
                ),
                {"id": recording_id, "state": state},
            )
        for recording_id, _, key, size, etag in rows:
            document = {"key": key, "kind": "slice", "size_bytes": size, "etag": etag, "listed": True}
            connection.execute(
                sa.text(
                    "INSERT INTO files (recording_id, key, kind, first_seen_at, document)"
                    " VALUES (:id, :key, 'slice', 0, :document)"
                ),
                {"id": recording_id, "key": key, "document": json.dumps(document)},
            )
    engine.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_audit_finds_what_each_side_lacks(
    runs: Runs, puts: Puts, weed: S3Server, prefix: str, database_url: str
) -> None:
    ulid, other = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"
    base = f"{ulid.lower()}/"
    client = weed.client()
    listed: dict[str, Any] = {}
    try:
        for name in ("a1/same", "a1/changed", "a1/unfiled"):
            client.put_object(Bucket=BUCKET, Key=base + name, Body=b"12345")
        client.put_object(Bucket=BUCKET, Key="01zz/a1/strange", Body=b"123")
        listed = client.head_object(Bucket=BUCKET, Key=f"{base}a1/same")
    finally:
        client.close()
    etag = listed["ETag"].strip('"')
    filed(
        database_url,
        [
            (f"rec_{ulid}", "verified", f"{base}a1/same", 5, etag),
            (f"rec_{ulid}", "verified", f"{base}a1/changed", 4, etag),
            (f"rec_{ulid}", "verified", f"{base}a1/gone", 5, etag),
            (f"rec_{other}", "defective", f"{other.lower()}/a1/gone", 5, etag),
        ],
    )
    ended = runs("audit", "--storage", "old", "--prefix", "01", "--json", PAGEREEL_DATABASE__URL=database_url)
    assert ended.exit_code == 1, ended.output
    found = {(one["kind"], one["key"], one["recording"]) for one in json.loads(ended.stdout)["differences"]}
    assert found == {
        ("changed", f"{base}a1/changed", f"rec_{ulid}"),
        ("vanished", f"{base}a1/gone", f"rec_{ulid}"),
        ("unfiled", f"{base}a1/unfiled", f"rec_{ulid}"),
        ("foreign", "01zz/a1/strange", None),
    }
    assert json.loads(ended.stdout)["compared"] == {"objects": 4, "bytes": 18, "filed": 3, "recordings": 1}
    ended = runs("audit", "--storage", "old", "--prefix", f"{base}a1/same", PAGEREEL_DATABASE__URL=database_url)
    assert (ended.exit_code, ended.stdout.splitlines()) == (
        0,
        ["compared: in the bucket 1 object (5 B), in the database 1 object of 1 verified recording", "no differences"],
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_audit_that_has_nothing_to_compare_says_so_and_is_no_success(
    runs: Runs, puts: Puts, prefix: str, database_url: str
) -> None:
    """The own probe is nothing, and neither is a recording of which nothing is verified."""
    ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    filed(database_url, [(f"rec_{ulid}", "defective", f"{prefix}{ulid.lower()}/a1/gone", 5, "etag")])
    puts(prefix, {"pagereelprobe": b"of check-config --probe"})
    profile = {"PAGEREEL_STORAGE__OLD__PREFIX": json.dumps([prefix.rstrip("/")])}
    ended = runs("audit", "--storage", "old", PAGEREEL_DATABASE__URL=database_url, **profile)
    assert ended.exit_code == 2, ended.output
    assert "nothing was compared" in ended.stderr
    assert "no differences" not in ended.output
    ended = runs("audit", "--storage", "old", "--json", PAGEREEL_DATABASE__URL=database_url, **profile)
    assert (ended.exit_code, json.loads(ended.stdout)["compared"]["objects"]) == (2, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("state", "status"),
    [("recording", 0), ("stopping", 0), ("uploading", 0), ("verifying", 0), ("incomplete", 0), ("defective", 1)],
)
def test_an_audit_finds_no_fault_with_a_recording_that_is_not_over(
    runs: Runs, puts: Puts, prefix: str, database_url: str, state: str, status: int
) -> None:
    ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    puts(f"{prefix}{ulid.lower()}/a1/", {"1.ts": b"12345", "2.ts": b"12345"})
    puts(prefix, {"pagereelprobe": b"of check-config --probe"})
    filed(database_url, [(f"rec_{ulid}", state, "elsewhere", 5, "etag")])
    profile = {"PAGEREEL_STORAGE__OLD__PREFIX": json.dumps([prefix.rstrip("/")])}
    words = ("audit", "--storage", "old", "--prefix", prefix)
    ended = runs(*words, "--json", PAGEREEL_DATABASE__URL=database_url, **profile)
    assert ended.exit_code == status, ended.output
    said = json.loads(ended.stdout)
    awaited = [{"recording": f"rec_{ulid}", "state": state, "objects": 2}]
    assert said["not_over"] == ([] if status else awaited)
    assert [one["kind"] for one in said["differences"]] == ["unfiled"] * 2 * status
    told = runs(*words, PAGEREEL_DATABASE__URL=database_url, **profile).stdout
    assert ("unfiled" in told) is bool(status)
    assert (f"rec_{ulid} is {state}: 2 objects that no verification has filed yet" in told) is not bool(status)


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("vendor = 2\nregion = 18", "set region_name or endpoint"),
        ("vendor = 8\nregion = 4", "set region_name or endpoint"),
        ("vendor = 0\nlegacy_vendor = true", "set region_name or endpoint"),
    ],
)
def test_a_profile_that_leads_nowhere_is_told_before_anything_is_started(
    tmp_path: Path, profile: str, told: str
) -> None:
    settings = tmp_path / "pagereel.toml"
    keys = '{ access_key = "a", secret_key = "b" }'
    settings.write_text(
        f'deployment = "test"\n[storage.far]\n{profile}\nbucket = "b-1"\nread = {keys}\nwrite = {keys}\n'
    )
    try:
        for command in (["check-config"], ["serve"], ["work"]):
            ended = CliRunner().invoke(main, ["--config", str(settings), *command])
            assert ended.exit_code == 2, ended.output
            assert ended.stderr.startswith("pagereel: storage.far: the name of")
            assert told in ended.stderr
    finally:
        configure_logs(Log())
