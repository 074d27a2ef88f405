"""Gives every panel of `deploy/grafana` the colours and names of its series: `make style-dashboards`.

A colour means the same on every dashboard: green is good, orange wants a look, red is bad. What is neither has the
colour of its name, so that it is the same on every panel. A test fails where a dashboard was not styled.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from service.lifecycle.rules.notifications import EVENTS

Json = dict[str, Any]

ROOT: Final = Path(__file__).parents[1]
DASHBOARDS: Final = ROOT / "deploy/grafana"
ALERTS: Final = ROOT / "deploy/prometheus/alerts.yml"
ALERT_LIST: Final = "Firing alerts"

GOOD, LOOK, BAD, WORSE, CALM, BUSY, GONE = "green", "orange", "red", "dark-red", "blue", "yellow", "text"
MEANINGS: Final[dict[str, dict[str, str]]] = {
    "state": {
        **{"requested": "light-blue", "starting": "super-light-blue", "recording": CALM, "stopping": BUSY},
        **{"uploading": "purple", "verifying": "light-purple", "incomplete": LOOK, "verified": GOOD},
        **{
            "defective": BAD,
            "unproven": "dark-purple",
            "failed": WORSE,
            "cancelled": GONE,
            "pending": CALM,
            "dead": BAD,
        },
    },
    "verdict": {"verified": GOOD, "incomplete": LOOK, "defective": BAD, "unreachable": "dark-purple"},
    "severity": {"error": BAD, "warning": LOOK, "info": CALM},
    "outcome": {
        **{"ok": GOOD, "accepted": GOOD, "delivered": GOOD, "missing": CALM, "duplicate": CALM, "skipped": GONE},
        **{"foreign": GONE, "test": GONE, "unmatched": LOOK, "rate_limited": LOOK, "failing": LOOK, "broken": BAD},
        **{"unavailable": LOOK, "capacity": LOOK, "unknown": "purple", "gone": BAD, "refused": BAD, "rejected": BAD},
        **{"unauthorized": WORSE, "dead": WORSE},
    },
    "status": {"2..": GOOD, "3..": CALM, "4..": LOOK, "5..": BAD},
    "resolution": {"hd": CALM, "full_hd": "purple"},
    # Neither good nor bad, so none of these is green, orange or red.
    "operation": {
        **{"acquire": "light-blue", "start": CALM, "query": "purple", "update": "light-purple", "stop": BUSY},
        **{"get": CALM, "list": "purple", "head": "light-blue", "put": BUSY, "ncs_ips": GONE},
    },
    "step": {
        **{"acquire": "light-blue", "start": CALM, "query": "purple", "stop": BUSY, "look": "super-light-blue"},
        **{
            "verify": "dark-blue",
            "update_onhold": "light-purple",
            "update_rtmp": "light-yellow",
            "update_storage": GONE,
        },
    },
    "cause": {
        **{"end_unannounced": CALM, "files_late": "light-blue", "recorder_alive": BAD, "start_unanswered": "purple"},
        **{"stop_ignored": LOOK},
    },
    "class": {
        **{"late_start": CALM, "ended_early": LOOK, "gap": BAD, "damaged": WORSE, "failover": "purple"},
        **{"restart": "light-purple"},
    },
    "kind": {"slice": CALM, "playlist": "light-blue", "mp4": "purple"},
}
"""What the values of a label mean, as colours. Values of `status` are patterns."""

PERCENTILES: Final = {"p10": "purple", "p50": CALM, "p95": LOOK, "p99": BAD}
SERIES: Final = {
    **{"verified": GOOD, "covered": CALM, "lost": BAD, "duplicate": CALM, "overdue": LOOK, "running": CALM},
    **{"requested": GONE, "no database": BAD, "endpoints failing": BAD, "missed": BAD, "restarts": LOOK},
    **{"5 min": BAD, "1 h": LOOK, "6 h": CALM, "missing": LOOK, "out of order": CALM, "other host": LOOK},
    **{
        "beyond the wanted end": BAD,
        "rejected a second": BAD,
        "answered 503 a second": BAD,
        "tasks": BAD,
        "not readable": BAD,
    },
    **{"endpoint, p95": "purple", "delay, p95 (right)": LOOK},
}
"""Series whose legend is fixed."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def style(dashboard: Json, alerts: list[Json]) -> Json:
    """The dashboard with the colours and names that its series have everywhere."""
    return {**dashboard, "panels": [_styled(panel, alerts) for panel in dashboard["panels"]]}


