"""Fixtures for all rooms. Nothing is started before a test asks for it."""

import asyncio
import gc
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from service.database.engine import startup
from service.database.engine.database import Database
from service.database.sealing import Seals, make_key
from tests.postgres import Postgres
from tests.servers import Azurite, azurite_program

DEPLOYMENT = "test"

# How long an example takes is the machine's doing; what takes too long is ended by the test's own timeout.
settings.register_profile("pagereel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pagereel")


def pytest_collection_finish() -> None:
    """What was collected stays: the garbage collector took a tenth of the tests' time to look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logs_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test runs in its own process sets logging up; no other test is to find it so."""
    configure = structlog.configure
    uncached = {"cache_logger_on_first_use": False}
    monkeypatch.setattr(structlog, "configure", lambda **settings: configure(**{**settings, **uncached}))
    yield
    structlog.reset_defaults()


@pytest.fixture
def interpreter() -> Iterator[None]:
    """For tests that set it up as the service does: it is afterwards as it was."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server all tests share; it does not survive a kill, see `Postgres(durable=True)` for those."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure's own stand-in, without a container."""
    program = azurite_program()
    if program is None:
        pytest.skip("needs the Debian packages nodejs and npm")
    with Azurite(program) as server:
        yield server


def _prepared(url: str) -> None:
    """Create the schema, on a thread with a loop of its own."""

    async def prepare() -> None:
        async with await Database.open(url) as database:
            await startup.prepare(database, DEPLOYMENT, 0)

    thread = threading.Thread(target=lambda: asyncio.run(prepare()))
    thread.start()
    thread.join()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "pagereel.db"
    _prepared(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres: Postgres) -> str:
    url = postgres.create_database()
    _prepared(url)
    return url.rpartition("/")[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table; a test that takes it runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/pagereel.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database at the newest schema for the deployment `test`; a test that takes it runs once on each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "pagereel.db")
        yield f"sqlite:///{tmp_path}/pagereel.db"
        return
    template: str = request.getfixturevalue("_postgres_template")
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create_database(template)
    yield url
    server.drop_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database at the newest schema, of both kinds."""
    async with await Database.open(database_url) as opened:
        yield opened


@pytest.fixture
def seals() -> Seals:
    return Seals(make_key())
