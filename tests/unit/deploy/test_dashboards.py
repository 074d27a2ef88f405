"""The Grafana dashboards: sound JSON, and every question they ask has an answer in what the service exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.dashboard_style import ALERT_LIST, BAD, GOOD, LOOK, MEANINGS, WORSE, load_alerts, style, written
from service.lifecycle.rules.notifications import EVENTS
from tests.unit.deploy.exported_metrics import DATABASE_GAUGES, judge, load_exported, load_series

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
# Grafana puts these in before Prometheus sees them.
GRAFANA_WORDS = {"$__rate_interval": "5m", "$__range": "6h"}
GRID_COLUMNS = 24


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return found


def charts(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] not in ("row", "text")]


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in charts(dashboard):
        for target in panel["targets"]:
            expr = target["expr"]
            for word, value in GRAFANA_WORDS.items():
                expr = expr.replace(word, value)
            yield expr


def test_every_dashboard_is_there_under_its_own_name_and_leads_to_the_others() -> None:
    subjects = {"overview", "recording", "intake", "agora", "verification", "cost", "worker"}
    assert {path.stem for path in DASHBOARDS} == {f"pagereel-{subject}" for subject in subjects}
    for path in DASHBOARDS:
        found = json.loads(path.read_text(encoding="utf-8"))
        assert found["uid"] == path.stem
        assert "pagereel" in found["tags"]
        assert [link["tags"] for link in found["links"]] == [["pagereel"]]


def test_the_compose_file_has_grafana_load_them() -> None:
    compose = ROOT / "deploy/compose"
    (provider,) = yaml.safe_load((compose / "grafana/dashboards.yml").read_text(encoding="utf-8"))["providers"]
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    assert mounts["./grafana"] == provider["options"]["path"]
    wanted = yaml.safe_load((compose / "prometheus.yml").read_text(encoding="utf-8"))["rule_files"]
    assert set(wanted) <= {volume.split(":")[1] for volume in services["prometheus"]["volumes"]}


def test_panel_ids_are_unique(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_panel_titles_are_unique(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(titles) == len(set(titles))


def test_panels_lie_within_the_grid_and_on_no_other(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert all(x < GRID_COLUMNS for x, _ in cells), panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_chart_has_a_unit_a_data_source_and_distinct_queries(dashboard: dict[str, Any]) -> None:
    for panel in charts(dashboard):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["description"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(letters) == len(set(letters)), panel["title"]


def test_every_expression_is_promql_about_exported_metrics(dashboard: dict[str, Any]) -> None:
    series = load_series()
    problems = {expr: judge(expr, series) for expr in expressions(dashboard)}
    assert {expr: found for expr, found in problems.items() if found} == {}


def test_every_metric_is_asked_of_the_chosen_job_alone(dashboard: dict[str, Any]) -> None:
    for expr in expressions(dashboard):
        selectors = re.findall(r"\bpagereel[_:][\w:]+(\{(?:[^}\"]|\"[^\"]*\")*\})?", expr)
        assert all('job=~"$job"' in selector for selector in selectors), expr


def test_the_gauges_read_from_the_database_exist() -> None:
    exported = load_exported()
    assert {name for name in DATABASE_GAUGES if name not in exported} == set()


@pytest.mark.parametrize(
    "expr", ["sum(pagereel_recordings)", "nonsense(", 'max(pagereel_recordings{a="b"})', "rate(up)"]
)
def test_the_judge_refuses_what_is_wrong(expr: str) -> None:
    try:
        problems = judge(expr, load_series())
    except ValueError:
        return
    assert problems


def test_a_dashboard_is_styled_and_written_as_the_command_writes_it() -> None:
    """A colour means the same everywhere, and what has no meaning has the colour of its name."""
    for path in DASHBOARDS:
        text = path.read_text(encoding="utf-8")
        assert text == written(style(json.loads(text), load_alerts())), "run: make style-dashboards"


def test_no_series_has_a_colour_by_its_place(dashboard: dict[str, Any]) -> None:
    modes = {panel["fieldConfig"]["defaults"]["color"]["mode"] for panel in charts(dashboard)}
    assert modes <= {"palette-classic-by-name", "thresholds"}


@pytest.mark.parametrize(
    ("name", "color"), [("verified", "green"), ("defective", "red"), ("incomplete", "orange"), ("failed", "dark-red")]
)
def test_a_state_has_its_colour_wherever_it_is_drawn(name: str, color: str) -> None:
    found = set()
    for path in DASHBOARDS:
        for panel in charts(json.loads(path.read_text(encoding="utf-8"))):
            if any(target["legendFormat"] == "{{state}}" for target in panel["targets"]):
                found.add(colour_of(panel, name))
    assert found == {color}


def colour_of(panel: dict[str, Any], name: str) -> str | None:
    """The fixed colour of a series, as Grafana finds it: the last override that fits."""
    color = None
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        pattern = re.escape(matcher["options"]) if matcher["id"] == "byName" else matcher["options"][1:-1]
        if re.fullmatch(pattern.removeprefix("^").removesuffix("$"), name):
            for one in override["properties"]:
                color = one["value"]["fixedColor"] if one["id"] == "color" else color
    return color


def test_percentiles_are_named_as_everywhere(dashboard: dict[str, Any]) -> None:
    for panel in charts(dashboard):
        for target in panel["targets"]:
            assert not re.search(r"half|\d+ %|slowest", target["legendFormat"]), panel["title"]
            quantile = re.match(r"histogram_quantile\(0\.(\d+)", target["expr"])
            if quantile is not None:
                named = f"p{quantile[1]:0<2}"
                assert named in target["legendFormat"] or named in panel["title"], panel["title"]


def test_every_figure_has_thresholds_or_is_plainly_information(dashboard: dict[str, Any]) -> None:
    for panel in charts(dashboard):
        if panel["type"] == "stat":
            colors = [step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
            assert colors == ["blue"] or len(colors) > 1, panel["title"]


def test_the_overview_lists_what_fires_with_the_runbook_of_every_alert() -> None:
    overview = json.loads((ROOT / "deploy/grafana/pagereel-overview.json").read_text(encoding="utf-8"))
    (panel,) = [panel for panel in overview["panels"] if panel["title"] == ALERT_LIST]
    columns = {one["matcher"]["options"]: one["properties"] for one in panel["fieldConfig"]["overrides"]}
    mappings, links = (one["value"] for one in columns["runbook"])
    assert mappings[0]["options"].keys() == {alert["alert"] for alert in load_alerts()}
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w -]", "", line[3:].lower()).strip(" #").replace(" ", "-") for line in page.splitlines()}
    assert {one["text"] for one in mappings[0]["options"].values()} - anchors == set()
    assert links[0]["url"] == "${docs}/operations.html#${__value.text}"
    assert "docs" in {variable["name"] for variable in overview["templating"]["list"]}


def test_events_are_named(dashboard: dict[str, Any]) -> None:
    for panel in charts(dashboard):
        if any("{{type}}" in target["legendFormat"] for target in panel["targets"]):
            named = {
                override["matcher"]["options"]: override["properties"][0]["value"]
                for override in panel["fieldConfig"]["overrides"]
            }
            assert named.keys() == {f"event {number}" for number in EVENTS}
            assert named["event 70"] == "70 web recorder started"


def test_a_new_version_is_marked_on_every_dashboard(dashboard: dict[str, Any]) -> None:
    (mark,) = dashboard["annotations"]["list"]
    assert judge(mark["expr"], load_series()) == []


@pytest.mark.parametrize("label", ["operation", "step", "kind"])
def test_what_is_neither_good_nor_bad_has_a_colour_of_its_own_that_raises_no_alarm(label: str) -> None:
    """By its name alone a harmless series could be drawn red."""
    drawn = 0
    for path in DASHBOARDS:
        for panel in charts(json.loads(path.read_text(encoding="utf-8"))):
            if panel["type"] == "timeseries" and any(
                target["legendFormat"] == f"{{{{{label}}}}}" for target in panel["targets"]
            ):
                drawn += 1
                colors = {colour_of(panel, name) for name in MEANINGS[label]}
                assert not colors & {None, GOOD, LOOK, BAD, WORSE}, panel["title"]
    assert drawn


def test_a_panel_that_is_empty_in_good_times_says_so() -> None:
    for path in DASHBOARDS:
        for panel in charts(json.loads(path.read_text(encoding="utf-8"))):
            if panel["type"] == "timeseries" and any(target["expr"].endswith("> 0") for target in panel["targets"]):
                assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
