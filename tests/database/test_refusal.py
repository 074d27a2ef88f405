"""Whatever is wrong with the database is said in words that name the setting, by every command alike."""

import errno
import socket
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from metrics import REGISTRY
from pagereel.app import House, open_house
from pagereel.probes import probe
from pagereel.serving import _follow_sealing_keys
from service.database.engine import postgres as room
from service.database.engine.backup import backup_sqlite
from service.database.engine.database import Database
from service.database.engine.errors import StartRefused
from service.database.engine.refusal import refusing
from service.database.engine.startup import migrate
from service.database.evidence import load_history
from service.database.recordings import insert_recording, load_recording
from service.database.sealing import make_key
from service.database.tables import recordings
from service.errors import Unavailable
from service.operations.recordings.secrets import PageSecrets, seal_page
from service.recording import State
from service.settings import Settings
from tests.database.test_unexpected_errors import add, ended
from tests.postgres import Postgres

KEY = "A" * 43 + "="


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """The port of a server that gives this to everybody, or nothing."""
    held = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                if answer is None:
                    held.append(one)
                    continue
                one.recv(100)
                one.sendall(answer)
                one.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for one in held:
        one.close()


async def reasons(url: str) -> set[str]:
    """What `check-config --probe`, `serve` and `migrate` say."""
    settings = Settings.model_validate({"deployment": "test", "database": {"url": url, "sealing_keys": [KEY]}})
    found = [one async for one in probe(settings, url) if one.what == "database"]
    said = {found[0].problem or "works"}
    with pytest.raises(StartRefused) as served:
        async with open_house(settings):
            pass
    with pytest.raises(StartRefused) as migrated:
        await migrate(url, settings.database.password_place)
    return said | {str(served.value), str(migrated.value)}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("none/x.db", "the folder {0}/none does not exist: create it"),
        ("", "{0}/ is a folder: name a file in it"),
        ("other", "{0}/other is not an SQLite database: name another file"),
        ("locked.db", "{0}/locked.db is locked by another program: stop that program"),
    ],
    ids=["no-folder", "folder", "no-database", "locked"],
)
async def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    monkeypatch.setattr("service.database.engine.sqlite.BUSY_TIMEOUT_SECONDS", 0.1)
    (tmp_path / "other").write_text("nonsense" * 400)
    with closing(sqlite3.connect(tmp_path / "locked.db")) as holder:
        holder.execute("CREATE TABLE one (a)")
        holder.execute("BEGIN EXCLUSIVE")
        wanted = f"database.url: {said.format(tmp_path)}".replace(f"{tmp_path}/ is", f"{tmp_path} is")
        assert await reasons(f"sqlite:///{tmp_path}/{place}") == {wanted}


async def test_a_database_of_others_is_refused_by_every_command_and_stays_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        other.execute("CREATE TABLE precious (a)")
    (said,) = await reasons(f"sqlite:///{tmp_path}/x.db")
    assert "not empty" in said
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        assert [name for (name,) in other.execute("SELECT name FROM sqlite_master")] == ["precious"]


async def test_a_server_that_cannot_be_used_is_named(postgres: Postgres) -> None:
    at = f"PostgreSQL at 127.0.0.1:{postgres.port}: "
    for role in ("poor LOGIN", "blocked LOGIN CONNECTION LIMIT 0"):
        postgres.execute(f"CREATE ROLE {role}")
    cases = {
        postgres.url("nodb"): f"{at}it has no database nodb",
        postgres.url().replace("postgres@", "ghost@"): f"{at}it does not admit ghost from here",
        postgres.url().replace("postgres@", "poor@"): f"{at}poor may not do this",
        postgres.url().replace("postgres@", "blocked@"): f"{at}it has no free connection",
        postgres.url() + "?sslmode=require": f"127.0.0.1:{postgres.port} does not offer TLS",
        postgres.url() + "?sslmode=bogus": f"127.0.0.1:{postgres.port} cannot be used as it is written",
        postgres.url() + "?nonsense=CANARY": f"{at}it does not know `nonsense`, which the URL sets after `?`",
        postgres.url() + "?ssl_mode=require": f"{at}it does not know `ssl_mode`, which the URL sets after `?`; did you",
        postgres.url() + "?sslmode=verify-full&sslrootcert=/nofile": "the file that sslrootcert names does not exist",
        "postgresql://u:CANARY@127.0.0.1:1/x": "cannot connect to 127.0.0.1:1: Connection refused",
        "postgresql://u:CANARY@no.such.invalid/x": "cannot resolve no.such.invalid",
        "postgresql:///x?host=/nowhere": "cannot connect to /nowhere:5432: No such file or directory",
    }
    for url, wanted in cases.items():
        (said,) = await reasons(url)
        assert said.startswith(f"database.url: {wanted}"), (url, said)
        assert "CANARY" not in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"HTTP/1.1 400 Bad\r\n\r\n", "closes the connection"), (b"", "closes the connection"), (None, "does not answer")],
    ids=["http", "hangs-up", "silent"],
)
async def test_a_server_that_is_no_postgresql_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, said: str
) -> None:
    monkeypatch.setattr(room, "CONNECT_SECONDS", 0.3)
    with answering(answer) as port:
        assert {one.partition(": is it")[0] for one in await reasons(f"postgresql://u@127.0.0.1:{port}/x")} == {
            f"database.url: 127.0.0.1:{port} {said}"
        }


