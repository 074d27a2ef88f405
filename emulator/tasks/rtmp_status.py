"""The push of one task to its RTMP target and the reports of its states (agora-reference §5, §8.5).

Opens and closes the stream and sends event 100. The view's push transfers the media.
"""

from __future__ import annotations

from functools import partial

from emulator.engines.interface import Push, PushStatus, View
from emulator.requests.quirks import Quirks
from emulator.tasks.events import Teller
from emulator.tasks.task import Task


class Pushing:
    """The push of one task, at most one at a time."""

    def __init__(self, task: Task, tell: Teller, quirks: Quirks) -> None:
        self._task, self._tell, self._quirks = task, tell, quirks
        self._push: Push | None = None
        self._url: str | None = None
        self._held = False

    async def follow(self, view: View) -> None:
        """Push to the task's current target. The push is on hold while the task is."""
        if self._task.rtmp_url != self._url:
            await self.close()
            self._url = self._task.rtmp_url
            if self._url is not None:
                self._push = view.push(self._url, partial(self._told, self._url))
        held = self._task.onhold and self._quirks.hold_push
        if self._push is not None and held != self._held and self._task.rtmp_status in ("publishing", "onhold"):
            self._held = held
            self._push.hold(held)

    async def close(self) -> None:
        """End the stream without a notice; `follow` can open it again."""
        push, self._push, self._url, self._held = self._push, None, None, False
        if push is not None:
            await push.close()

    async def end(self, *, told: bool) -> None:
        """End the push with the recording. If `told` is true, report `disconnected`."""
        pushed = self._push is not None
        await self.close()
        if pushed and told and self._quirks.disconnected_at_end and self._task.rtmp_status != "disconnected":
            assert self._task.rtmp_url is not None
            self._told(self._task.rtmp_url, "disconnected")

    def _told(self, url: str, status: PushStatus) -> None:
        if url == self._task.rtmp_url:
            self._task.rtmp_status = status
            self._tell.pushed(status)
            self._task.wake.set()
