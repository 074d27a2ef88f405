"""Reconciliation after a restore. It finds running tasks before any new start, because the database may be outdated.

A restored database does not contain tasks that were started after its backup, so starting from it would create second
tasks. Therefore Agora is queried for every known task, and the bucket is listed below the prefix of every open
recording. Until that is done, `worker.store` starts nothing new.
"""

import asyncio
from collections.abc import Mapping

import structlog

from metrics import worker as meter
from service.agora.bodies import Task as AgoraTask
from service.agora.client import AgoraClient
from service.agora.refusals import TaskMissing as NoSuchTask
from service.errors import Code, OutsideError, ServiceError
from service.isolation import isolate, note_error
from service.lifecycle.observations import Call, TaskFound, TaskMissing, TaskSeen
from service.recording import Attempt, Recording
from service.verifier import Verifier
from service.worker.restore import Restoring

BEAT_SECONDS = 5.0
AT_ONCE = 8
# A bucket or Agora that is unreachable for this long no longer delays starts.
PATIENCE_SECONDS = 900.0

_log = structlog.get_logger(__name__)


class Reconciler:
    """Reconciles the database with Agora and the bucket. Call `beat()` before the first claim. Then call `run()`, which
    works until cancelled."""

    def __init__(self, restoring: Restoring, *, clients: Mapping[str, AgoraClient], verifier: Verifier) -> None:
        self._restoring = restoring
        self._clients = clients
        self._verifier = verifier
        self._since: float | None = None
        self._known: set[str] = set()

    async def run(self) -> None:
        """Send heartbeats and search for unknown running tasks."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beats(), name="beats")
            group.create_task(self._looks(), name="looks")

    async def beat(self) -> None:
        """Send one heartbeat. Skip it if the database is unavailable."""
        try:
            since = await self._restoring.beat()
        except ServiceError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
            return
        meter.restoring(since is not None)
        if since != self._since:
            self._since, self._known = since, set()
            if since is not None:
                _log.warning("restored", note="starts wait until it is known what runs")

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await isolate("heartbeat", self.beat(), None)

    async def _looks(self) -> None:
        while True:
            if self._since is not None:
                await isolate("reconciling", self._look_for_all(self._since), None)
            await asyncio.sleep(1)

    async def _look_for_all(self, since: float) -> None:
        left, after = 0, ""
        places = asyncio.Semaphore(AT_ONCE)
        while page := await self._restoring.open_recordings(since, after):
            after = page[-1].id
            unknown = [each for each in page if each.id not in self._known]
            done = await asyncio.gather(*(self._look_for(each, places) for each in unknown))
            self._known |= {each.id for each, known in zip(unknown, done, strict=True) if known}
            left += done.count(False)
        if left and self._restoring.waited(since) < PATIENCE_SECONDS:
            return
        await self._restoring.end(since)
        self._since = None
        _log.warning("restore_known", recordings=len(self._known), unknown=left)

    async def _look_for(self, recording: Recording, places: asyncio.Semaphore) -> bool:
        """Search for the recording's task. Return False if Agora or the bucket did not answer."""
        async with places:
            try:
                for attempt in recording.attempts:
                    if attempt.may_be_alive and attempt.sid and attempt.resource_id:
                        await self._ask_after(recording, attempt)
                await self._look_below(recording)
            except OutsideError as error:
                _log.warning("restore_not_known", recording_id=recording.id, code=error.code)
                return False
            except ServiceError:
                raise
            except Exception as error:
                note_error("reconciling", error, recording_id=recording.id)
                return False
            return True

    async def _ask_after(self, recording: Recording, attempt: Attempt) -> None:
        client = self._clients.get(recording.app)
        if client is None:
            return
        assert attempt.resource_id is not None
        assert attempt.sid is not None
        older = None if attempt.number == len(recording.attempts) else attempt.number
        task = AgoraTask(attempt.cname, attempt.uid, attempt.resource_id, attempt.sid)
        try:
            state = await client.query(task, overdue=True)
        except NoSuchTask:
            await self._restoring.tell(recording, TaskMissing(Call.QUERY, older))
            return
        names = tuple(file.name for file in state.files)
        seen = TaskSeen(state.status or 0, state.onhold, state.recorder_state == "exit", names, older)
        await self._restoring.tell(recording, seen)

    async def _look_below(self, recording: Recording) -> None:
        """Report tasks found in the bucket. Their uid is unknown, which a negative number marks, because real uids are
        positive."""
        for number, sid in (await self._verifier.find_tasks(recording)).items():
            await self._restoring.tell(recording, TaskFound(number, sid, -number))