def _styled(panel: Json, alerts: list[Json]) -> Json:
    if panel["title"] == ALERT_LIST:
        return _with(panel, overrides=_alert_columns(alerts))
    if panel["type"] != "timeseries":
        return panel
    overrides: dict[str, Json] = {}
    for target in panel["targets"]:
        for override in _overrides(target["legendFormat"]):
            overrides.setdefault(override["matcher"]["options"], override)
    return _with(panel, overrides=list(overrides.values()), color={"mode": "palette-classic-by-name"})


def _with(panel: Json, *, overrides: list[Json], color: Json | None = None) -> Json:
    config = panel["fieldConfig"]
    defaults = config["defaults"] if color is None else {**config["defaults"], "color": color}
    return {**panel, "fieldConfig": {"defaults": defaults, "overrides": overrides}}


def _overrides(legend: str) -> Iterator[Json]:
    """What is said of the series that a legend names."""
    if "event {{type}}" in legend:
        for number, name in EVENTS.items():
            yield _override(f"event {number}", shown=f"{number} {name.replace('_', ' ')}")
    if not _PLACE.search(legend):
        meant = (color for word, color in PERCENTILES.items() if word in legend.split(", "))
        fixed = SERIES.get(legend) or next(meant, None)
        if fixed is not None:
            yield _override(legend, color=fixed)
        return
    for label in _PLACE.findall(legend):
        colors: dict[str, list[str]] = {}
        for value, color in MEANINGS.get(label, {}).items():
            colors.setdefault(color, []).append(value)
        for color, values in colors.items():
            name = legend.replace(f"{{{{{label}}}}}", f"({'|'.join(values)})")
            yield _override("/^" + _PLACE.sub(".*", name) + "$/", color=color)


def _override(name: str, *, color: str | None = None, shown: str | None = None) -> Json:
    """One override, for the series of that name, or with such a name where it is a pattern between slashes."""
    properties: list[Json] = []
    if shown is not None:
        properties.append({"id": "displayName", "value": shown})
    if color is not None:
        properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": color}})
    if "(right)" in name:
        properties += [{"id": "custom.axisPlacement", "value": "right"}, {"id": "unit", "value": "s"}]
    if "expected" in name:
        properties.append({"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}})
    matcher = "byRegexp" if name.startswith("/") else "byName"
    return {"matcher": {"id": matcher, "options": name}, "properties": properties}


def _alert_columns(alerts: list[Json]) -> list[Json]:
    """Severity in colour, and the runbook of each alert as a link into the documents."""
    anchors = {
        alert["alert"]: {"text": alert["annotations"]["runbook_url"].partition("#")[2], "index": number}
        for number, alert in enumerate(alerts)
    }
    severities = {"page": {"color": BAD, "index": 0}, "ticket": {"color": LOOK, "index": 1}}
    link = {"title": "Runbook", "url": "${docs}/operations.html#${__value.text}", "targetBlank": True}
    return [
        {
            "matcher": {"id": "byName", "options": "severity"},
            "properties": [
                {"id": "mappings", "value": [{"type": "value", "options": severities}]},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ],
        },
        {
            "matcher": {"id": "byName", "options": "runbook"},
            "properties": [
                {"id": "mappings", "value": [{"type": "value", "options": anchors}]},
                {"id": "links", "value": [link]},
            ],
        },
    ]


def load_alerts() -> list[Json]:
    """All alerts of the rules."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def written(dashboard: Json) -> str:
    """The dashboard as its file holds it."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    alerts = load_alerts()
    for path in sorted(DASHBOARDS.glob("*.json")):
        path.write_text(written(style(json.loads(path.read_text(encoding="utf-8")), alerts)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
