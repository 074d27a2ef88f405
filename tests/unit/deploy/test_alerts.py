"""The alert and recording rules: every expression is about what exists, every alert leads to a section that helps and
names it, and has a rule test (`make lint` runs promtool) in which it stays quiet and one in which it fires."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.doc_pages import anchors_of, sections_of, without_code
from tests.unit.deploy.exported_metrics import RULES, judge, load_series

ROOT = Path(__file__).parents[3]
ALERTS: list[dict[str, Any]] = [rule for rule in RULES if "alert" in rule]
RECORDINGS: list[dict[str, Any]] = [rule for rule in RULES if "record" in rule]
# Where the site of `make docs` is served unless an operator says otherwise.
SITE = "http://127.0.0.1:8000"
TESTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts_test.yml").read_text(encoding="utf-8"))["tests"]


def test_alert_names_are_unique() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_exists_alone(rule: dict[str, Any]) -> None:
    assert judge(rule["expr"], load_series()) == []


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_summary_and_a_runbook_that_names_it(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == f"{SITE}/operations.html"
    assert anchor in anchors_of(ROOT / "docs/operations.md")
    assert f"`{rule['alert']}`" in sections_of(ROOT / "docs/operations.md")[anchor]


def test_the_address_of_the_documents_is_changed_everywhere_by_the_documented_command(tmp_path: Path) -> None:
    """Alerts and dashboards alike: the operator's own address is in all of them, and the default in none."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    watching = (ROOT / "docs/operations.md").read_text(encoding="utf-8").partition("## Watching")[2]
    (command,) = re.findall(r"^```sh\n(DOCS=.*?)^```", watching, re.MULTILINE | re.DOTALL)
    subprocess.run(["bash", "-euc", command], cwd=tmp_path, check=True)
    texts = {
        path: path.read_text() for name in ("prometheus", "grafana") for path in (tmp_path / "deploy" / name).iterdir()
    }
    used = [path.name for path, text in texts.items() if "https://docs.example.org/pagereel" in text]
    assert sorted(used) == ["alerts.yml", "pagereel-overview.json"]
    assert [path.name for path, text in texts.items() if SITE in text and path.name != "alerts_test.yml"] == []
    assert texts[tmp_path / "deploy/prometheus/alerts.yml"].count("/pagereel/operations.html#") == len(ALERTS)


def test_a_runbook_names_no_alert_that_is_gone() -> None:
    names = {rule["alert"] for rule in ALERTS}
    for anchor, text in sections_of(ROOT / "docs/operations.md").items():
        told = [line for line in text.splitlines() if line.startswith("**Alert")]
        for name in (word.strip("`,") for line in told for word in line.split()[1:]):
            assert name in names, anchor


def test_every_recorded_series_is_explained() -> None:
    page = without_code((ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
    for rule in RECORDINGS:
        assert f"`{rule['record']}`" in page


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_was_seen_to_stay_quiet_and_to_fire(rule: dict[str, Any]) -> None:
    seen = [one for test in TESTS for one in test["alert_rule_test"] if one["alertname"] == rule["alert"]]
    assert [bool(one["exp_alerts"]) for one in seen] == [False, True]
