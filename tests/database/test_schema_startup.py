"""Schema, migrations and the deployment's name at startup."""

import asyncio
import re

import pytest
import sqlalchemy as sa

from service.database.engine import startup
from service.database.engine.database import Database
from service.database.engine.errors import StartRefused
from service.database.tables import deployment, metadata

SQLITE_SCHEMA = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%' ORDER BY name"
POSTGRES_SCHEMA = """
SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '' FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
UNION ALL SELECT tablename, indexname, indexdef, '', '', '' FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""


def schema(connection: sa.Connection) -> list[tuple[object, ...]]:
    """Everything the database knows about its tables, as comparable text."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(SQLITE_SCHEMA)
        # A column that was added later stands last, before the closing bracket.
        return [
            (name, *sorted(filter(None, (part.strip() for part in re.split(r"[\n,]", sql.rstrip(")"))))))
            for name, sql in rows
        ]
    return sorted(tuple(map(str, row)) for row in connection.execute(sa.text(POSTGRES_SCHEMA)))


async def test_the_models_equal_the_migrations(empty_database_url: str) -> None:
    async with await Database.open(empty_database_url) as database:
        await database.run(metadata.create_all)
        wanted = await database.run(schema)
        await database.run(metadata.drop_all)
        await database.run(startup.upgrade)
        assert await database.run(schema) == wanted
        assert len(wanted) > 20


async def test_an_empty_database_is_created_at_the_first_start_and_accepted_at_the_next(
    empty_database_url: str,
) -> None:
    for now in (5.0, 6.0):
        async with await Database.open(empty_database_url) as database:
            await startup.prepare(database, "blue", now)
            assert await database.run(startup.revision) == startup.head()
            row = await database.run(lambda c: c.execute(sa.select(deployment)).one())
            assert tuple(row) == (1, "blue", 5.0, None, None)


async def test_processes_that_start_together_on_an_empty_database_create_it_once(empty_database_url: str) -> None:
    async with await Database.open(empty_database_url) as database:
        await asyncio.gather(*(startup.prepare(database, "blue", 5.0) for _ in range(4)))
        assert await database.run(startup.revision) == startup.head()
        names = await database.run(lambda c: c.exec_driver_sql("SELECT name FROM deployment").scalars().all())
        assert names == ["blue"]


async def test_the_database_of_another_deployment_is_refused(database: Database) -> None:
    with pytest.raises(StartRefused, match="belongs to the deployment 'test', but the setting `deployment` is 'blue'"):
        await startup.prepare(database, "blue", 5.0)
    await startup.prepare(database, "test", 5.0)


@pytest.mark.parametrize(("found", "advice"), [("0000", "run `pagereel migrate`"), ("9999", "install a newer one")])
async def test_a_schema_of_another_version_is_refused_with_what_to_do(
    database: Database, found: str, advice: str
) -> None:
    await database.run(lambda c: c.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{found}'"))
    with pytest.raises(StartRefused, match=advice):
        await startup.prepare(database, "test", 5.0)


async def test_a_strangers_database_is_refused_and_left_alone(empty_database_url: str) -> None:
    async with await Database.open(empty_database_url) as database:
        await database.run(lambda c: c.exec_driver_sql("CREATE TABLE theirs (id int)"))
        with pytest.raises(StartRefused, match="not empty"):
            await startup.prepare(database, "blue", 5.0)
        assert await database.run(lambda c: sa.inspect(c).get_table_names()) == ["theirs"]


async def test_migrating_an_empty_database_leaves_its_name_to_the_first_start(empty_database_url: str) -> None:
    assert await startup.migrate(empty_database_url) == (None, startup.head())
    assert await startup.migrate(empty_database_url) == (startup.head(), startup.head())
    async with await Database.open(empty_database_url) as database:
        await startup.prepare(database, "blue", 5.0)
        assert await database.run(lambda c: c.execute(sa.select(deployment.c.name)).scalar_one()) == "blue"
