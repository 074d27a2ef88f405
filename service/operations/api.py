"""What callers, operators and Agora may do. The worker does the rest; here nothing outside the database is called, but
for the links to objects, which are signed without a call."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from hmac import compare_digest
from typing import TypeVar

import sqlalchemy as sa
import structlog

from metrics import intake
from metrics import recordings as meter
from service.database import evidence, tokens
from service.database import notifications as inbox_rows
from service.database import recordings as rows
from service.database.idempotency import KeptAnswer, insert_answer, load_answer
from service.database.inbox import Inbox, incoming
from service.database.run import Database
from service.database.sealing import Seals
from service.database.startup import check_writable
from service.errors import Code, ServiceError, invalid
from service.explain import Explanation, explain
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
from service.media.merged import write_playlist
from service.notices import TEST_CNAME, parse_notice, verify_signature
from service.operations.admission import admit
from service.operations.adoption import Adoption
from service.operations.bundles import Bundles
from service.operations.cursors import decode_cursor, encode_cursor
from service.operations.ids import Entropy, new_ulid
from service.operations.incoming import Incoming
from service.operations.limits import check_limits
from service.operations.outgoing import Outgoing
from service.operations.playback import Fetch, Playback
from service.operations.proofs import merged_slices, signed_manifest, whole_report
from service.operations.secrets import PageSecrets, open_page, seal_page
from service.operations.sessions import SESSION_SECONDS, Session, open_session, seal_session
from service.operations.trail import ActionKind, Trail, note_action
from service.operations.usage import Usage
from service.operations.words import (
    Answer,
    Caller,
    FileEntry,
    HistoryEntry,
    Idempotency,
    Page,
    RecordingFilter,
    Scope,
    Wish,
)
from service.operations.writing import Written, create, log_state, observe
from service.page_url import parse_page_url, parse_rtmp_url, redact_rtmp
from service.preflight import check_page
from service.recording import Attempt, Recording, State
from service.report import JudgedFile, Level, Pictures, Report
from service.settings import App, Settings

_log = structlog.get_logger(__name__)

T = TypeVar("T")

# How long a pause or resume waits for Agora, so that a refusal can still be told in the answer.
UPDATE_ANSWER_SECONDS = 10
POLL_SECONDS = 0.25
# More history than any recording has that people still understand.
EXPLAINED_LINES = 2000

Links = Callable[[Recording, list[str]], Awaitable[dict[str, str]]]


class _KeyTakenError(Exception):
    """Somebody else is storing an answer under the same idempotency key."""


class Operations:
    """All use cases of the API. Methods raise `ServiceError`; another owner's recording is `not_found`."""

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
        room: Callable[[], bool] = lambda: True,
        wake: Callable[[], None] = lambda: None,
        wake_notices: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        entropy: Entropy = os.urandom,
    ) -> None:
        self._settings = settings
        self._database = database
        self._seals = seals
        self._inbox = inbox
        self._links = links
        self._playback = Playback(fetch)
        self._signing_key = signing_key
        self._room = room
        self._wake = wake
        self._wake_notices = wake_notices
        self._clock = clock
        self._entropy = entropy
        self.outgoing = Outgoing(settings, database, clock)
        self.usage = Usage(settings, database, clock)
        self.bundles = Bundles(settings, database, seals, clock)
        self.trail = Trail(database, clock)
        self.incoming = Incoming(database, wake_notices, clock)
        self.adoption = Adoption(settings, database, seals, wake, clock)

    async def authenticate(self, token: str) -> Caller:
        """The caller that `prl_<id>_<secret>` speaks for. Unauthorized for whatever is not a live token."""
        parts = token.split("_")
        if len(parts) != 3 or parts[0] != "prl":
            raise ServiceError(Code.UNAUTHORIZED, "the token is not valid")
        digest = sha256(token.encode()).hexdigest()

        def transaction(connection: sa.Connection) -> tokens.Token:
            now = self._clock()
            stored = tokens.load_token(connection, parts[1])
            if stored is None or not compare_digest(stored.sha256, digest) or not _live(stored, now):
                raise ServiceError(Code.UNAUTHORIZED, "the token is not valid")
            tokens.note_token_use(connection, stored.id, now)
            return stored

        stored = await self._database.run(transaction)
        return Caller(stored.id, stored.owner, frozenset(map(Scope, stored.scopes)), stored.apps, stored.storages)

    async def log_in(self, token: str) -> str:
        """A session for the console, as the text of a cookie. Unauthorized for whatever is not a live token."""
        await self.authenticate(token)
        form_key = self._entropy(16).hex()
        return seal_session(self._seals, Session(token, form_key, self._clock() + SESSION_SECONDS))

    async def resume_session(self, text: str) -> tuple[Caller, str]:
        """Whom a session speaks for, and its form key. Unauthorized once it is over or its token revoked."""
        session = open_session(self._seals, text, self._clock())
        return await self.authenticate(session.token), session.form_key

    # --- recordings ----------------------------------------------------------------------------------------------

    async def start(
        self, caller: Caller, wish: Wish, asked: Idempotency | None, render: Callable[[Recording], bytes]
    ) -> Answer:
        """Store the wish for a recording. With an `Idempotency` the same key and body get the stored answer, also at
        the same moment; another body under the key is `invalid` with detail `idempotency_mismatch`."""
        await self._preflight(caller, wish, asked)

        def transaction(connection: sa.Connection) -> tuple[Answer, Recording | None]:
            now = self._clock()
            stored = None if asked is None else load_answer(connection, caller.owner, asked.key)
            if stored is not None and asked is not None:
                if not self._seals.same_hash(asked.body, stored.request_hash):
                    raise ServiceError(
                        Code.INVALID, "this Idempotency-Key was used for another request", detail="idempotency_mismatch"
                    )
                return Answer(stored.recording_id, stored.body, True), None
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
        except _KeyTakenError:  # at the same moment, on another replica: its answer is stored now
            answer, recording = await self._database.run(transaction)
        if recording is not None:
            meter.requested()
            log_state(recording, None, "caller")
            self._wake()
        return answer

    async def _preflight(self, caller: Caller, wish: Wish, asked: Idempotency | None) -> None:
        """Try the page where the preset wants that; not for a repetition, which gets its stored answer anyway."""
        preset = self._settings.presets.get(wish.preset or "default")
        if preset is None or not preset.preflight:
            return
        if asked is not None:
            key = asked.key
            if await self._database.run(lambda connection: load_answer(connection, caller.owner, key)) is not None:
                return
        rules = self._settings.urls
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
        """The recording as soon as it records or has ended, or as it is after `seconds`."""
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
        return await self._database.run(lambda connection: _load(connection, caller, recording_id, lock=False))

    async def find_task(self, caller: Caller, sid: str) -> str | None:
        """The id of the recording that has the task with this sid."""
        return await self._database.run(lambda connection: rows.find_by_sid(connection, caller.owner, sid))

    async def list(self, caller: Caller, where: RecordingFilter, cursor: str | None, limit: int) -> Page[rows.Listed]:
        """The owner's recordings, newest request first, not yet decoded: a full page takes some ten milliseconds, which
        neither a transaction nor the loop that answers Agora has."""
        after = decode_cursor(cursor, (float, str))

        def transaction(connection: sa.Connection) -> Sequence[rows.Listed]:
            return rows.list_recordings(
                connection,
                owner=caller.owner,
                limit=limit + 1,
                states=where.states,
                app=where.app,
                with_labels=where.labels,
                from_at=where.from_at,
                to_at=where.to_at,
                after=after,
            )

        found = await self._database.run(transaction)
        return _page(found, limit, lambda last: encode_cursor(last.requested_at, last.id))

    async def change(
        self, caller: Caller, recording_id: str, *, stop_at: float | None = None, labels: dict[str, str] | None = None
    ) -> Recording:
        """Change when it stops, or its labels; both or neither."""
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
        """Ask for a pause; conflict `unsupported_by_agora` where Agora refuses it. The recording goes on."""
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
        """Push to another target from now on; `rtmp_url` is sealed, its scheme and host are shown. Refused as `pause`
        is."""
        target = parse_rtmp_url(rtmp_url, self._settings.urls, max_bytes=self._settings.limits.url_max_bytes)
        request = RtmpRequested(redact_rtmp(target.text))
        asked = await self._observe(caller, ActionKind.RTMP, recording_id, request, rtmp_url=rtmp_url)
        recording = await self._wait(caller, recording_id, UPDATE_ANSWER_SECONDS, _rtmp_answered)
        if recording.rtmp_version < asked.rtmp_version:
            raise _unsupported()
        return recording

    async def verify(self, caller: Caller, recording_id: str, level: Level | None = None) -> Recording:
        """Wish for another look, as deep as `level` says; None: as deep as the recording's own."""
        return await self._observe(caller, ActionKind.VERIFY, recording_id, VerifyRequested(level))

    async def _observe(
        self,
        caller: Caller,
        kind: ActionKind,
        recording_id: str,
        *observations: Observation,
        rtmp_url: str | None = None,
    ) -> Recording:
        def transaction(connection: sa.Connection) -> tuple[Recording, list[Written]]:
            now = self._clock()
            recording = _load(connection, caller, recording_id, lock=True)
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

    async def timeline(self, caller: Caller, recording_id: str, cursor: str | None, limit: int) -> Page[HistoryEntry]:
        """Everything that happened, oldest first."""
        after = (decode_cursor(cursor, (int,)) or (0,))[0]

        def transaction(connection: sa.Connection) -> Sequence[evidence.HistoryRow]:
            _load(connection, caller, recording_id, lock=False)
            return evidence.load_history(connection, recording_id, after=after, limit=limit + 1)

        found = [HistoryEntry(**asdict(row)) for row in await self._database.run(transaction)]
        return _page(found, limit, lambda last: encode_cursor(last.number))

    async def link(self, caller: Caller, recording_id: str, key: str) -> str:
        """A short-lived link to one file that the bucket holds. It is a secret."""
        recording, file = await self._load_with_file(caller, recording_id, key)
        if file is None or not file.listed:
            raise ServiceError(Code.NOT_FOUND, "no such file")
        return (await self._links(recording, [key]))[key]

    async def _load_with_file(self, caller: Caller, recording_id: str, key: str) -> tuple[Recording, JudgedFile | None]:
        def transaction(connection: sa.Connection) -> tuple[Recording, JudgedFile | None]:
            return _load(connection, caller, recording_id, lock=False), evidence.load_file(
                connection, recording_id, key
            )

        return await self._database.run(transaction)

    async def explanation(self, caller: Caller, recording_id: str) -> Explanation:
        """Why the recording is as it is."""

        def transaction(connection: sa.Connection) -> tuple[Recording, Sequence[evidence.HistoryRow]]:
            recording = _load(connection, caller, recording_id, lock=False)
            return recording, evidence.load_history(connection, recording_id, limit=EXPLAINED_LINES)

        return explain(*await self._database.run(transaction))

    async def files(
        self, caller: Caller, recording_id: str, cursor: str | None, limit: int, *, links: bool
    ) -> Page[FileEntry]:
        """The manifest, in the order of the keys; `links`: each listed file with a short-lived link."""
        after = (decode_cursor(cursor, (str,)) or ("",))[0]

        def transaction(connection: sa.Connection) -> tuple[Recording, Sequence[evidence.FileRow]]:
            recording = _load(connection, caller, recording_id, lock=False)
            return recording, evidence.load_files(connection, recording_id, after=after, limit=limit + 1)

        recording, found = await self._database.run(transaction)
        wanted = [row.file.key for row in found[:limit] if row.file.listed] if links else []
        signed = await self._links(recording, wanted) if wanted else {}
        entries = [FileEntry(*row, link=signed.get(row.file.key)) for row in found]
        return _page(entries, limit, lambda last: encode_cursor(last.file.key))

    async def read_slice(self, caller: Caller, recording_id: str, key: str) -> bytes:
        """The bytes of one slice, for a player that may not ask the bucket; see `playback`."""
        recording, file = await self._load_with_file(caller, recording_id, key)
        return await self._playback.read_slice(recording, file)

    async def report(self, caller: Caller, recording_id: str, number: int | None) -> tuple[int, Report]:
        """See `whole_report`."""
        return await whole_report(self._database, await self.read(caller, recording_id), number)

    async def pictured(self, caller: Caller, recording_id: str) -> bool:
        """Whether there is a poster and a contact sheet."""

        def transaction(connection: sa.Connection) -> bool:
            _load(connection, caller, recording_id, lock=False)
            return evidence.has_pictures(connection, recording_id)

        return await self._database.run(transaction)

    async def pictures(self, caller: Caller, recording_id: str) -> Pictures:
        """Poster and contact sheet of the newest look that saw any; `not_found` where none did."""

        def transaction(connection: sa.Connection) -> Pictures | None:
            _load(connection, caller, recording_id, lock=False)
            return evidence.load_pictures(connection, recording_id)

        found = await self._database.run(transaction)
        if found is None:
            raise ServiceError(Code.NOT_FOUND, "no picture of this recording was looked at yet")
        return found

    async def manifest(self, caller: Caller, recording_id: str) -> bytes:
        """The signed manifest of the newest look. Raises `conflict` where nobody has looked yet, or without a key."""
        recording = await self.read(caller, recording_id)
        return await signed_manifest(self._database, recording, self._settings.deployment, self._signing_key)

    async def playlist(
        self,
        caller: Caller,
        recording_id: str,
        from_at: float | None = None,
        to_at: float | None = None,
        *,
        address: Callable[[str], str] | None = None,
    ) -> str:
        """One playlist over all parts, its slices by short-lived links or at the `address` of each key. `not_found`
        where there is no slice; `invalid` where there are too many for one answer."""
        recording = await self.read(caller, recording_id)
        entries = await merged_slices(self._database, recording_id, from_at, to_at)
        if not entries:
            raise ServiceError(Code.NOT_FOUND, "no slice of it was found yet", detail="no_slices")
        if address is None:
            address = (await self._links(recording, [one.key for one in entries])).__getitem__
        return write_playlist(entries, address)

    # --- notifications -------------------------------------------------------------------------------------------

    async def receive_notice(self, app: str, body: bytes, signature_v2: str | None, signature_v1: str | None) -> None:
        """Keep one notification; returns when it is durable. Nothing is understood here (agora-reference §7).

        Raises `ServiceError`: not_found (unknown app), unauthorized (signature), unavailable (not durable)."""
        settings = self._settings.apps.get(app)
        if settings is None:
            raise ServiceError(Code.NOT_FOUND, "no such app")
        if not self._signed(settings, body, signature_v2, signature_v1):
            intake.counted(None, "rejected")
            raise ServiceError(Code.UNAUTHORIZED, "the signature is not valid")
        await self._inbox.put(incoming(app, body, self._clock()))
        self._wake_notices()

    def _signed(self, app: App, body: bytes, signature_v2: str | None, signature_v1: str | None) -> bool:
        if not app.ncs_secrets:  # only an app that is being set up may have none; only the console's Check gets in
            notice = parse_notice(body) if app.setup else None
            return notice is not None and notice.cname == TEST_CNAME
        secrets = [secret.get() for secret in app.ncs_secrets]
        return verify_signature(body, signature_v2, signature_v1, secrets, accept_sha1=app.accept_sha1)

    async def checked_events(self, app: str) -> set[int]:
        """The event types that the console's Check has shown to this app so far (agora-reference §7.5)."""
        return await self._database.run(lambda connection: inbox_rows.tested_events(connection, app))

    async def ready(self) -> None:
        """Really writes to and reads from the database. Raises `ServiceError` (unavailable)."""
        await self._database.run(check_writable)


