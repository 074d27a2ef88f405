"""Checks schema and deployment before the service works on a database.

An empty database gets the newest schema at the first start. A database with an older schema is left unchanged until
`pagereel migrate` is run. A downgrade is not possible.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.database.engine.database import Database
from service.database.engine.errors import StartRefused
from service.database.engine.refusal import refusing
from service.database.tables import deployment, recordings

_ONE_AT_A_TIME = 0x70616765  # the advisory lock of all schema changes


async def prepare(database: Database, deployment_name: str, now: float) -> None:
    """Check schema and deployment. Create both in an empty database. Raise `StartRefused` without making any change."""
    await database.run(lambda connection: _prepare(connection, deployment_name, now))


async def migrate(url: str, place: str = "database.password") -> tuple[str | None, str]:
    """Migrate the database to the newest schema in one transaction. Return the revisions before (None if empty) and
    after.

    Raise `StartRefused` if the database is in use (SQLite), newer than this program, or cannot be used. For `place`,
    see `refusing`.
    """
    with refusing(url, place):
        async with await Database.open(url) as database:
            return await database.run(upgrade)


def upgrade(connection: sa.Connection) -> tuple[str | None, str]:
    """Migrate within a transaction of the caller."""
    _alone(connection)
    before = revision(connection)
    if before is None and sa.inspect(connection).get_table_names():
        raise StartRefused("the database is not empty and does not belong to Pagereel: use an empty database")
    _refuse_newer(before)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, head()


def revision(connection: sa.Connection) -> str | None:
    """Return the schema's revision, or None if there is no schema."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the newest revision that this program contains."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def _prepare(connection: sa.Connection, name: str, now: float) -> None:
    _alone(connection)
    found = revision(connection)
    if found is None:
        upgrade(connection)
        connection.execute(deployment.insert().values(id=1, name=name, created_at=now))
        return
    _refuse_newer(found)
    if found != head():
        raise StartRefused(
            f"the database has schema {found}, this program needs {head()}: stop every process that uses it, back it"
            " up, then run `pagereel migrate`"
        )
    _check_deployment(connection, name, now)


def _check_deployment(connection: sa.Connection, name: str, now: float) -> None:
    kept = connection.execute(sa.select(deployment.c.name)).scalar_one_or_none()
    if kept is None:  # created by `pagereel migrate`
        connection.execute(deployment.insert().values(id=1, name=name, created_at=now))
    elif kept != name:
        raise StartRefused(
            f"the database belongs to the deployment {kept!r}, but the setting `deployment` is {name!r}: one of the two"
            " is wrong. The deployment never changes, because Pagereel recognises its recorders by it"
        )


def _refuse_newer(found: str | None) -> None:
    """Raise `StartRefused` for a newer schema. Revisions are numbers of four digits, so their texts sort."""
    if found is not None and found > head():
        raise StartRefused(f"the database has schema {found}, which is newer than this program: install a newer one")


def _alone(connection: sa.Connection) -> None:
    """Prevent replicas that start at the same time from creating the same schema."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def refuse_lost_key(database: Database, key_file: Path | None) -> None:
    """Raise `StartRefused` if recordings exist but their key file is missing, because a new key could not open the
    sealed values. `key_file` is None if the settings contain the keys."""
    await database.run(lambda connection: _refuse_lost_key(connection, key_file))


def _refuse_lost_key(connection: sa.Connection, key_file: Path | None) -> None:
    if key_file is None or key_file.exists():
        return
    if connection.execute(sa.select(recordings.c.id).limit(1)).first() is not None:
        raise StartRefused(
            f"the sealing key {key_file} is missing, and only this key opens the page URLs of the recordings in the"
            " database: put the file back. Until the service runs again, nobody stops recorders that run and"
            " bill. If the file is lost for good,"
            f" `(umask 077; openssl rand -base64 32 > {key_file})` makes another one: recordings that have not started"
            " yet then fail, and stored notifications stay sealed"
        )


def check_writable(connection: sa.Connection) -> None:
    """Write and read, because the service is ready only if the next notification can be stored."""
    connection.execute(deployment.update().values(name=deployment.c.name))
    connection.execute(sa.select(deployment.c.name)).scalar_one()
