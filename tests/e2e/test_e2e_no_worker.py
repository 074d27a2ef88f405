"""Where no worker runs, the listeners still say what waits for one."""

import json
from importlib.metadata import version
from pathlib import Path

from house import Forge, Store, eventually, killable


async def test_a_process_without_a_worker_shows_what_is_overdue(forge: Forge, tmp_path: Path, store: Store) -> None:
    """With gauges of 0 the alert `PagereelStepsStand` could not fire when it is needed most."""
    database = f"sqlite:///{tmp_path}/pagereel.db"
    async with killable(forge, tmp_path, store, database, {"worker": {"enabled": False}}) as (house, service):
        await house.ask()

        async def shown() -> bool:
            found = await house.metrics()
            return found["pagereel_worker_overdue"] == found['pagereel_recordings{state="requested"}'] == 1

        await eventually(shown, deadline=60)
        assert (await house.metrics())["pagereel_worker_concurrency"] == 0
    started = [json.loads(line) for line in service.log.read_text().splitlines() if '"started"' in line]
    assert [(line["event"], line["version"], line["worker"]) for line in started] == [
        ("started", version("pagereel"), False)
    ]
