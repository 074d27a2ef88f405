"""Draws every dashboard from a real Prometheus that watches the house in calm and in trouble: `make draw-dashboards`.

No Grafana is needed: the queries are those of `deploy/grafana`, the pictures are plain HTML with SVG, one page for each
dashboard. Says which panels had nothing to show, and ends with 1 if there are any.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

from benchmarks.charts import Line, draw_page
from emulator.s3_server import S3Server
from pagereel.logs import configure_logs
from service.settings import Log
from tests.e2e.exercises import EMULATOR, calm, settings, trouble, unreadable
from tests.e2e.house import BUCKET, Store, living, settings_values
from tests.e2e.prometheus import DASHBOARDS, Prometheus, Query, Series, load_panels, watching
from tests.e2e.receiver import receiving


async def watch(rest_seconds: float) -> dict[str, list[tuple[dict[str, Any], list[Line]]]]:
    """Every panel of every dashboard with its lines, after a calm time, a time of trouble and a rest."""
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashboards-")))
        store = stack.enter_context(closing(Store(stack.enter_context(S3Server()))))
        store.server.make_bucket(BUCKET)
        crm = await stack.enter_async_context(receiving())
        archive = settings_values(root, store.server, "", 0, "", ())["storage"]["archive"]
        house = await stack.enter_async_context(
            living(root, store, settings=settings(crm.url, unreadable(archive)), emulator=EMULATOR)
        )
        prometheus = await stack.enter_async_context(watching(root, house.api))
        began = time.time()
        house.every = 0.3
        await calm(house)
        await trouble(house)
        await calm(house)
        await asyncio.sleep(rest_seconds)
        return await _ask(prometheus, began, time.time())


async def _ask(
    prometheus: Prometheus, from_at: float, to_at: float
) -> dict[str, list[tuple[dict[str, Any], list[Line]]]]:
    found = defaultdict(list)
    for dashboard, panel, queries in load_panels():
        lines = []
        for query in queries:
            series = await prometheus.over(query.expr, from_at, to_at)
            lines += [Line(_named(query, one), one.points) for one in series]
        found[dashboard].append((panel, lines))
    return found


def _named(query: Query, series: Series) -> str:
    """The legend as Grafana fills it in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda word: series.labels.get(word[1], ""), query.legend)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("build/dashboards"), help="folder of the pages")
    parser.add_argument("--rest", type=float, default=15, help="seconds to watch on after the troubles")
    given = parser.parse_args()
    configure_logs(Log(level="error"))
    drawn = asyncio.run(watch(given.rest))
    given.into.mkdir(parents=True, exist_ok=True)
    empty = []
    for name, panels in drawn.items():
        (given.into / f"{name}.html").write_text(draw_page(name, panels), encoding="utf-8")
        empty += [f"{name}: {panel['title']}" for panel, lines in panels if panel.get("targets") and not lines]
    print(
        f"{sum(map(len, drawn.values()))} panels of {len(list(DASHBOARDS.glob('*.json')))} dashboards in {given.into}"
    )
    for place in empty:
        print(f"nothing to show: {place}")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
