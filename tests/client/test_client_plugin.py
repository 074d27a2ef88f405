"""The pytest plugin, as other teams use it: in a test run of its own, with a real emulator behind it."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pagereel_client import pytest_plugin

pytest_plugins = ["pytester"]

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --strict-markers
"""
ALONE = """
import asyncio
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from base64 import b64encode
import json

import pytest

def acquire(agora, cname):
    body = {"cname": cname, "uid": "1", "clientRequest": {"scene": 1, "resourceExpiredHour": 24}}
    secret = b64encode(f"{agora.customer_id}:{agora.customer_secret}".encode()).decode()
    request = Request(
        f"{agora.url}/v1/apps/{agora.app_id}/cloud_recording/acquire", json.dumps(body).encode(),
        {"Authorization": f"Basic {secret}", "Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)["resourceId"]

def test_without_a_mark_all_is_well(agora, agora_bucket):
    assert acquire(agora, "plain")
    assert agora_bucket.name == "recordings"

@pytest.mark.agora_fault("answer", endpoint="acquire", status=500, body={})
@pytest.mark.agora_fault("answer", endpoint="acquire", code=8, cname="never")
def test_a_mark_arms_its_fault(agora):
    with pytest.raises(HTTPError) as raised:
        acquire(agora, "struck")
    raised.value.close()
    assert raised.value.code == 500
    assert [each["cname"] for each in agora.strikes()] == ["struck"]

def test_a_fault_ends_with_its_test(agora):
    assert acquire(agora, "after")
    assert agora.tasks() == []
"""
WRONG = """
import pytest

@pytest.mark.agora_fault("meteor")
def test_unknown_kind(agora):
    pass

@pytest.mark.agora_fault("late_start")
def test_missing_field(agora):
    pass

@pytest.mark.agora_fault("page_unreachable")
def test_nobody_can_meet_it():
    pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """With the plugins that other teams have, not the dozen of this house, which take two seconds to import."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", f"{pytest_plugin.__name__},pytest_asyncio.plugin,pytest_timeout")
    pytester.makeini(INI)
    return pytester


def test_pytest_finds_it_by_itself() -> None:
    (found,) = [each for each in importlib.metadata.entry_points(group="pytest11") if each.name == "pagereel"]
    assert found.value == pytest_plugin.__name__


ROOT = Path(__file__).parents[2]
AWAITED = """
import pytest

@pytest.mark.asyncio
@pytest.mark.filterwarnings("error")
async def test_awaits(request):
    assert request.config.pluginmanager.hasplugin("pagereel_client.pytest_plugin")
"""


def test_with_the_settings_of_the_readme_no_plugin_warns(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", f"{pytest_plugin.__name__},pytest_asyncio.plugin")
    readme = (ROOT / "clients/python/README.md").read_text(encoding="utf-8")
    (settings,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    pytester.makepyprojecttoml(settings)
    pytester.makepyfile(AWAITED)
    result = pytester.runpytest_subprocess("-q", timeout=60)
    result.assert_outcomes(passed=1)
    assert "Warning" not in result.stdout.str() + result.stderr.str()


def test_marks_arm_faults_for_their_test_alone_and_wrong_ones_say_what_is_wrong(run: pytest.Pytester) -> None:
    run.makepyfile(test_alone=ALONE, test_wrong=WRONG)
    result = run.runpytest_subprocess("-q", timeout=110)
    result.assert_outcomes(passed=3, errors=3)
    result.stdout.fnmatch_lines(
        [
            "agora_fault: kind: Input should be*",
            "agora_fault: late_start needs seconds",
            "agora_fault needs the fixture `agora`*",
        ]
    )


def test_without_the_emulator_it_is_said_what_to_install(run: pytest.Pytester) -> None:
    run.makeconftest("import importlib.util\nimportlib.util.find_spec = lambda name: None")
    run.makepyfile("def test_it(agora): pass")
    result = run.runpytest_subprocess("-q", timeout=60)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install 'pagereel-client?pytest?'*"])


def test_the_client_needs_no_pytest() -> None:
    words = "import sys, pagereel_client, pagereel_client.processes; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
