"""What `metrics` exports, and what a PromQL expression asks for. Shared by the tests of deployment files and docs."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

import metrics

_PROMETHEUS = Path(__file__).parents[3] / "deploy/prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for name in ("recordings", "alerts")
    for group in yaml.safe_load((_PROMETHEUS / f"{name}.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
# Read from the database by every process that works: equal on all of them.
DATABASE_GAUGES = frozenset(
    {
        "pagereel_recordings",
        "pagereel_inbox_depth",
        "pagereel_inbox_oldest_timestamp_seconds",
        "pagereel_worker_overdue",
        "pagereel_pages_not_readable",
        "pagereel_recorders_overrunning",
        "pagereel_recorders_unknown",
        "pagereel_month_cost",
        "pagereel_month_cost_projected",
        "pagereel_deliveries_waiting",
        "pagereel_deliveries_oldest_timestamp_seconds",
        "pagereel_endpoints_failing",
    }
)
PROMETHEUS_OWN = frozenset({"up", "ALERTS"})
SCRAPE_LABELS = frozenset({"job", "instance"})
ALERT_LABELS = frozenset({"alertname", "severity"})
# Recorded series are aggregated by job; what else one keeps, promtool and the live run see.
_RECORDED = frozenset({"job", "cause"})


@dataclass(frozen=True)
class Exported:
    """A metric: its type, and its own labels (`le` left out)."""

    type: str
    labels: frozenset[str]


def load_exported() -> dict[str, Exported]:
    """Every metric by the name it is documented under (a counter's with `_total`)."""
    for module in pkgutil.iter_modules(metrics.__path__):
        importlib.import_module(f"metrics.{module.name}")
    found = {}
    for family in metrics.REGISTRY.collect():
        labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
        ending = "" if family.type == "histogram" else SUFFIXES[family.type][0]
        if family.type == "info":
            labels = frozenset({"version"})
        found[family.name + ending] = Exported(family.type, labels)
    return found


def load_series() -> dict[str, frozenset[str]]:
    """Every series name that can be asked for, with the labels it has."""
    series = {}
    for name, metric in load_exported().items():
        if metric.type == "histogram":
            for suffix in SUFFIXES["histogram"]:
                series[name + suffix] = metric.labels | ({"le"} if suffix == "_bucket" else set())
        else:
            series[name] = metric.labels
    return series | {rule["record"]: _RECORDED for rule in RULES if "record" in rule}


def judge(expr: str, series: dict[str, frozenset[str]]) -> list[str]:
    """What is wrong with an expression, in words; raises ValueError where it is no PromQL."""
    return list(_judge(promql.parse(expr), series, ()))


def _judge(node: promql.Expr, series: dict[str, frozenset[str]], above: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, promql.VectorSelector):
        yield from _judge_selector(node, series, above)
    elif isinstance(node, promql.MatrixSelector):
        yield from _judge(node.vector_selector, series, above)
    elif isinstance(node, promql.AggregateExpr):
        known = frozenset().union(*series.values()) | SCRAPE_LABELS | ALERT_LABELS
        for label in node.modifier.labels if node.modifier is not None else ():
            if label not in known:
                yield f"no metric has the label {label}"
        yield from _judge(node.expr, series, (*above, str(node.op)))
    elif isinstance(node, promql.Call):
        for argument in node.args:
            yield from _judge(argument, series, above)
    elif isinstance(node, promql.BinaryExpr):
        yield from _judge(node.lhs, series, above)
        yield from _judge(node.rhs, series, above)
    elif isinstance(node, promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        yield from _judge(node.expr, series, above)


def _judge_selector(
    node: promql.VectorSelector, series: dict[str, frozenset[str]], above: tuple[str, ...]
) -> Iterator[str]:
    name = node.name or ""
    if name in PROMETHEUS_OWN:
        return
    if name not in series:
        yield f"{name} is not exported"
        return
    for matcher in node.matchers.matchers:
        if matcher.name not in series[name] | SCRAPE_LABELS:
            yield f"{name} has no label {matcher.name}"
    innermost = above[-1].lower() if above else "none"
    if name in DATABASE_GAUGES and "max" not in innermost and innermost != "none":
        yield f"{name} is equal on every process and needs max, not {innermost}"
