"""Agora's decision on each call: which resource ids and tasks exist and what they allow (agora-reference §2 to §6).

Handles the five calls, given valid requests. It does not handle HTTP headers, credentials or network faults.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from emulator.media.file_names import make_resource_id
from emulator.recorders.task_lifecycle import Life
from emulator.requests.error_codes import failure
from emulator.requests.extension_config import Page
from emulator.requests.parse import Acquire, Identity, Start, Stop, Update
from emulator.requests.storage_config import Storage
from emulator.requests.stream_limits import Area, has_room, size_of
from emulator.settings import App
from emulator.tasks.context import World
from emulator.tasks.events import Teller
from emulator.tasks.responses import render_ids, render_query, render_stop
from emulator.tasks.task import Task


@dataclass(slots=True)
class Resource:
    """A resource id, the request that acquired it and the task that uses it."""

    app_id: str
    acquired: Acquire
    expires_at: float
    task: Task | None = None


class Agora:
    """The resources and tasks of all apps. The most recently ended tasks are kept for the control API."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._quirks = world.settings.quirks
        self.tasks: dict[str, Task] = {}
        self._resources: dict[str, Resource] = {}

    def acquire(self, app: App, request: Acquire) -> dict[str, Any]:
        """Return a resource id that is valid for five minutes and for one start."""
        now = self.world.clock.now()
        if len(self._of(app)) >= self.world.settings.max_tasks or self._full():
            raise failure("acquire", 406)
        if request.start is not None:
            self._check_token("acquire", request.start.storage, now)
            if self._crowded(app, request.area, request.start.page):
                raise failure("acquire", 406)
        rid = make_resource_id()
        expires_at = now + self.world.clock.shrink(self.world.settings.times.resource)
        self._forget_old(now)
        self._resources[rid] = Resource(app.app_id, request, expires_at)
        if not self._quirks.echo_names:
            return {"resourceId": rid}
        return {"cname": request.who.cname, "uid": request.who.uid, "resourceId": rid}

    def start(self, app: App, rid: str, request: Start) -> dict[str, Any]:
        """Start a task without checking that its page can be reached (agora-reference §3.6)."""
        now = self.world.clock.now()
        resource = self._resources.get(rid)
        if resource is None:
            raise failure("start", 1001)
        self._check_start(app, resource, request, now)
        resource.task = self._make_task(app, rid, resource, request, now)
        self.tasks[resource.task.sid] = resource.task
        self.world.group.spawn(Life(self.world, resource.task).run(), f"task-{resource.task.sid[:8]}")
        return render_ids(resource.task, self._quirks)

    def query(self, app: App, rid: str, sid: str) -> dict[str, Any]:
        """Return the state of a task that is still running."""
        task = self._live("query", app, rid, sid)
        if self._quirks.exiting_query == "501" and (task.stop_asked_at is not None or not task.running):
            raise failure("query", 501)
        body = render_query(task, self._quirks, self.world.clock.now())
        return {**render_ids(task, self._quirks), "serverResponse": body}

    def update(self, app: App, rid: str, sid: str, request: Update) -> dict[str, Any]:
        """Store the requested changes and wake the task."""
        task = self._live("update", app, rid, sid)
        _check_identity("update", task, request.who)
        if self._quirks.update_refused:
            raise failure("update", 2, reason="update is not supported in web mode")
        if not task.running or task.stop_asked_at is not None:
            raise failure("update", 404)
        outputs = request.rtmp_url
        if task.rtmp_url is None and self._quirks.update_without_push != "starts":
            if outputs is not None and self._quirks.update_without_push == "refused":
                raise failure("update", 2, reason="rtmpPublishConfig: the task was started without a push")
            outputs = None
        if request.storage is not None:
            self._check_token("update", request.storage, self.world.clock.now())
        if request.onhold is not None or self._quirks.update_resets:
            task.onhold = request.onhold or False
        task.storage = request.storage or task.storage
        if outputs not in (None, task.rtmp_url):
            task.rtmp_url, task.rtmp_status = outputs, "connecting"
        task.wake.set()
        return render_ids(task, self._quirks)

    async def stop(self, app: App, rid: str, sid: str, request: Stop) -> dict[str, Any]:
        """Request the task to stop. Unless the request is asynchronous, wait until its files are uploaded."""
        task, now = self._live("stop", app, rid, sid), self.world.clock.now()
        _check_identity("stop", task, request.who)
        if task.stop_asked_at is not None or not task.running:
            Teller(self.world, task).misfit(now)
            raise failure("stop", 49)
        nothing_yet = task.recording_at is None
        task.stop_asked_at = now
        task.wake.set()
        if nothing_yet and self._quirks.nothing_recorded == "435":
            raise failure("stop", 435)
        if not request.asynchronous:
            await self._until_uploaded(task)
            if task.slices_made == 0 and self._quirks.nothing_recorded == "435":
                raise failure("stop", 435)
        said = {} if request.asynchronous else render_stop(task, self._quirks)
        return {**render_ids(task, self._quirks), **said}

    def wake_all(self) -> None:
        """Wake every task, so that it checks its state again."""
        for task in self.tasks.values():
            task.wake.set()

    async def _until_uploaded(self, task: Task) -> None:
        try:
            async with asyncio.timeout(self.world.settings.sync_stop_seconds):
                await task.uploaded.wait()
        except TimeoutError:
            Teller(self.world, task).upload_timed_out()
            raise failure("stop", 50, status=self._quirks.sync_stop_status) from None

    def _check_start(self, app: App, resource: Resource, request: Start, now: float) -> None:
        """Raise Failure if the resource id or another task does not allow the start."""
        if resource.app_id != app.app_id or resource.acquired.who != request.who:
            raise failure("start", 432)
        if resource.task is not None:
            if resource.task.alive:
                Teller(self.world, resource.task).misfit(now)
                raise failure("start", 7)
            raise failure("start", self._quirks.used_up_code, reason="resourceId was used")
        if now > resource.expires_at:
            raise failure("start", self._quirks.used_up_code)
        expected = resource.acquired.start
        if expected is not None and expected.raw != request.raw:
            raise failure("start", 2, reason="clientRequest: differs from startParameter of acquire")
        self._check_token("start", request.storage, now)
        hours, most, rule = request.page.max_hours, resource.acquired.expired_hours, self._quirks.hour_limits
        if (rule == "not_above" and hours > most) or (rule == "smaller" and hours >= most):
            raise failure("start", 2, reason="maxRecordingHour: does not fit resourceExpiredHour")
        if any(task.start.who == request.who for task in self._of(app)):
            raise failure("start", 53)
        if self._full() or self._crowded(app, resource.acquired.area, request.page):
            raise failure("start", 502)

    def _check_token(self, endpoint: str, storage: Storage, now: float) -> None:
        """Raise Failure if temporary keys expire too soon (agora-reference §3.4)."""
        ahead = self.world.clock.shrink(self.world.settings.times.sts)
        if storage.expires_at is not None and storage.expires_at < now + ahead:
            raise failure(endpoint, 2, reason=f"storageConfig.stsExpiration: must be {ahead:g} s ahead")

    def _crowded(self, app: App, area: Area, page: Page) -> bool:
        """Return True if the area has no room for another stream of the page's size."""
        reading = self._quirks.stream_limits
        if reading == "none":
            return False
        beside = (task.start.page for task in self._of(app) if task.area == area)
        sizes = [size_of(other.width, other.height) for other in beside]
        return not has_room(area, sizes, size_of(page.width, page.height), reading)

    def _of(self, app: App) -> list[Task]:
        """Return the running tasks of an app."""
        return [task for task in self.tasks.values() if task.running and task.app.app_id == app.app_id]

    def _full(self) -> bool:
        """Return True if this machine cannot record another page."""
        return sum(task.running for task in self.tasks.values()) >= self.world.engine.room

    def _forget_old(self, now: float) -> None:
        """Remove resource ids that expired long ago, and the oldest ended tasks in excess of `kept_tasks`."""
        kept = self.world.clock.shrink(self.world.settings.times.resource) * 10
        for rid, resource in list(self._resources.items()):
            if resource.expires_at + kept < now and (resource.task is None or not resource.task.alive):
                del self._resources[rid]
        gone = [sid for sid, task in self.tasks.items() if not task.alive]
        for sid in gone[: max(0, len(gone) - self.world.settings.kept_tasks)]:
            self._resources.pop(self.tasks.pop(sid).resource_id, None)

    def _live(self, endpoint: str, app: App, rid: str, sid: str) -> Task:
        """Return the task of an app's resource id and sid. Raise Failure if the task cannot currently be controlled."""
        now = self.world.clock.now()
        task = self.tasks.get(sid)
        if task is None or task.app.app_id != app.app_id or task.resource_id != rid or not task.alive:
            raise failure(endpoint, 404)
        if now < task.absent_until or self.world.faults.within("not_found", task.subject, now):
            raise failure(endpoint, 404)
        if now >= task.control_ends_at:
            raise failure(endpoint, self._quirks.used_up_code)
        return task

    def _make_task(self, app: App, rid: str, resource: Resource, request: Start, now: float) -> Task:
        shrink, times = self.world.clock.shrink, self.world.settings.times
        return Task(
            app=app,
            start=request,
            resource_id=rid,
            sid=uuid.uuid4().hex,
            started_at=now,
            storage=request.storage,
            rtmp_url=None if request.push is None else request.push.url,
            onhold=request.page.onhold,
            uid=request.who.uid,
            starts_at=now + shrink(times.start),
            control_ends_at=now + shrink(resource.acquired.expired_hours * times.hour),
            area=resource.acquired.area,
        )


def _check_identity(endpoint: str, task: Task, who: Identity) -> None:
    if task.start.who != who:
        raise failure(endpoint, 432)
