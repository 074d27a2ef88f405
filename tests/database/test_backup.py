"""A copy is made while others write, and is whole, of one instant, and openable."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from pagereel.cli import main
from service.database.engine.backup import backup_sqlite
from service.database.engine.database import Database
from service.database.engine.errors import StartRefused


async def test_a_copy_made_while_others_write_is_of_one_instant(tmp_path: Path) -> None:
    source, copy = tmp_path / "pagereel.db", tmp_path / "copy.db"
    async with await Database.open(f"sqlite:///{source}") as database:
        await database.run(lambda c: c.execute(sa.text("CREATE TABLE pairs (a INTEGER, b INTEGER)")))
        stop = asyncio.Event()

        async def write() -> int:
            number = 0
            while not stop.is_set():
                number += 1
                add = sa.text("INSERT INTO pairs VALUES (:n, 0)").bindparams(n=number)
                fill = sa.text("UPDATE pairs SET b = a WHERE a = :n").bindparams(n=number)
                await database.run(lambda c, add=add, fill=fill: (c.execute(add), c.execute(fill)))
            return number

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.2)
        size = await asyncio.to_thread(backup_sqlite, source, copy)
        stop.set()
        written = await writing
    assert size == copy.stat().st_size
    with closing(sqlite3.connect(copy)) as opened:
        (count, torn, newest) = opened.execute("SELECT count(*), sum(a <> b), max(a) FROM pairs").fetchone()
    assert 0 < count == newest <= written
    assert torn == 0


def test_nothing_is_overwritten_and_nothing_half_done_stays(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="no database"):
        backup_sqlite(tmp_path / "none.db", tmp_path / "copy.db")
    (tmp_path / "source.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        backup_sqlite(tmp_path / "source.db", tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.db"]
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(StartRefused, match="exists"):
        backup_sqlite(tmp_path / "source.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_full_disk_is_that_of_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, copy, config = tmp_path / "pagereel.db", tmp_path / "copy.db", tmp_path / "pagereel.toml"
    config.write_text(f'deployment = "test"\n[database]\nurl = "sqlite:///{source}"\n')
    with closing(sqlite3.connect(source)) as opened:
        opened.execute("CREATE TABLE large (text TEXT)")
        opened.executemany("INSERT INTO large VALUES (?)", [("x" * 1000,)] * 100)
        opened.commit()
    connect = sqlite3.connect

    def small(place: str | Path, **options: bool | float) -> sqlite3.Connection:
        found = connect(place, **options)  # type: ignore[arg-type]
        if not options:
            found.execute("PRAGMA max_page_count = 2")
        return found

    monkeypatch.setattr("service.database.engine.backup.sqlite3.connect", small)
    done = CliRunner().invoke(main, ["backup", "--config", str(config), str(copy)])
    assert f"{copy} cannot be written (No space left on device)" in done.output
    assert done.exit_code != 0
    assert not list(tmp_path.glob("copy*"))


async def test_the_command_copies_what_is_being_served_and_names_the_key(tmp_path: Path) -> None:
    source, config = tmp_path / "pagereel.db", tmp_path / "pagereel.toml"
    config.write_text(f'deployment = "test"\n[database]\nurl = "sqlite:///{source}"\n')
    Path(f"{source}.key").write_text("key")
    async with await Database.open(f"sqlite:///{source}") as database:
        await database.run(lambda c: c.execute(sa.text("CREATE TABLE one (a INTEGER)")))
        words = ["-c", str(config), "backup", str(tmp_path / "copy.db")]
        done = await asyncio.to_thread(CliRunner().invoke, main, words)
        again = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert done.exit_code == 0, done.output
    assert "pagereel.db.key" in done.output
    assert again.exit_code == 2
    assert "is not overwritten" in again.output


@pytest.mark.parametrize(
    ("source", "copy", "said"),
    [
        ("other.db", "copy.db", "{0}/other.db is not an SQLite database"),
        ("none.db", "copy.db", "there is no database at {0}/none.db"),
        ("good.db", "none/copy.db", "{0}/none/copy.db cannot be written (No such file or directory)"),
    ],
    ids=["no-database", "missing", "no-folder"],
)
def test_why_there_is_no_copy_is_said_in_words(tmp_path: Path, source: str, copy: str, said: str) -> None:
    (tmp_path / "other.db").write_bytes(b"this is no database" * 100)
    with closing(sqlite3.connect(tmp_path / "good.db")) as good:
        good.execute("CREATE TABLE one (a)")
    (tmp_path / "pagereel.toml").write_text(f'deployment = "test"\n[database]\nurl = "sqlite:///{tmp_path}/{source}"\n')
    ended = CliRunner().invoke(main, ["--config", f"{tmp_path}/pagereel.toml", "backup", f"{tmp_path}/{copy}"])
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"pagereel: {said.format(tmp_path)}"), ended.stderr
