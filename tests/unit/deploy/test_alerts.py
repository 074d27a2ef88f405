"""The alert rules: every expression is about exported metrics, and every alert leads to a heading that helps."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.doc_pages import anchors_of
from tests.unit.deploy.exported_metrics import judge, load_series

ROOT = Path(__file__).parents[3]
GROUPS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]


def test_alert_names_are_unique() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_exported_metrics_alone(rule: dict[str, Any]) -> None:
    assert judge(rule["expr"], load_series()) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_summary_and_a_runbook_that_exists(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors_of(ROOT / document)
