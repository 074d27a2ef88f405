"""The example deployment: its settings load, its parts fit together, and its images hold the versions that were tested.

Images cannot be built where these tests run, so this is as far as they reach.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.settings import load as load_emulator
from service.operations.accounts.access import BOOTSTRAP_ID
from service.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy/compose"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The example's settings, with the token where this machine has it."""
    path = tmp_path / "pagereel.toml"
    text = (COMPOSE / "pagereel.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("/etc/pagereel/token", str(COMPOSE / "token")), encoding="utf-8")
    return Settings.load(path, {})


def test_the_settings_hold_the_token_that_is_documented(settings: Settings) -> None:
    token = (COMPOSE / "token").read_text(encoding="utf-8").strip()
    assert re.fullmatch(rf"prl_{BOOTSTRAP_ID}_[^_]+", token)
    assert token in (ROOT / "docs/getting-started.md").read_text(encoding="utf-8")


def test_service_and_emulator_agree(settings: Settings) -> None:
    emulator = load_emulator(COMPOSE / "emulator.toml")
    app, stand_in = settings.apps["demo"], emulator.apps[0]
    assert (app.app_id, app.customer_id) == (stand_in.app_id, stand_in.customer_id)
    assert app.customer_secret.get() == stand_in.customer_secret.get_secret_value()
    assert app.base_urls == (f"http://{emulator.host}:{emulator.port}",)
    callback = stand_in.callbacks[0]
    assert callback.url == f"http://{settings.callbacks.host}:{settings.callbacks.port}/agora/demo/notifications"
    assert callback.secret is not None
    assert [callback.secret.get_secret_value()] == [secret.get() for secret in app.ncs_secrets]


def test_the_bucket_knows_the_keys_and_lets_the_reader_only_read(settings: Settings) -> None:
    identities = json.loads((COMPOSE / "identities.json").read_text(encoding="utf-8"))["identities"]
    known = {one["name"]: (one["credentials"][0], one["actions"]) for one in identities}
    profile = settings.storage["demo"]
    assert profile.write is not None
    for name, keys in (("writer", profile.write), ("reader", profile.read)):
        assert known[name][0] == {"accessKey": keys.access_key.get(), "secretKey": keys.secret_key.get()}
    assert known["reader"][1] == ["Read", "List"]
    assert profile.endpoint == "http://s3:8333"
    assert f"-name {profile.bucket}'" in SERVICES["bucket"]["command"][0]


def test_the_database_knows_the_password(settings: Settings) -> None:
    environment = SERVICES["postgres"]["environment"]
    expected = f"postgresql://{environment['POSTGRES_USER']}@postgres:5432/{environment['POSTGRES_DB']}"
    assert settings.database.url == expected
    assert settings.database.password is not None
    assert settings.database.password.get() == environment["POSTGRES_PASSWORD"]


def test_every_file_that_is_mounted_exists() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / "deploy" / source).exists(), (name, source)


def test_every_port_is_bound_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", ["service", "emulator", "build"])
def test_an_image_gets_the_versions_that_were_tested(name: str) -> None:
    tested = set(PIN.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    pinned = set(PIN.findall((ROOT / f"deploy/image/{name}.lock").read_text(encoding="utf-8")))
    assert pinned
    assert pinned <= tested


def test_the_service_image_holds_every_dependency_of_the_project_and_what_decodes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[\[>=<~! ]", line)[0] for line in project["dependencies"]}
    pinned = {name for name, _ in PIN.findall((ROOT / "deploy/image/service.lock").read_text(encoding="utf-8"))}
    assert wanted <= pinned
    assert {"av", "numpy"} <= pinned


@pytest.mark.parametrize("path", ["requirements.lock", *(f"deploy/image/{name}.lock" for name in ("service", "build"))])
def test_a_lock_names_hashes_and_no_index(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert len(PIN.findall(text)) == len(re.findall(r"^\S.*\\\n    --hash=sha256:", text, re.MULTILINE))
    assert "://" not in text
    assert "--index-url" not in text
