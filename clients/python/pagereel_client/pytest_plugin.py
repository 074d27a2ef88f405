"""A pytest plugin: Agora as a process that fails on demand, alone or with a Pagereel in front of it.

    @pytest.mark.agora_fault("page_unreachable")
    async def test_a_page_that_is_away_is_told(pagereel: Sandbox) -> None: ...

Processes live for the session, and one is started only where a test asks for it; faults last for their test.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from pagereel_client.processes import Bucket, Emulator, NotThere, Sandbox, running

MARK: Final = "agora_fault"
BUCKET: Final = "recordings"
FIXTURES: Final = frozenset({"agora", "pagereel"})
_LISTENING: Final = r"listening on (\S+)"
_JSON: Final = r"^(\{.*\})"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(kind, **fields): the emulator has this fault during the test; `pagereel-emulator faults list`",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A fault that nobody can meet is a mistake."""
    if item.get_closest_marker(MARK) and not FIXTURES & set(getattr(item, "fixturenames", ())):
        pytest.fail(f"{MARK} needs the fixture `agora` or `pagereel`", pytrace=False)


@pytest.fixture(scope="session")
def agora_callbacks() -> list[dict[str, Any]]:
    """Where Agora's notifications go: override it with `[{"url": …, "secret": …}]`. Nowhere by default."""
    return []


@pytest.fixture(scope="session")
def agora_settings() -> dict[str, Any]:
    """Settings of the emulator over the usual ones: override it. Agora's waits are ten times shorter than in life."""
    return {}


@pytest.fixture(scope="session")
def agora_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A real S3 server with a bucket, of vendor 11, for what the emulator records."""
    log = tmp_path_factory.mktemp("agora") / "s3.log"
    with _started("emulator", "s3", "--bucket", BUCKET, ready=_JSON, log=log) as line:
        said = json.loads(line)
        yield Bucket(said["endpoint"], BUCKET, said["access_key"], said["secret_key"])


@pytest.fixture(scope="session")
def agora_process(
    tmp_path_factory: pytest.TempPathFactory, agora_callbacks: list[dict[str, Any]], agora_settings: dict[str, Any]
) -> Iterator[Emulator]:
    """The emulator of the session. Tests take `agora`."""
    folder = tmp_path_factory.mktemp("agora")
    known = Emulator("")
    app = {"app_id": known.app_id, "customer_id": known.customer_id, "customer_secret": known.customer_secret}
    usual = {"compression": 10, "engine": "loop", "storage_scheme": "http"}
    settings = {**usual, **agora_settings, "apps": [{**app, "callbacks": agora_callbacks}]}
    (folder / "emulator.toml").write_text(_toml(settings), encoding="utf-8")
    words = ("serve", "--config", str(folder / "emulator.toml"))
    with _started("emulator", *words, ready=_LISTENING, log=folder / "emulator.log") as url:
        yield Emulator(url)


@pytest.fixture
def agora(request: pytest.FixtureRequest, agora_process: Emulator) -> Iterator[Emulator]:
    """Agora on the wire, for what calls its REST API: `agora.url` in place of `https://api.agora.io`."""
    with _faults(request, agora_process):
        yield agora_process


@pytest.fixture(scope="session")
def pagereel_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The Pagereel of the session. Tests take `pagereel`."""
    log = tmp_path_factory.mktemp("pagereel") / "sandbox.log"
    with _started("pagereel", "sandbox", "--json", "--port", "0", ready=_JSON, log=log) as line:
        said = json.loads(line)
        yield Sandbox(said["api"], said["token"], Emulator(said["emulator"]))


@pytest.fixture
def pagereel(request: pytest.FixtureRequest, pagereel_process: Sandbox) -> Iterator[Sandbox]:
    """Pagereel with the emulator behind it, for what calls Pagereel: `Client(pagereel.api, pagereel.token)`."""
    with _faults(request, pagereel_process.emulator):
        yield pagereel_process


@contextmanager
def _faults(request: pytest.FixtureRequest, emulator: Emulator) -> Iterator[None]:
    """The faults that a test's marks name, while it runs; in the order they are written, from the top."""
    try:
        for mark in reversed(list(request.node.iter_markers(MARK))):
            if wrong := _armed(emulator, mark):
                pytest.fail(f"{MARK}: {wrong}", pytrace=False)
        yield
    finally:
        emulator.clear_faults()


def _armed(emulator: Emulator, mark: pytest.Mark) -> str | None:
    """What is wrong with a mark, or None once its fault stands."""
    try:
        emulator.fault(*mark.args, **mark.kwargs)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


@contextmanager
def _started(module: str, *words: str, ready: str, log: Path) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            said = stack.enter_context(running(module, *words, ready=ready, log=log))
        except NotThere as error:
            pytest.fail(str(error), pytrace=False)
        yield said


def _toml(settings: dict[str, Any]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items())


def _value(value: Any) -> str:
    """One value in a line. For all but tables TOML writes what JSON does."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
