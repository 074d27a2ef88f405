"""What Agora decides on each call: which resource ids and tasks exist, and what may be done to them (reference 2 to 6).

For: the five calls, given valid requests. It must not know HTTP headers, credentials or faults on the wire.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.life import Life, World, notify
from emulator.names import make_resource_id
from emulator.requests import Acquire, Identity, Start, Stop, Update
from emulator.settings import App
from emulator.tasks import Task, render_query, render_stop

# Real seconds a synchronous stop waits for the upload; uploads are not compressed.
SYNC_STOP_SECONDS = 20.0


class Failure(Exception):
    """An answer that is not a success: HTTP status, Agora's code and reason."""

    def __init__(self, status: int, code: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason = status, code, reason


@dataclass(slots=True)
class Resource:
    """A resource id and what it was made for."""

    app_id: str
    who: Identity
    start_parameter: Mapping[str, Any] | None
    control_hours: float
    expires_at: float
    task: Task | None = None


class Agora:
    """All apps' resources and tasks. Ended tasks are kept: the control API shows them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tasks: dict[str, Task] = {}
        self._resources: dict[str, Resource] = {}

    def acquire(self, app: App, request: Acquire) -> dict[str, Any]:
        """A resource id that lives five minutes and serves one start."""
        now = self.world.clock.now()
        running = sum(task.running for task in self.tasks.values() if task.app.app_id == app.app_id)
        if running >= self.world.settings.max_tasks:
            raise Failure(400, 406, "vendor_over_load")
        rid = make_resource_id()
        expires_at = now + self.world.clock.shrink(self.world.settings.times.resource)
        self._resources[rid] = Resource(
            app.app_id, request.who, request.start_parameter, request.expired_hours, expires_at
        )
        if not self.world.settings.quirks.acquire_echo:
            return {"resourceId": rid}
        return {"cname": request.who.cname, "uid": request.who.uid, "resourceId": rid}

    def start(self, app: App, rid: str, request: Start) -> dict[str, Any]:
        """Begin a task; that its page can be reached is not looked at (reference 3.6)."""
        now = self.world.clock.now()
        resource = self._resources.get(rid)
        if resource is None:
            raise Failure(400, 1001, "resourceId cannot be decoded")
        if resource.app_id != app.app_id or resource.who != request.who:
            raise Failure(400, 432, "app id, cname or uid do not match the resourceId")
        if resource.task is not None:
            if resource.task.alive:
                raise Failure(201, 7, "already started")
            raise Failure(400, 433, "resourceId was used")
        if now > resource.expires_at:
            raise Failure(400, 433, "resourceId expired")
        if resource.start_parameter is not None and resource.start_parameter != request.raw:
            raise Failure(400, 2, "clientRequest: differs from startParameter of acquire")
        if any(self._conflicts(task, app, request.who) for task in self.tasks.values()):
            raise Failure(400, 53, "task conflict")
        resource.task = self._make_task(app, rid, resource, request, now)
        self.tasks[resource.task.sid] = resource.task
        self.world.group.spawn(Life(self.world, resource.task).run(), f"task-{resource.task.sid[:8]}")
        return _ids(resource.task)

    def query(self, app: App, rid: str, sid: str) -> dict[str, Any]:
        """The state of a live task."""
        task = self._live(app, rid, sid)
        body = render_query(task, self.world.settings.quirks, self.world.clock.now())
        return {**_ids(task), "serverResponse": body}

    def update(self, app: App, rid: str, sid: str, request: Update) -> dict[str, Any]:
        """Note new wishes; the task follows at once."""
        task = self._live(app, rid, sid)
        _check_identity(task, request.who)
        if not task.running or task.stop_asked_at is not None:
            raise Failure(404, 404, "failed to find worker")
        if request.onhold is not None:
            task.onhold = request.onhold
        if request.storage is not None:
            task.storage = request.storage
        if request.rtmp_url is not None:
            self._push_to(task, request.rtmp_url)
        task.wake.set()
        return _ids(task)

    async def stop(self, app: App, rid: str, sid: str, request: Stop) -> dict[str, Any]:
        """Ask the task to stop; unless asynchronous, wait for its files."""
        task = self._live(app, rid, sid)
        _check_identity(task, request.who)
        if task.stop_asked_at is not None or not task.running:
            raise Failure(400, 49, "invalid operation")
        nothing_yet = task.recording_at is None
        task.stop_asked_at = self.world.clock.now()
        task.wake.set()
        if nothing_yet:
            raise Failure(206, 435, "no recorded data")
        if request.asynchronous:
            return _ids(task)
        try:
            async with asyncio.timeout(SYNC_STOP_SECONDS):
                await task.uploaded.wait()
        except TimeoutError:
            raise Failure(206, 50, "upload timeout") from None
        if task.slices_made == 0:
            raise Failure(206, 435, "no recorded data")
        return {**_ids(task), "serverResponse": render_stop(task, self.world.settings.quirks)}

    def wake_all(self) -> None:
        """Make every task look again at what may have changed."""
        for task in self.tasks.values():
            task.wake.set()

    def _live(self, app: App, rid: str, sid: str) -> Task:
        """The task of an app's resource id and sid, if it can be controlled now."""
        now = self.world.clock.now()
        task = self.tasks.get(sid)
        if task is None or task.app.app_id != app.app_id or task.resource_id != rid or not task.alive:
            raise Failure(404, 404, "failed to find worker")
        if now < task.absent_until:
            raise Failure(404, 404, "failed to find worker")
        if now >= task.control_ends_at:
            raise Failure(400, 433, "resourceId expired")
        return task

    def _conflicts(self, task: Task, app: App, who: Identity) -> bool:
        return task.running and task.app.app_id == app.app_id and task.start.who == who

    def _make_task(self, app: App, rid: str, resource: Resource, request: Start, now: float) -> Task:
        shrink, times = self.world.clock.shrink, self.world.settings.times
        return Task(
            app=app,
            start=request,
            resource_id=rid,
            sid=uuid.uuid4().hex,
            started_at=now,
            storage=request.storage,
            rtmp_url=request.rtmp_url,
            onhold=request.page.onhold,
            uid=request.who.uid,
            starts_at=now + shrink(times.start),
            control_ends_at=now + shrink(resource.control_hours * times.hour),
        )

    def _push_to(self, task: Task, url: str) -> None:
        """Another push target; the push itself is only told of, in this version nothing is sent."""
        task.rtmp_url = url
        for status in ("connecting", "publishing"):
            task.rtmp_status = status
            notify(self.world, task, 100, {"rtmpUrl": url, "status": status})


def _ids(task: Task) -> dict[str, Any]:
    return {"cname": task.cname, "uid": task.start.who.uid, "resourceId": task.resource_id, "sid": task.sid}


def _check_identity(task: Task, who: Identity) -> None:
    if task.start.who != who:
        raise Failure(400, 432, "cname or uid do not match the resourceId")
