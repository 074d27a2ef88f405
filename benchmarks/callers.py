"""How long callers wait, in real time: `make bench-callers`.

Two whole houses side by side, each with the emulator at Agora's own pace and the service at its default intervals: in
one every notification arrives, in the other none. In each some recordings are asked for a second apart, recorded for a
minute and stopped. Prints a Markdown table: request to the first proof that it records, and the caller's stop to the
verdict.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, closing
from math import ceil
from pathlib import Path
from typing import Any

from emulator.s3_server import S3Server
from pagereel.logs import configure_logs
from service.settings import Limits, Log, Timing, Worker
from tests.e2e.house import BUCKET, OVER, House, Store, instant, living

APART_SECONDS = 1
RECORD_SECONDS = 60
PATIENCE_SECONDS = 1200
HOUSES: dict[str, dict[str, Any]] = {
    "every notification": {},
    "no notification": {"faults": [{"kind": "notices_drop"}]},
}
KINDS = {
    "request to first proof that it records": "recording",
    "stop to verdict": "verified",
}


async def follow(house: House, number: int) -> dict[str, float]:
    """Seconds of one recording, by kind."""
    await asyncio.sleep(number * APART_SECONDS)
    recording = await house.ask()
    await reached(house, recording, "recording")
    await asyncio.sleep(RECORD_SECONDS)
    stopped_at = time.time()
    await house.do(recording, "stop")
    shown = await reached(house, recording, "verified")
    entered = {
        entry["detail"]["state"]: instant(entry["at"])
        for entry in await house.timeline(recording)
        if entry["kind"] == "state"
    }
    since = {"recording": instant(shown["instants"]["requested_at"]), "verified": stopped_at}
    return {kind: entered[state] - since[state] for kind, state in KINDS.items()}


async def reached(house: House, recording: str, state: str) -> dict[str, Any]:
    """The recording in that state. Asks seldom: when it was is in the timeline."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (shown := await house.shown(recording))["state"] != state:
            assert shown["state"] not in OVER, shown
            await asyncio.sleep(1)
    return shown


async def measure(count: int) -> dict[str, list[dict[str, float]]]:
    """What was found, by house."""
    defaults = {"timing": Timing(), "worker": Worker(), "limits": Limits()}
    settings = {name: section.model_dump(mode="json", exclude_none=True) for name, section in defaults.items()}
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-callers-")))
        store = stack.enter_context(closing(Store(stack.enter_context(S3Server()))))
        store.server.make_bucket(BUCKET)
        houses = {}
        for name, lost in HOUSES.items():
            (root / name).mkdir()
            pace = {"compression": 1, **lost}
            houses[name] = await stack.enter_async_context(living(root / name, store, emulator=pace, settings=settings))
        found = await asyncio.gather(
            *(asyncio.gather(*(follow(house, number) for number in range(count))) for house in houses.values())
        )
    return dict(zip(houses, found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started is ended too
    configure_logs(Log(level="warning"))
    print(f"| seconds, {chosen.count} recordings each | p50 | p95 | longest |")
    print("|---|---|---|---|")
    for house, found in asyncio.run(measure(chosen.count)).items():
        for kind in KINDS:
            times = sorted(one[kind] for one in found)
            cells = [f"{times[ceil(len(times) * share) - 1]:.1f}" for share in (0.5, 0.95, 1)]
            print(f"| {kind}, {house} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