def _load(connection: sa.Connection, caller: Caller, recording_id: str, *, lock: bool) -> Recording:
    recording = rows.load_recording(connection, recording_id, owner=caller.owner, lock=lock)
    if recording is None:
        raise ServiceError(Code.NOT_FOUND, "no such recording")
    return recording


def _unsupported() -> ServiceError:
    message = "Agora refused to update this task; the recording goes on as it was"
    return ServiceError(Code.CONFLICT, message, detail="unsupported_by_agora")


def _no_room() -> ServiceError:
    message = "the disk of the database is full: what runs goes on and can be stopped, nothing new is started"
    return ServiceError(Code.UNAVAILABLE, message, detail="disk_full", retry_after_seconds=30)


def _updatable(recording: Recording) -> Attempt | None:
    """The task that an update goes to now; none while nothing records."""
    attempt = recording.attempt
    recorded = attempt is not None and attempt.recording_at is not None
    return attempt if recording.state is State.RECORDING and recorded else None


def _onhold_answered(recording: Recording) -> bool:
    attempt = _updatable(recording)
    return attempt is None or attempt.onhold == recording.pause_wished


def _rtmp_answered(recording: Recording) -> bool:
    attempt = _updatable(recording)
    return attempt is None or attempt.rtmp_version >= recording.rtmp_version


def _live(token: tokens.Token, now: float) -> bool:
    return token.revoked_at is None and (token.expires_at is None or now < token.expires_at)


def _page(found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    return Page(tuple(found[:limit]), cursor(found[limit - 1]) if len(found) > limit else None)