def test_a_wrong_password_names_the_setting_and_is_not_shown() -> None:
    wrong = asyncpg.InvalidPasswordError('password authentication failed for user "CANARY"')
    with pytest.raises(StartRefused) as raised, refusing("postgresql://anna:CANARY@db/x"):
        raise wrong
    assert "refuses the password of anna: check database.password" in str(raised.value)
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://anna@db/x", "database.password"),
        ("postgresql://anna:CANARY@db/x", "the password in database.url"),
        ("postgresql://anna@db/x?password=CANARY", "the password in database.url"),
    ],
    ids=["setting", "url", "query"],
)
@pytest.mark.parametrize("state", ["28P01", "28000"])
async def test_a_refused_password_is_looked_for_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, url: str, place: str, state: str
) -> None:
    async def refuse(*_: object) -> None:
        raise asyncpg.PostgresError.new({"C": state, "M": "CANARY"})

    monkeypatch.setattr(room.Pool, "open", refuse)
    (said,) = await reasons(url)
    assert place in said
    assert "CANARY" not in said


@pytest.mark.parametrize("url", ["sqlite:///x.db", "postgresql://u@db/x"])
def test_a_mistake_of_ours_stays_one(url: str) -> None:
    for mistake in (KeyError("x"), asyncpg.UndefinedTableError("x"), sqlite3.OperationalError("no such table")):
        with pytest.raises(type(mistake)), refusing(url):
            raise mistake


@pytest.mark.parametrize("url", ["sqlite:///x.db", "postgresql://u@db/x"])
def test_what_a_bucket_did_is_not_the_databases_doing(url: str) -> None:
    """A command that works with both, such as an audit."""
    reset = Unavailable("transport", "not sent")
    reset.__cause__ = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    with pytest.raises(Unavailable), refusing(url):
        raise reset


async def test_the_files_of_a_database_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Also those of a copy. What a group may do with a file that is there is left as it is."""
    path = tmp_path / "x.db"

    def modes() -> dict[str, int]:
        return {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("x.db*")}

    await migrate(f"sqlite:///{path}")
    async with await Database.open(f"sqlite:///{path}") as database:
        await database.run(lambda connection: connection.exec_driver_sql("PRAGMA user_version = 7"))
        assert modes() == dict.fromkeys(("x.db", "x.db-wal", "x.db-shm", "x.db.lock"), 0o600)
    backup_sqlite(path, tmp_path / "x.db.copy")
    assert set(modes().values()) == {0o600}
    path.chmod(0o664)
    async with await Database.open(f"sqlite:///{path}"):
        assert modes()["x.db"] == 0o660
        assert not any(mode & stat.S_IRWXO for mode in modes().values())


async def test_recordings_without_their_sealing_key_are_refused_and_no_new_key_is_made(tmp_path: Path) -> None:
    """A new key would hide the loss until a planned recording fails, because nothing opens its page's URL."""
    url = f"sqlite:///{tmp_path}/pagereel.db"
    settings = Settings.model_validate({"deployment": "test", "database": {"url": url}})
    key = tmp_path / "pagereel.db.key"
    async with open_house(settings):
        pass
    key.unlink()
    async with open_house(settings) as house:  # without a recording nothing is lost
        await add(house.database, ended(1))
    kept = key.read_text()
    key.unlink()
    with pytest.raises(StartRefused, match=r"the sealing key \S+/pagereel\.db\.key is missing") as refused:
        async with open_house(settings):
            pass
    found = [one async for one in probe(settings, url) if one.what == "database"]
    assert found[0].problem == str(refused.value)
    assert not key.exists()
    key.write_text(kept)
    async with open_house(settings):
        pass


