"""The two commands of the first day, as processes: `check-config` says everything that is wrong at once, `setup` hears
the console's Check and says what is missing."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from house import Forge, ServiceProcess, Store, emulator_settings, merge, settings_values, toml

from emulator.app import running
from emulator.notifications import health_check as console
from emulator.notifications.wire import Receiver
from emulator.settings import Settings as EmulatorSettings
from tests.ports import free_port

TRIED = [
    "database",
    "listener api",
    "listener callbacks",
    "Agora, app main: credentials and app ID",
    "storage archive: write keys may write",
    "storage archive: read keys may list and read",
]
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a wrong secret of Agora's": ({"apps": {"main": {"customer_secret": "no"}}}, TRIED[3], "unauthorized"),
    "another account's app": ({"apps": {"main": {"app_id": "id-other"}}}, TRIED[3], "invalid_app"),
    "a bucket that is not there": ({"storage": {"archive": {"bucket": "nowhere"}}}, TRIED[4], "refused"),
    "a wrong write key": ({"storage": {"archive": {"write": {"secret_key": "no"}}}}, TRIED[4], "refused"),
    "a wrong read key": ({"storage": {"archive": {"read": {"secret_key": "no"}}}}, TRIED[5], "refused"),
}


@asynccontextmanager
async def _configured(
    root: Path, store: Store, url: str, over: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Path, int]]:
    """Settings beside a running emulator; gives their file and the callbacks' port."""
    port = free_port()
    plan = EmulatorSettings.model_validate(emulator_settings(port, ("main",), {}, {}))
    async with running(plan) as agora:
        values = merge(settings_values(root, store.server, agora, port, url, ("main",)), over or {})
        (root / "pagereel.toml").write_text(toml(values))
        yield root / "pagereel.toml", port


async def _ran(forge: Forge, config: Path, *words: str) -> tuple[int, str]:
    command = ServiceProcess(forge, config, *words)
    await command.start("()")
    return await command.over()


async def test_probes_find_that_everything_works(forge: Forge, tmp_path: Path, store: Store, database_url: str) -> None:
    async with _configured(tmp_path, store, database_url) as (config, _):
        code, said = await _ran(forge, config, "check-config", "--probe")
    assert code == 0, said
    assert re.findall(r"(?m)^ok {6}(.+)$", said) == TRIED
    assert await store.keys("rec/pagereelprobe") == ["rec/pagereelprobe"], "and leave one tiny object, as documented"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_probe_that_fails_is_named_and_the_others_are_tried(
    forge: Forge, tmp_path: Path, store: Store, fault: str
) -> None:
    over, what, why = FAULTS[fault]
    async with _configured(tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db", over) as (config, _):
        code, said = await _ran(forge, config, "check-config", "--probe")
    assert code == 1, said
    (failed,) = [line for line in re.findall(r"(?m)^FAILED  ?(.+)$", said) if line.startswith(what)]
    assert why in failed, failed
    assert len(re.findall(r"(?m)^(?:ok|FAILED) ", said)) == len(TRIED), said
    assert "Traceback" not in said


async def test_a_database_that_is_away_is_named_and_the_rest_is_tried(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    url = f"postgresql://nobody:CANARY@127.0.0.1:{free_port()}/pagereel"
    async with _configured(tmp_path, store, url) as (config, _):
        code, said = await _ran(forge, config, "check-config", "--probe")
    assert code == 1, said
    assert re.findall(r"(?m)^FAILED  ?(\w+)", said) == ["database"], said
    assert re.findall(r"(?m)^ok {6}(.+)$", said) == TRIED[1:]
    assert "CANARY" not in said


async def test_every_problem_of_the_settings_is_said_at_once(forge: Forge, tmp_path: Path, store: Store) -> None:
    over = {
        "deployment": "Not Allowed",
        "apps": {"main": {"customer_secret": "", "base_urls": ["http://agora.example.org"]}},
        "storage": {"archive": {"vendor": 9}},
        "worker": {"concurrency": 0},
        "presets": {"default": {"video_width": 10, "app": "none"}},
        "unknown": {"key": 1},
    }
    async with _configured(tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db", over) as (config, _):
        code, said = await _ran(forge, config, "check-config")
    assert code == 2
    for key in (
        "deployment",
        "apps.main.base_urls",
        "storage.archive.vendor",
        "worker.concurrency",
        "presets.default.video_width",
        "unknown",
    ):
        assert key in said, said
    assert "Traceback" not in said


async def test_setup_hears_the_consoles_check_and_tries_the_rest(forge: Forge, tmp_path: Path, store: Store) -> None:
    url = f"sqlite:///{tmp_path}/pagereel.db"
    over = {
        "apps": {"main": {"setup": True, "ncs_secrets": []}},
        "callbacks": {"public_url": "https://rec.example.org"},
    }
    async with _configured(tmp_path, store, url, over) as (config, port):
        setup = ServiceProcess(forge, config, "setup", "main")
        await setup.start("(Press Check)")
        receiver = Receiver(f"http://127.0.0.1:{port}/agora/main/notifications", None)
        assert [result.status async for result in console.check(receiver)] == [200] * len(console.EVENTS)
        code, said = await setup.over()
    assert code == 0, said
    assert "https://rec.example.org/agora/main/notifications" in said
    assert set(re.findall(r"(?m)^  event (\d+) [a-z ]+ came$", said)) == {str(event) for event in console.EVENTS}
    assert "Every event type arrived." in said
    assert re.findall(r"(?m)^ok {6}(.+)$", said) == TRIED
    assert said.splitlines()[-1].startswith("Next: press Save in Agora's console, put the secret")


async def test_setup_names_the_events_that_are_missing(
    forge: Forge, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "EVENTS", {event: console.EVENTS[event] for event in (1, 31, 70)})
    async with _configured(tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db") as (config, port):
        setup = ServiceProcess(forge, config, "setup", "main", "--wait", "3")
        await setup.start("(Press Check)")
        receiver = Receiver(f"http://127.0.0.1:{port}/agora/main/notifications", "demo-ncs-secret")
        assert [result.status async for result in console.check(receiver)] == [200] * 3
        code, said = await setup.over()
        silent, again = await _ran(forge, config, "setup", "main", "--wait", "1")
    assert code == 1, said
    assert "Still missing: 4 file infos, 11 session exit, 12 session failover, 30" in said
    assert silent == 1, again
    assert (
        "Still missing: 1 error, 4 file infos, 11 session exit, 12 session failover, 30 uploader started, 31" in again
    ), "the earlier Check is over"
    assert "Next:" not in said + again


async def test_setup_of_an_unknown_app_names_those_there_are(forge: Forge, tmp_path: Path, store: Store) -> None:
    async with _configured(tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db") as (config, _):
        code, said = await _ran(forge, config, "setup", "mian")
    assert code == 2
    assert "no app 'mian'; the known apps are: main" in said
