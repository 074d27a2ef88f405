"""A real Prometheus beside the house, and everything that is to be asked of it: the panels of the dashboards and the
rules, with their windows of minutes made seconds, since the emulator's minutes are seconds too."""

import asyncio
import json
import math
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import promql_parser as promql
import yaml

from tests.e2e.house import eventually
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus"
DASHBOARDS = ROOT / "deploy/grafana"
# So many seconds are one: five minutes are fifteen seconds, in which a scrape a second has enough to say.
FASTER = 20
# Grafana puts these in before Prometheus sees them.
_GRAFANA = {"$__rate_interval": "10s", "$job": ".*"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: pagereel
    static_configs: [{{targets: ["{target}"]}}]
"""
# Comparisons decide whether there is something to say; what they compare is what must be there.
_COMPARISONS = {">", "<", ">=", "<=", "==", "!="}


@dataclass(frozen=True)
class Query:
    """What one panel or rule asks; `place` says which."""

    place: str
    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Series:
    """One line of an answer; what is no number is left out."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """A running one."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def ask(self, path: str, **params: str) -> Any:
        async with self._http.get(f"{self._url}/api/v1/{path}", params=params) as response:
            answer = await response.json()
        assert answer["status"] == "success", f"{params}: {answer}"
        return answer["data"]

    async def over(self, expr: str, from_at: float, to_at: float, step: float = 1) -> list[Series]:
        """What an expression said during a time."""
        found = await self.ask("query_range", query=expr, start=f"{from_at}", end=f"{to_at}", step=f"{step}")
        lines = [
            Series(line["metric"], [(at, float(value)) for at, value in line["values"] if math.isfinite(float(value))])
            for line in found["result"]
        ]
        return [line for line in lines if line.points]

    async def fired(self, from_at: float, to_at: float) -> set[str]:
        """The names of the alerts that fired at some time."""
        found = await self.over('ALERTS{alertstate="firing"}', from_at, to_at)
        return {one.labels["alertname"] for one in found}


@asynccontextmanager
async def watching(root: Path, target: str) -> AsyncIterator[Prometheus]:
    """Prometheus, scraping `target` (a URL) once a second and judging the quickened rules."""
    place = root / "prometheus"
    place.mkdir()
    (place / "prometheus.yml").write_text(_CONFIG.format(target=target.removeprefix("http://")))
    (place / "rules.yml").write_text(quickened_rules())
    address = f"127.0.0.1:{free_port()}"
    words = [
        f"--config.file={place}/prometheus.yml",
        f"--storage.tsdb.path={place}/data",
        f"--web.listen-address={address}",
    ]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:

            async def ready() -> bool:
                assert process.poll() is None, (place / "log").read_text()
                try:
                    async with http.get(f"http://{address}/-/ready") as response:
                        return response.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(ready, 60, "Prometheus is ready", 0.2)
            prometheus = Prometheus(f"http://{address}", http)

            async def scraped() -> bool:
                found = await prometheus.ask("query", query="up == 1")
                return bool(found["result"])

            # It looks at its targets some seconds after it is ready; what rose before has no rate.
            await eventually(scraped, 60, "the first scrape", 0.2)
            yield prometheus
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 30)


def quickened_rules() -> str:
    """All rules in one file, with their windows and waits quickened; alerts after what they are made of."""
    groups = []
    for name in ("recordings", "alerts"):
        for group in yaml.safe_load((RULES / f"{name}.yml").read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                rule["expr"] = quickened(rule["expr"])
                if "for" in rule:
                    rule["for"] = _quick(rule["for"])
            groups.append(group)
    return yaml.safe_dump({"groups": groups})


def quickened(expr: str) -> str:
    """The expression with its windows made shorter."""
    return re.sub(r"\[(\w+)(:?)\]", lambda found: f"[{_quick(found[1])}{found[2]}]", expr)


def _quick(length: str) -> str:
    return f"{max(round(int(length[:-1]) * _UNITS[length[-1]] / FASTER), 2)}s"


def load_panels() -> Iterator[tuple[str, dict[str, Any], list[Query]]]:
    """Every panel: its dashboard, what its file says of it, and its queries as Prometheus is to be asked."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            place = f"{path.stem}: {panel['title']}"
            targets = panel.get("targets", ())
            yield path.stem, panel, [Query(place, _asked(one["expr"]), one["legendFormat"]) for one in targets]


def rule_queries() -> Iterator[Query]:
    """What every rule looks at, whether it has something to say or not."""
    for group in yaml.safe_load(quickened_rules())["groups"]:
        for rule in group["rules"]:
            for expr in _compared(promql.parse(rule["expr"])):
                yield Query(rule.get("alert") or rule["record"], expr)


def _asked(expr: str) -> str:
    for word, value in _GRAFANA.items():
        expr = expr.replace(word, value)
    return expr


def _compared(node: promql.Expr) -> Iterator[str]:
    """The sides that an expression compares or joins, without the comparison; all of it where there is none."""
    if isinstance(node, promql.ParenExpr):
        yield from _compared(node.expr)
    elif isinstance(node, promql.BinaryExpr) and str(node.op) in _COMPARISONS:
        yield from _compared(node.lhs)
    elif isinstance(node, promql.BinaryExpr) and str(node.op) in ("and", "or", "unless"):
        yield from _compared(node.lhs)
        yield from _compared(node.rhs)
    else:
        yield _without_filters(node.prettify())


def _without_filters(expr: str) -> str:
    """`time() - max(x > 0)` looks at x, which is there though it is 0."""
    return re.sub(r"\s*>\s*0\b", "", expr)