async def test_an_app_or_a_storage_that_recordings_need_is_told_where_the_settings_lack_it(database_url: str) -> None:
    database = {"url": database_url, "sealing_keys": [make_key()]}
    settings = Settings.model_validate({"deployment": "test", "database": database})
    async with open_house(settings) as house:
        await add(house.database, ended(1))
        await add(house.database, replace(ended(2), state=State.RECORDING))
        await add(house.database, replace(ended(3), state=State.UPLOADING))
    with capture_logs() as lines:
        async with open_house(settings):
            pass
    app, storage = ended(1).app, ended(1).storage
    told = [(line["setting"], line["recordings"]) for line in lines if line["event"] == "setting_lacking"]
    assert told == [(f"apps.{app}", 3), (f"storage.{storage}", 3)]
    with capture_logs() as lines:
        async with open_house(settings) as house:
            await _follow_sealing_keys(house, [])
    assert [line["event"] for line in lines].count("setting_lacking") == 2, "other keys change nothing of that"
    (problem,) = [one.problem async for one in probe(settings, database_url) if one.what == "database"]
    assert problem == (
        f"apps.{app} is not in the settings, and 3 recording(s) that have not ended need it: put it back; "
        f"storage.{storage} is not in the settings, and 3 recording(s) that have not ended need it: put it back"
    )


async def test_another_sealing_key_is_told_at_the_start_and_by_the_probe(database_url: str) -> None:
    """It keeps nothing from being stopped, so the service starts; what is still to start cannot be."""

    def settings(*keys: str) -> Settings:
        database = {"url": database_url, "sealing_keys": list(keys)}
        return Settings.model_validate({"deployment": "test", "database": database})

    async def said(*keys: str) -> tuple[list[int], list[str]]:
        with capture_logs() as lines:
            async with open_house(settings(*keys)):
                pass
        logged = [line["recordings"] for line in lines if line["event"] == "pages_not_readable"]
        (problem,) = [one.problem async for one in probe(settings(*keys), database_url) if one.what == "database"]
        return logged, [each for each in (problem or "").split("; ") if "sealing key" in each]

    old, new = make_key(), make_key()
    async with open_house(settings(old)) as house:
        await add(house.database, ended(1))
        sealed = seal_page(house.seals, PageSecrets("https://class.example.org/"))
        waiting = replace(ended(2), state=State.REQUESTED)
        await house.database.run(lambda connection: insert_recording(connection, waiting, due_at=None, sealed=sealed))
    assert await said(old) == await said(new, old) == ([], [])
    logged, probed = await said(new)
    assert logged == [1]
    assert probed == [
        "no sealing key opens the URL of the page of 1 recording(s) that have not started, so they cannot start: put "
        "the key that sealed them back"
    ]


async def test_another_sealing_key_is_told_on_the_recordings_that_wait_and_taken_back_with_the_old_one(
    database_url: str,
) -> None:
    def settings(*keys: str) -> Settings:
        database = {"url": database_url, "sealing_keys": list(keys)}
        return Settings.model_validate({"deployment": "test", "database": database})

    async def seen(house: House) -> tuple[dict[str, str | None], float | None]:
        found = [await house.database.run(partial(load_recording, recording_id=one.id)) for one in (waits, began)]
        codes = {one.id: one.attention and one.attention.code for one in found if one is not None}
        return codes, REGISTRY.get_sample_value("pagereel_pages_not_readable")

    old, new = make_key(), make_key()
    waits = replace(ended(1), state=State.REQUESTED, start_at=4e9)
    began = replace(ended(2), state=State.RECORDING)
    async with open_house(settings(old)) as house:
        sealed = seal_page(house.seals, PageSecrets("https://class.example.org/"))
        for one in (waits, began):
            put = partial(insert_recording, recording=one, due_at=None, sealed=sealed)
            await house.database.run(put)
        assert await seen(house) == ({waits.id: None, began.id: None}, 0)
        spoilt = replace(ended(3), state=State.REQUESTED)
        put = partial(insert_recording, recording=spoilt, due_at=None, sealed=sealed)
        await house.database.run(put)
        spoil = recordings.update().where(recordings.c.id == spoilt.id).values(document="{}")
        await house.database.run(lambda connection: connection.execute(spoil))
    for _ in range(2):  # it is said once, and a row that cannot be read keeps it from no other
        async with open_house(settings(new)) as house:
            assert await seen(house) == ({waits.id: "page_not_readable", began.id: None}, 2)
    async with open_house(settings(new, old)) as house:
        assert await seen(house) == ({waits.id: None, began.id: None}, 0)
        lines = await house.database.run(partial(load_history, recording_id=waits.id, after=0, limit=9))
    told = [(line.kind, line.source, line.detail["code"]) for line in lines if line.kind == "attention"]
    assert told == [("attention", "worker", "page_not_readable")]
