"""A real Prometheus scrapes the running service while faults run: every panel and every rule gets an answer, the alerts
are quiet while all is well, and fire on their fault."""

import shutil
import time
from pathlib import Path

import pytest
from house import Living, Store, eventually, settings_values

from tests.e2e.exercises import EMULATOR, calm, settings, trouble, unreadable
from tests.e2e.prometheus import Prometheus, Query, load_panels, rule_queries, watching
from tests.e2e.receiver import receiving

# Faults of the exercise that must wake somebody, of one kind each: the keys, the senders, the recordings themselves.
MUST_FIRE = {
    "PagereelAgoraRefusesKeys",
    "PagereelNotificationsRejected",
    "PagereelRecordingNotProven",
    "PagereelStartsFail",
    "PagereelBucketRefuses",
}


@pytest.fixture(autouse=True)
def _needs_prometheus() -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is missing (Debian package prometheus)")


async def unanswered(prometheus: Prometheus, queries: list[Query], since: float) -> list[str]:
    """Which queries had no number to give at any time since then."""
    return [
        f"{query.place}: {query.expr}" for query in queries if not await prometheus.over(query.expr, since, time.time())
    ]


@pytest.mark.proof
@pytest.mark.timeout(300)
async def test_every_panel_and_rule_has_an_answer_and_alerts_fire_on_their_fault_alone(
    tmp_path: Path, build: Living, store: Store
) -> None:
    archive = settings_values(tmp_path, store.server, "", 0, "", ())["storage"]["archive"]
    async with (
        receiving() as crm,
        build(settings=settings(crm.url, unreadable(archive)), emulator=EMULATOR) as house,
        watching(tmp_path, house.api) as prometheus,
    ):
        began = time.time()
        house.every = 0.3
        await calm(house)
        assert await prometheus.fired(began, time.time()) == set()
        await trouble(house)

        quiet: set[str] = set()

        async def all_fired() -> bool:
            quiet.clear()
            quiet.update(MUST_FIRE - await prometheus.fired(began, time.time()))
            return not quiet

        await eventually(all_fired, 120, lambda: f"{sorted(quiet)} fire", 1)
        asked = [*rule_queries(), *(query for _, _, queries in load_panels() for query in queries)]
        missing: list[str] = []

        async def answered() -> bool:
            missing[:] = await unanswered(prometheus, asked, began)
            return not missing

        await eventually(answered, 40, lambda: "no answer: " + "\n".join(missing), 2)
        assert len(asked) > 100
