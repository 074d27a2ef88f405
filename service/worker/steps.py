"""The outside call of each step: one call to Agora or one read of the bucket, with its result as an observation.

`lifecycle` decides what the result means, and the row determines the next try. This module keeps no state.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from service.agora.answers import TaskState
from service.agora.bodies import StartOrder, Storage
from service.agora.bodies import Task as AgoraTask
from service.agora.client import AgoraClient
from service.agora.refusals import TaskMissing as NoSuchTask
from service.errors import OutsideError, Refused, Unavailable
from service.lifecycle.observations import (
    Acquire,
    Acquired,
    Call,
    CallFailed,
    Failure,
    Judged,
    Look,
    Looked,
    LookFailed,
    Observation,
    Query,
    Start,
    Started,
    Stop,
    Stopped,
    TaskMissing,
    TaskSeen,
    Updated,
    UpdateOnhold,
    UpdateRtmp,
    UpdateStorage,
    Verify,
)
from service.media.findings import RULES, Effect
from service.media.verdict import judge_blind
from service.operations.recordings.secrets import PageSecrets
from service.recording import Attempt, Recording
from service.report import FileKind, JudgedFile, Verdict
from service.settings import Settings
from service.verifier import Verifier
from service.worker.overtaking import Task

_CALLS: dict[type, Call] = {
    Query: Call.QUERY,
    UpdateOnhold: Call.UPDATE,
    UpdateRtmp: Call.UPDATE,
    UpdateStorage: Call.UPDATE,
    Stop: Call.STOP,
}

UNEXPECTED = "unexpected_error"
# Failures that occur before any outside call.
_OWN = (UNEXPECTED, "budget", "storage_not_configured")
# Findings for a bucket that prevented a verification from reading some or all objects.
_UNREAD = ("storage_refused", "storage_unreachable", "object_unread")

_log = structlog.get_logger(__name__)


class Steps:
    """Makes the calls of steps. `clients` are by app. `clock` returns Unix seconds."""

    def __init__(
        self, settings: Settings, clients: Mapping[str, AgoraClient], verifier: Verifier, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._verifier = verifier
        self._clock = clock

    async def observe(self, task: Task) -> tuple[Observation, tuple[JudgedFile, ...]]:
        """Make the step's one call and return its result."""
        match task.step:
            case Look():
                return await self._look(task.recording)
            case Verify():
                return Judged(await self._verifier.verify(task.recording, self._clock)), ()
        attempt = _attempt(task)
        try:
            return await self._call(task, attempt), ()
        except NoSuchTask:
            return TaskMissing(_CALLS[type(task.step)], _leftover(task)), ()
        except OutsideError as error:
            return _failed(task, error), ()

    async def _call(self, task: Task, attempt: Attempt) -> Observation:
        recording = task.recording
        client = self._clients.get(recording.app)
        if client is None:
            raise Unavailable("app_not_configured", f"the settings have no app {recording.app!r} any more")
        match task.step:
            case Acquire():
                answer = await client.acquire(attempt.cname, attempt.uid, recording.parameters.max_recording_hour)
                _log.info(
                    "acquired",
                    recording_id=recording.id,
                    cname=attempt.cname,
                    uid=attempt.uid,
                    resource_id=answer.resource_id,
                    hours=recording.parameters.max_recording_hour,
                )
                return Acquired(answer.resource_id)
            case Start(hours=hours):
                order = self._order(task, attempt, hours)
                started = await client.start(attempt.cname, attempt.uid, _resource(attempt), order)
                sts = order.storage.credentials.expires_at is not None
                return Started(started.sid, sts=sts, attempt=attempt.number)
            case Query():
                overdue = (attempt.next_query_at or 0) + recording.policy.watch_seconds < self._clock()
                return _seen(await client.query(_task(attempt), overdue=overdue), _leftover(task))
            case UpdateOnhold(onhold=onhold):
                await client.update_onhold(_task(attempt), onhold)
            case UpdateRtmp(version=version):
                await client.update_rtmp(_task(attempt), _page(task).rtmp_url(version) or "")
            case UpdateStorage():
                storage = self._storage(recording, attempt)
                await client.update_storage(_task(attempt), storage)
                return Updated(task.step, sts=storage.credentials.expires_at is not None)
            case Stop():
                again = attempt.stop_accepted_at is not None or attempt.missing_since_at is not None
                stopped = await client.stop(_task(attempt), again=again)
                return Stopped(stopped.nothing_recorded, stopped.already, _leftover(task))
            case step:
                raise TypeError(f"no call for {step}")
        return Updated(task.step)

    def _order(self, task: Task, attempt: Attempt, hours: int) -> StartOrder:
        recording = task.recording
        page = _page(task)
        return StartOrder(
            url=page.url,
            parameters=replace(recording.parameters, max_recording_hour=hours, onhold=attempt.onhold),
            storage=self._storage(recording, attempt),
            rtmp_url=page.rtmp_url(attempt.rtmp_version),
        )

    def _storage(self, recording: Recording, attempt: Attempt) -> Storage:
        profile = self._settings.storage.get(recording.storage)
        if profile is None:
            raise Unavailable("storage_not_configured", f"the settings have no storage {recording.storage!r} any more")
        return Storage(recording.location, attempt.prefix, profile.write_credentials(), profile.sse, profile.tag)

    async def _look(self, recording: Recording) -> tuple[Observation, tuple[JudgedFile, ...]]:
        try:
            look = await self._verifier.look(recording)
        except OutsideError as error:
            return LookFailed(error.code, error.detail), ()
        began = [file.starts_at for file in look.files if file.kind is FileKind.SLICE and file.starts_at is not None]
        seen = Looked(
            look.slices,
            look.size_bytes,
            look.after_key,
            look.last_slice_at,
            look.sids,
            look.picture,
            look.silent,
            max(began, default=None),
            min(began, default=None),
            look.ended,
        )
        return seen, look.files


