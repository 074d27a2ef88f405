"""Three services as they are often built, for comparison. Each drives tasks of its own in the same world, under the
same weather, and says at the end whether a recording is complete.

They are not made of straw: each does what the samples do that it stands for, and repeats a call that failed.
"""

from collections.abc import Callable
from typing import Any

import orjson

from tests.simulation.agora import Task
from tests.simulation.lessons import Lesson
from tests.simulation.world import World

DAY = 86400.0
POLL_SECONDS = 30.0
REPEATS = (5.0, 10.0, 15.0)  # as Agora advises for a 404 (agora-reference §10.3)


class Baseline:
    """`complete` is its verdict: True, False, or None where it never came to one."""

    name = ""

    def __init__(self, world: World, lesson: Lesson) -> None:
        self._world = world
        self._loop = world.loop
        self._lesson = lesson
        self.cname = f"{self.name.replace(' ', '-')}-{lesson.number}"
        self.complete: bool | None = None
        self.stopped: tuple[float, float] | None = None
        self.asked = (0.0, 0.0)
        self._resource = self._sid = ""

    async def run(self) -> None:
        await self._loop.pause(self._lesson.asks_at)
        since = self._loop.time()
        self._resource = (await self._call("acquire", {}))[1]["resourceId"]
        self._sid = (await self._call(f"resourceid/{self._resource}/mode/web/start", _ORDER))[1]["sid"]
        self.asked = since, self._loop.time()
        await self._follow()

    async def _follow(self) -> None:
        raise NotImplementedError

    def notice(self, said: dict[str, Any]) -> None:
        """A notification came."""

    async def _stop(self) -> tuple[int, dict[str, Any]] | None:
        """One stop; None where no answer came."""
        if self.stopped is None:
            self.stopped = self._loop.time(), self._loop.time() + 1
        if self._world.random.random() < self._world.weather.stop_muted:
            await self._task("stop", {"async_stop": False})
            await self._loop.pause(15)
            return None
        return await self._task("stop", {"async_stop": False})

    async def _task(self, verb: str, request: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        return await self._call(f"resourceid/{self._resource}/sid/{self._sid}/mode/web/{verb}", request)

    async def _call(self, path: str, request: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        await self._loop.pause(self._world.random.uniform(0.05, 0.4))
        body = {"cname": self.cname, "uid": "7", "clientRequest": request}
        said = None if request is None else orjson.dumps(body)
        return self._world.agora.call(f"api.agora.io/v1/apps/app1/cloud_recording/{path}", said)

    @property
    def task(self) -> Task:
        return self._world.agora.by_cname[self.cname][0]


class CallbacksOnly(Baseline):
    """Complete when event 31 or 32 has come; not, where event 71 tells of a failure, or 24 h after the stop."""

    name = "callbacks only"

    async def _follow(self) -> None:
        await self._loop.pause(self._lesson.length)
        for wait in (0, *REPEATS):
            await self._loop.pause(wait)
            answer = await self._stop()
            if answer is not None and answer[0] < 300:
                break
        await self._loop.pause(DAY)
        if self.complete is None:
            self.complete = False

    def notice(self, said: dict[str, Any]) -> None:
        event, details = said["eventType"], said["payload"]["details"]
        if event == 71 and details["code"] != 0:
            self.complete = False
        elif event in (31, 32) and self.complete is None:
            self.complete = True


class StopAnswerOnly(Baseline):
    """Complete when the synchronous stop says that all is uploaded."""

    name = "stop answer only"

    async def _follow(self) -> None:
        await self._loop.pause(self._lesson.length)
        for wait in (0, *REPEATS):
            await self._loop.pause(wait)
            answer = await self._stop()
            if answer is not None and answer[0] == 200:
                await self._loop.pause(max(0.0, min(20.0, self.task.settled_at() - self._loop.time())))
                self.complete = True  # uploadingStatus: uploaded, or backuped
                return
        self.complete = False


class PollOnly(Baseline):
    """Asks every 30 s. Over when four answers in a row are 404; complete when it recorded until it was stopped."""

    name = "poll only"

    async def _follow(self) -> None:
        recorded, until = False, self._loop.time() + self._lesson.length
        missing = 0
        while missing <= len(REPEATS):
            await self._loop.pause(REPEATS[missing - 1] if missing else min(POLL_SECONDS, self._left(until)))
            if self.stopped is None and self._loop.time() >= until:
                await self._stop()
            status, said = await self._task("query")
            missing = missing + 1 if status == 404 else 0
            recorded = recorded or (status == 200 and said["serverResponse"]["status"] in (4, 5))
        self.complete = recorded and self.stopped is not None
        while self.stopped is None:  # it takes the recorder for dead, and the caller still ends the lesson
            await self._loop.pause(self._left(until))
            await self._stop()

    def _left(self, until: float) -> float:
        return max(0.5, until - self._loop.time()) if self.stopped is None else POLL_SECONDS


BASELINES: tuple[Callable[[World, Lesson], Baseline], ...] = (CallbacksOnly, StopAnswerOnly, PollOnly)
_ORDER: dict[str, Any] = {
    "extensionServiceConfig": {"extensionServices": [{"serviceParam": {"maxRecordingHour": 1, "onhold": False}}]},
    "recordingFileConfig": {"avFileType": ["hls"]},
    "storageConfig": {"fileNamePrefix": ["baseline"]},
}
