"""Many notifications at once: each is kept exactly once, and a recording in the midst of them ends as ever."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from house import CLEAN, House, Living, client, eventually, notice, signed, summary

from emulator.app import close

CONNECTIONS = 50
COPIES = 3
FOREIGN = 1000


@dataclass
class Storm:
    """Copies of notifications waiting to be sent in a random order, and who sends them."""

    dice: random.Random
    waiting: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    own: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, body: bytes, headers: dict[str, str]) -> None:
        self.waiting += [(body, headers)] * COPIES
        self.arrived.set()

    async def catch(self, request: web.Request) -> web.Response:
        """Agora's delivery; from here on it is one of many."""
        body = await request.read()
        self.own.append(body)
        self.add(body, {name: request.headers[name] for name in ("Agora-Signature", "Agora-Signature-V2")})
        return web.json_response({})

    async def send(self, http: aiohttp.ClientSession, url: str) -> None:
        while True:
            while not self.waiting:
                self.arrived.clear()
                await self.arrived.wait()
            place = self.dice.randrange(len(self.waiting))
            self.waiting[place], self.waiting[-1] = self.waiting[-1], self.waiting[place]
            body, headers = self.waiting.pop()
            async with http.post(url, data=body, headers=headers) as response:
                await response.read()
                self.statuses.append(response.status)


@asynccontextmanager
async def _catching(storm: Storm) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/", storm.catch)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await close(runner)


@asynccontextmanager
async def _sending(storm: Storm, house: House) -> AsyncIterator[None]:
    async with client(CONNECTIONS) as http, asyncio.TaskGroup() as group:
        url = f"{house.callbacks}/agora/stormy/notifications"
        senders = [group.create_task(storm.send(http, url)) for _ in range(CONNECTIONS)]
        yield
        for sender in senders:
            sender.cancel()


async def test_notices_in_three_copies_in_any_order_over_50_connections_are_kept_once_and_change_no_end(
    build: Living, database_url: str
) -> None:
    storm = Storm(random.Random(5))
    async with (
        _catching(storm) as url,
        build(database_url=database_url, apps=("main", "stormy"), receivers={"stormy": url}) as house,
        _sending(storm, house),
    ):
        foreign = [notice(number) for number in range(FOREIGN)]
        thirds = [foreign[part::3] for part in range(3)]
        recording, clean = await house.ask(app="stormy"), await house.ask()
        for body in thirds[0]:
            storm.add(body, signed(body))
        await asyncio.gather(house.slices(recording, 2), house.slices(clean, 2))
        for body in thirds[1]:
            storm.add(body, signed(body))
        await asyncio.gather(house.do(recording, "stop"), house.do(clean, "stop"))
        for body in thirds[2]:
            storm.add(body, signed(body))
        shown, undisturbed = await asyncio.gather(house.until(recording, "verified"), house.until(clean, "verified"))

        async def all_answered() -> bool:
            """Whether Agora has nothing left to say, and every copy of what it said has its answer."""
            (task,) = await house.tasks(recording)
            told = task["state"] == "ended" and len(storm.own) == len(task["notices"])
            return told and len(storm.statuses) == (FOREIGN + len(storm.own)) * COPIES

        await eventually(all_answered, 30, lambda: f"{len(storm.own)} of Agora's, {len(storm.statuses)} answers")
        assert set(storm.statuses) == {200}
        kept = await house.rows("SELECT notice_id, count(*) FROM notifications WHERE app = 'stormy' GROUP BY notice_id")
        assert len(kept) == FOREIGN + len(storm.own)
        assert {count for _, count in kept} == {1}

        async def looked_at() -> bool:
            return await house.rows("SELECT count(*) FROM notifications WHERE outcome = 'new'") == [(0,)]

        await eventually(looked_at, 20, "all are understood")
        outcomes = "SELECT outcome, count(*) FROM notifications WHERE app = 'stormy' GROUP BY outcome ORDER BY outcome"
        assert await house.rows(outcomes) == [("applied", len(storm.own)), ("foreign", FOREIGN)]
        assert summary(shown, await house.files(recording)) == CLEAN
        assert summary(undisturbed, await house.files(clean)) == CLEAN
        applied = [entry["kind"] for entry in await house.timeline(recording) if entry["source"] == "notice"]
        assert len([kind for kind in applied if kind == "notice_web_recorder_stopped"]) == 1