def unexpected(task: Task, now: float) -> Observation:
    """Return the observation that represents an unexpected error, so that the rules for failures apply. They retry with
    growing delays, keep a requested stop, and eventually end a verification as `unproven`. A call that may have been
    sent has an unknown outcome."""
    match task.step:
        case Look():
            return LookFailed(UNEXPECTED, "")
        case Verify():
            text = "The verification failed because of an internal error in Pagereel."
            return Judged(judge_blind("verifier_failed", text, now))
        case Query() as step:
            return CallFailed(step, Failure.UNAVAILABLE, UNEXPECTED)
        case step:
            return CallFailed(step, Failure.UNKNOWN, UNEXPECTED)


def log_step(name: str, task: Task, observation: Observation, seconds: float) -> None:
    """Log the result of a step before the lifecycle applies it."""
    number = _leftover(task) or len(task.recording.attempts)
    attempt = task.recording.attempts[number - 1] if number else None
    outcome, code = _came_of(observation)
    _log.info(
        "step",
        step=name,
        recording_id=task.recording.id,
        attempt=number,
        sid=observation.sid if isinstance(observation, Started) else attempt and attempt.sid,
        outcome=outcome,
        code=code,
        seconds=round(seconds, 4),
    )
    failed = isinstance(observation, CallFailed | LookFailed) and code not in _OWN
    if failed or (isinstance(observation, Judged) and code in _UNREAD):
        _log.warning("outside_failed", step=name, recording_id=task.recording.id, outcome=outcome, code=code)


def _came_of(observation: Observation) -> tuple[str, str | None]:
    match observation:
        case CallFailed(failure=failure, code=code):
            return failure, code
        case TaskMissing():
            return "missing", None
        case LookFailed(code=code):
            return "unavailable", code
        case Judged(report=report):
            blind = (one.code for one in report.findings if RULES[one.code].effect is Effect.BLIND)
            return report.verdict, next(blind, None) if report.verdict is Verdict.UNREACHABLE else None
    return "ok", None


def _failed(task: Task, error: OutsideError) -> CallFailed:
    if isinstance(error, Refused):
        failure = Failure.REFUSED
    else:
        failure = Failure.UNAVAILABLE if isinstance(error, Unavailable) else Failure.UNKNOWN
    return CallFailed(task.step, failure, error.code, error.detail, error.retry_after_seconds)


def _leftover(task: Task) -> int | None:
    return task.step.leftover if isinstance(task.step, Query | Stop) else None


def _attempt(task: Task) -> Attempt:
    """Return the attempt that the step concerns. Steps other than Look and Verify always concern one."""
    number = _leftover(task) or len(task.recording.attempts)
    return task.recording.attempts[number - 1]


def _seen(state: TaskState, leftover: int | None) -> TaskSeen:
    names = tuple(file.name for file in state.files)
    return TaskSeen(state.status or 0, state.onhold, state.recorder_state == "exit", names, leftover)


def _page(task: Task) -> PageSecrets:
    if task.page is None:
        raise Unavailable("page_not_readable", "no live sealing key opens the URL of the page")
    return task.page


def _resource(attempt: Attempt) -> str:
    assert attempt.resource_id is not None, "a call about a task comes after its acquire"
    return attempt.resource_id


def _task(attempt: Attempt) -> AgoraTask:
    assert attempt.sid is not None, "a call about a task comes after its sid is known"
    return AgoraTask(attempt.cname, attempt.uid, _resource(attempt), attempt.sid)
