"""The operations on recordings, and access to the other use cases. The worker does the rest. These operations make no
call outside the database, except to the page if the preset requests a preflight."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
import structlog

from metrics import recordings as meter
from service.database import recordings as rows
from service.database.engine.database import Database
from service.database.engine.startup import check_writable
from service.database.idempotency import KeptAnswer, insert_answer, load_answer
from service.database.notifications.inbox import Inbox
from service.database.sealing import Seals
from service.errors import Code, FieldError, ServiceError, invalid
from service.lifecycle.observations import (
    LabelsChanged,
    Observation,
    PauseRequested,
    ResumeRequested,
    RtmpRequested,
    StopAtChanged,
    StopRequested,
    VerifyRequested,
)
from service.operations.accounts.access import Access
from service.operations.accounts.usage import Usage
from service.operations.evidence.playback import Fetch
from service.operations.evidence.queries import Evidence, Links, Stamp
from service.operations.evidence.support_bundle import Bundles
from service.operations.ids import Entropy, new_ulid
from service.operations.messages import Messages
from service.operations.notifications.incoming import Incoming
from service.operations.notifications.receiving import Receiving
from service.operations.owned import load_owned
from service.operations.pagination import cut_page, decode_cursor
from service.operations.recordings.admission import Choices, admit, choices_of, refuse_unknown
from service.operations.recordings.adoption import NO_TASKS, Adoption, Tasks
from service.operations.recordings.limits import check_limits
from service.operations.recordings.secrets import PageSecrets, open_page, seal_page
from service.operations.recordings.writing import Written, create, log_state, observe
from service.operations.trail import ActionKind, Trail, note_action
from service.operations.types import (
    MOST_COUNTED,
    NEEDS_REVIEW,
    UNDER_WAY,
    Answer,
    Caller,
    Counts,
    Idempotency,
    Page,
    RecordingFilter,
    Wish,
)
from service.recording import Attempt, Recording, State
from service.report import Level
from service.settings import Settings
from service.urls.preflight import check_page
from service.urls.rules import parse_page_url, parse_rtmp_url, redact_rtmp

_log = structlog.get_logger(__name__)

# A pause or resume waits this long for Agora, so that the answer can still report a refusal.
UPDATE_ANSWER_SECONDS = 10
POLL_SECONDS = 0.25
# A request delayed for longer is not carried out, because its caller has abandoned it and may have requested the
# opposite in the meantime. A stop has no opposite.
LATEST_SECONDS = 30.0


class _KeyTakenError(Exception):
    """Another request is storing an answer under the same idempotency key."""


class Operations:
    """All use cases of the API. Methods raise `ServiceError`. Another owner's recording is reported as `not_found`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        seals: Seals,
        inbox: Inbox,
        *,
        links: Links,
        fetch: Fetch,
        signing_key: Callable[[], str | None] = lambda: None,
        stamp: Stamp | None = None,
        tasks: Tasks = NO_TASKS,
        room: Callable[[], bool] = lambda: True,
        wake: Callable[[], None] = lambda: None,
        wake_notices: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        entropy: Entropy = os.urandom,
    ) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._room = room
        self._wake = wake
        self._clock = clock
        self._entropy = entropy
        self.access = Access(database, seals, clock, entropy)
        self.evidence = Evidence(
            database, settings.deployment, links=links, fetch=fetch, signing_key=signing_key, stamp=stamp
        )
        self.receiving = Receiving(settings.apps, database, inbox, wake_notices, clock)
        self.incoming = Incoming(database, wake_notices, clock)
        self.messages = Messages(settings, database, seals, clock)
        self.usage = Usage(settings, database, clock)
        self.bundles = Bundles(settings, database, seals, clock)
        self.trail = Trail(database, clock)
        self.adoption = Adoption(settings, database, seals, tasks, wake, clock)

    def choices(self, caller: Caller) -> Choices:
        """Return the names that the caller's start request may use."""
        return choices_of(self._settings, caller)

    def find_wrong(self, caller: Caller, wish: Wish) -> tuple[FieldError, ...]:
        """Return the fields that the settings would refuse, without storing anything."""
        now = self._clock()
        try:
            admit(self._settings, caller, wish, ulid=new_ulid(now, self._entropy), now=now)
        except ServiceError as error:
            return error.errors
        return ()

    async def start(
        self, caller: Caller, wish: Wish, asked: Idempotency | None, render: Callable[[Recording], bytes]
    ) -> Answer:
        """Store a request for a recording. With an `Idempotency`, the same key and body receive the stored answer, even
        if both requests are sent concurrently. Another body under the same key is `invalid` with detail
        `idempotency_mismatch`."""
        asked_at = self._clock()
        await self._preflight(caller, wish, asked)

        def transaction(connection: sa.Connection) -> tuple[Answer, Recording | None]:
            now = self._clock()
            stored = None if asked is None else load_answer(connection, caller.owner, asked.key)
            if stored is not None and asked is not None:
                if not any(self._seals.same_hash(form, stored.request_hash) for form in asked.forms):
                    raise ServiceError(
                        Code.INVALID, "this Idempotency-Key was used for another request", detail="idempotency_mismatch"
                    )
                return Answer(stored.recording_id, stored.body, True), None
            if now - asked_at > LATEST_SECONDS:
                raise _too_late()
            if not self._room():
                raise _no_room()
            recording = admit(self._settings, caller, wish, ulid=new_ulid(now, self._entropy), now=now)
            check_limits(connection, self._settings, recording, now)
            rtmp_urls = {str(recording.rtmp_version): wish.rtmp_url} if wish.rtmp_url else {}
            sealed = seal_page(self._seals, PageSecrets(wish.url, rtmp_urls))
            recording = create(connection, recording, sealed, now, by=caller.token_id)
            note_action(connection, caller, ActionKind.START, recording.id, now)
            answer = Answer(recording.id, render(recording), False)
            if asked is not None:
                kept = KeptAnswer(self._seals.keyed_hash(asked.body), recording.id, answer.body)
                if not insert_answer(connection, caller.owner, asked.key, kept, now):
                    raise _KeyTakenError
            return answer, recording

        try:
            answer, recording = await self._database.run(transaction)
        except ServiceError as error:
            if error.code is Code.LIMITED and error.detail:
                meter.limited(error.detail)
            raise
        except _KeyTakenError:  # a concurrent request on another replica has now stored its answer
            answer, recording = await self._database.run(transaction)
        if recording is not None:
            meter.requested()
            log_state(recording, None, "caller")
            self._wake()
        return answer

    async def _preflight(self, caller: Caller, wish: Wish, asked: Idempotency | None) -> None:
        """Check the page if the preset requests it. A repeated request skips this check, because it receives its stored
        answer."""
        preset = self._settings.presets.get(wish.preset or "default")
        if preset is None or not preset.preflight:
            return
        if asked is not None:
            key = asked.key
            if await self._database.run(lambda connection: load_answer(connection, caller.owner, key)) is not None:
                return
        now, rules = self._clock(), self._settings.urls
        admit(self._settings, caller, wish, ulid=new_ulid(now, self._entropy), now=now)  # reports every wrong field
        page = parse_page_url(wish.url, rules, max_bytes=self._settings.limits.url_max_bytes)
        refused = None
        try:
            await check_page(page, rules)
        except ServiceError as error:
            refused = error.message
            raise
        finally:
            _log.info("preflight", refused=refused)

    async def wait_recording(self, caller: Caller, recording_id: str, seconds: float) -> Recording:
        """Return the recording when it records or has ended. After `seconds`, return it in its current state."""
        return await self._wait(
            caller, recording_id, seconds, lambda one: one.state not in (State.REQUESTED, State.STARTING)
        )

    async def _wait(
        self, caller: Caller, recording_id: str, seconds: float, done: Callable[[Recording], bool]
    ) -> Recording:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            recording = await self.read(caller, recording_id)
            left = deadline - asyncio.get_running_loop().time()
            if done(recording) or left <= 0:
                return recording
            await asyncio.sleep(min(POLL_SECONDS, left))

    async def read(self, caller: Caller, recording_id: str) -> Recording:
        return await self._database.run(lambda connection: load_owned(connection, caller, recording_id))

    async def several(self, caller: Caller, recording_ids: Sequence[str]) -> dict[str, Recording]:
        """Return the recordings with these ids that belong to the owner, by id."""
        found = await self._database.run(lambda connection: rows.load_several(connection, caller.owner, recording_ids))
        return {recording.id: recording for recording in found}

    async def find_task(self, caller: Caller, sid: str) -> str | None:
        """Return the id of the recording that has the task with this sid."""
        return await self._database.run(lambda connection: rows.find_by_sid(connection, caller.owner, sid))

    async def list(self, caller: Caller, where: RecordingFilter, cursor: str | None, limit: int) -> Page[rows.Listed]:
        """Return a page of the owner's recordings, newest request first (`planned`: next start first). They are not
        decoded, because that takes some ten milliseconds, which is too long for a transaction or for the loop that
        answers Agora. Refuse an app that neither the settings nor a recording of the owner contains."""
        after = decode_cursor(cursor, (float, str))
        apps = self.choices(caller).apps

        def transaction(connection: sa.Connection) -> Sequence[rows.Listed]:
            gone = where.app is not None and where.app not in apps
            if gone and not rows.list_recordings(connection, owner=caller.owner, app=where.app, limit=1):
                refuse_unknown("?app", apps)
            return rows.list_recordings(
                connection,
                owner=caller.owner,
                limit=limit + 1,
                states=where.states,
                app=where.app,
                with_labels=where.labels,
                from_at=where.from_at,
                to_at=where.to_at,
                planned=where.planned,
                warned=where.warned,
                after=after,
            )

        found = await self._database.run(transaction)
        if where.planned:
            return cut_page(found, limit, lambda last: (last.planned_at or 0, last.id))
        return cut_page(found, limit, lambda last: (last.requested_at, last.id))

    async def counts(self, caller: Caller) -> Counts:
        """Return the numbers of the owner's recordings by group."""

        def transaction(connection: sa.Connection) -> Counts:
            def count(*states: State, planned: bool | None = None, warned: bool | None = None) -> int:
                return rows.count_recordings(
                    connection, caller.owner, MOST_COUNTED, states=frozenset(states), planned=planned, warned=warned
                )

            return Counts(
                all=count(),
                planned=count(planned=True),
                under_way=count(*UNDER_WAY, planned=False),
                needs_review=count(*NEEDS_REVIEW),
                warned=count(State.VERIFIED, warned=True),
            )

        return await self._database.run(transaction)

    async def change(
        self, caller: Caller, recording_id: str, *, stop_at: float | None = None, labels: dict[str, str] | None = None
    ) -> Recording:
        """Change the stop time and the labels of a recording. Either both changes succeed or neither does."""
        observations: list[Observation] = []
        if stop_at is not None:
            if stop_at < self._clock():
                raise invalid("/stop_at", "is in the past")
            observations.append(StopAtChanged(stop_at))
        if labels is not None:
            observations.append(LabelsChanged(labels))
        return await self._observe(caller, ActionKind.CHANGE, recording_id, *observations)

    async def stop(self, caller: Caller, recording_id: str) -> Recording:
        return await self._observe(caller, ActionKind.STOP, recording_id, StopRequested())

    async def pause(self, caller: Caller, recording_id: str) -> Recording:
        """Request a pause. If Agora refuses it, raise conflict `unsupported_by_agora`; the recording then continues."""
        return await self._set_onhold(caller, ActionKind.PAUSE, recording_id, PauseRequested())

    async def resume(self, caller: Caller, recording_id: str) -> Recording:
        return await self._set_onhold(caller, ActionKind.RESUME, recording_id, ResumeRequested())

    async def _set_onhold(
        self, caller: Caller, kind: ActionKind, recording_id: str, request: PauseRequested | ResumeRequested
    ) -> Recording:
        await self._observe(caller, kind, recording_id, request)
        recording = await self._wait(caller, recording_id, UPDATE_ANSWER_SECONDS, _onhold_answered)
        if "update_refused" in recording.warnings:
            raise _unsupported()
        return recording

    async def set_rtmp(self, caller: Caller, recording_id: str, rtmp_url: str) -> Recording:
        """Change the push target. `rtmp_url` is sealed, and only its scheme and host are shown. If Agora refuses the
        target, raise the same error as `pause`."""
        target = parse_rtmp_url(rtmp_url, self._settings.urls, max_bytes=self._settings.limits.url_max_bytes)
        request = RtmpRequested(redact_rtmp(target.text))
        asked = await self._observe(caller, ActionKind.RTMP, recording_id, request, rtmp_url=rtmp_url)
        recording = await self._wait(caller, recording_id, UPDATE_ANSWER_SECONDS, _rtmp_answered)
        if recording.rtmp_version < asked.rtmp_version:
            raise _unsupported()
        return recording

    async def verify(self, caller: Caller, recording_id: str, level: Level | None = None) -> Recording:
        """Request another verification at `level`. If `level` is None, use the recording's own level."""
        return await self._observe(caller, ActionKind.VERIFY, recording_id, VerifyRequested(level))

    async def _observe(
        self,
        caller: Caller,
        kind: ActionKind,
        recording_id: str,
        *observations: Observation,
        rtmp_url: str | None = None,
    ) -> Recording:
        asked_at = self._clock()

        def transaction(connection: sa.Connection) -> tuple[Recording, list[Written]]:
            now = self._clock()
            if kind is not ActionKind.STOP and now - asked_at > LATEST_SECONDS:
                raise _too_late()
            recording = load_owned(connection, caller, recording_id, lock=True)
            sealed = self._with_rtmp(connection, recording, rtmp_url) if rtmp_url is not None else None
            done: list[Written] = []
            for observation in observations:
                done.append(observe(connection, recording, observation, now, sealed=sealed, by=caller.token_id))
                recording = done[-1].after
            note_action(connection, caller, kind, recording_id, now)
            return recording, done

        recording, done = await self._database.run(transaction)
        for written in done:
            written.tell()
        self._wake()
        return recording

    def _with_rtmp(self, connection: sa.Connection, recording: Recording, rtmp_url: str) -> bytes:
        sealed = rows.load_sealed(connection, recording.id)
        assert sealed is not None, "every recording has its page sealed beside it"
        page, attempt = open_page(self._seals, sealed), recording.attempt
        oldest = recording.rtmp_version if attempt is None else min(attempt.rtmp_version, recording.rtmp_version)
        kept = {version: url for version, url in page.rtmp_urls.items() if int(version) >= oldest}
        return seal_page(self._seals, PageSecrets(page.url, kept | {str(recording.rtmp_version + 1): rtmp_url}))

    async def ready(self) -> None:
        """Write to the database and read from it. Raise `ServiceError` (unavailable) on failure."""
        await self._database.run(check_writable)


def _unsupported() -> ServiceError:
    message = "Agora refused to update this task; the recording continues unchanged"
    return ServiceError(Code.CONFLICT, message, detail="unsupported_by_agora")


def _too_late() -> ServiceError:
    message = "the request was held up for too long, and was not carried out"
    return ServiceError(Code.UNAVAILABLE, message, detail="held_up", retry_after_seconds=1)


def _no_room() -> ServiceError:
    message = "the disk of the database is full: running recordings continue and can be stopped, but nothing new starts"
    return ServiceError(Code.UNAVAILABLE, message, detail="disk_full", retry_after_seconds=30)


def _updatable(recording: Recording) -> Attempt | None:
    """Return the task that currently receives updates, or None if nothing records."""
    attempt = recording.attempt
    recorded = attempt is not None and attempt.recording_at is not None
    return attempt if recording.state is State.RECORDING and recorded else None


def _onhold_answered(recording: Recording) -> bool:
    attempt = _updatable(recording)
    return attempt is None or attempt.onhold == recording.pause_wished


def _rtmp_answered(recording: Recording) -> bool:
    attempt = _updatable(recording)
    return attempt is None or attempt.rtmp_version >= recording.rtmp_version
