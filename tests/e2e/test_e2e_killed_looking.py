"""`kill -9` in the middle of a look at the bucket: the look is taken again, and nothing is told or filed twice."""

import asyncio
from collections import Counter
from pathlib import Path

from aiohttp import web
from house import CLEAN, Forge, Store, eventually, killable, prefix_of, summary

from tests.store_proxy import StoreProxy


class Held:
    """Lets the first sample of a slice through, with which the decoder runs, and holds the others. A sample is the
    second read that begins where the slice does."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.holding = asyncio.Event()
        self.free = asyncio.Event()

    async def __call__(self, request: web.Request, body: bytes) -> web.StreamResponse | None:
        begins = request.headers.get("Range", "").startswith("bytes=0-")
        if request.path.endswith(".ts") and request.method == "GET" and begins and not self.free.is_set():
            self.begun[request.path] += 1
            if self.begun[request.path] > 1 and sum(count > 1 for count in self.begun.values()) > 1:
                self.holding.set()
                await self.free.wait()
        return None


def decoders(parent: int) -> list[Path]:
    """The processes that decode for a process."""
    children = [
        child for task in Path(f"/proc/{parent}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [Path("/proc") / child for child in children if decodes(Path("/proc") / child)]


def decodes(process: Path) -> bool:
    try:
        return b"service.decoder" in (process / "cmdline").read_bytes()
    except OSError:
        return False


async def test_a_look_that_is_killed_is_taken_again_and_files_and_tells_once(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    held = Held()
    async with StoreProxy(store.server.endpoint) as proxy:
        settings = {
            "storage": {"archive": {"endpoint": proxy.endpoint, "level": "content"}},
            "timing": {"watch_seconds": 60},  # no look while it records: the first is the one that is killed
        }
        database = f"sqlite:///{tmp_path}/pagereel.db"
        async with killable(forge, tmp_path, store, database, settings) as (house, service):
            recording = await house.start()
            await house.slices(recording, 4)
            proxy.fault = held
            await house.do(recording, "stop")
            await asyncio.wait_for(held.holding.wait(), 60)
            assert (await house.shown(recording))["state"] == "verifying"
            running = await eventually(lambda: decoders(service.pid), 20, "a decoder runs")
            before = await house.rows(f"SELECT number FROM reports WHERE recording_id = '{recording}'")
            await service.kill()
            await eventually(lambda: not any(map(decodes, running)), 20, "the decoders are gone too")
            held.free.set()
            await service.serve()
            shown = await house.until(recording, "verified", deadline=60)
            assert summary(shown, await house.files(recording)) == CLEAN | {"level": "content"}
            after = await house.rows(f"SELECT number FROM reports WHERE recording_id = '{recording}' ORDER BY number")
            assert [number for (number,) in after] == list(range(1, len(before) + 2)), "one report for both looks"
            told = (await house.call("GET", "/v1/events", params={"limit": "200"}, expect=200)).body["items"]
            assert [one["type"] for one in told].count("recording.verified") == 1
            there = {key for key in await house.store.keys(prefix_of(recording)) if not key.endswith("probe")}
            assert there == {one["key"] for one in await house.files(recording)}
