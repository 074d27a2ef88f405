"""The client: a method for each operation of the API, and the few things that callers build from them.

Methods give what the service said, or raise what `errors` lists. Lists are iterators that fetch page by page. Nothing
here decides anything about a recording; the service does.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypedDict, Unpack
from urllib.parse import quote

from pagereel_client.arguments import among, checked_wishes, labelled, listed, moment, number, text
from pagereel_client.calls import PAGE, Calls
from pagereel_client.errors import WaitedTooLong
from pagereel_client.models import (
    Action,
    Counts,
    Delivery,
    Endpoint,
    EndpointList,
    EventPage,
    Explanation,
    HistoryEntry,
    Notification,
    RecordedFile,
    Recording,
    Redriven,
    Usage,
    WholeReport,
)
from pagereel_client.transport import Query
from pagereel_client.words import STATES, TERMINAL, Level, State

LONGEST_WAIT_SECONDS: Final = 60


class Wishes(TypedDict, total=False):
    """What a recording may be asked for besides its page. What is left out comes from the service's preset."""

    app: str
    storage: str
    preset: str
    video_width: int
    video_height: int
    video_fps: int
    video_bitrate: int
    audio_profile: int
    mobile: bool
    max_recording_hour: int
    max_video_duration: int
    ready_timeout: int
    onhold: bool
    av_file_type: list[Literal["hls", "mp4"]]
    rtmp_url: str
    labels: dict[str, str]
    max_missing_seconds: float
    restart: Literal["never", "on_failure"]
    max_restarts: int
    level: Level
    start_at: datetime
    stop_at: datetime
    record_for_seconds: float
    sound: bool
    start_within_seconds: float
    notify: list[str]


class Client(Calls):
    """One service, called with one token. To be used with `async with`, or closed.

    `http`: a session of the caller's own, which stays open. Raises `ConfigurationError`, a `ValueError`, for what can
    be no token or no URL. Arguments of a wrong kind are a `TypeError` or `ValueError` that names them. A client can be
    made anywhere; it belongs to the event loop of its first call.
    """

    # --- recordings ---

    async def record(
        self, url: str, for_seconds: float, *, patience_seconds: float | None = None, **wishes: Unpack[Wishes]
    ) -> Recording:
        """Record a page for `for_seconds` and wait for the verdict; return the recording in its terminal state.

        The seconds count from when the page is being recorded. The service ends the recording, also where this process
        does not live so long. Raises `WaitedTooLong` when there is no verdict `patience_seconds` after the planned end
        (None: wait however long it takes).
        """
        number("for_seconds", for_seconds, positive=True)
        if patience_seconds is not None:
            number("patience_seconds", patience_seconds)
        checked_wishes(wishes)
        ends_at = (wishes.get("start_at") or datetime.now(UTC)) + timedelta(seconds=for_seconds)
        wishes["record_for_seconds"] = for_seconds
        recording = await self.start(url, **wishes)
        seconds = None
        if patience_seconds is not None:
            seconds = max(0, (ends_at - datetime.now(UTC)).total_seconds()) + patience_seconds
        return await self.wait(recording.id, seconds=seconds)

    async def start(
        self, url: str, *, wait_seconds: int = 0, idempotency_key: str | None = None, **wishes: Unpack[Wishes]
    ) -> Recording:
        """Ask for a recording. With `wait_seconds` the answer comes when it records or has ended, or after so long.

        The call is repeated under one key, so it never makes two. A caller who may die and ask again gives its own
        `idempotency_key`, such as the id of its lesson.
        """
        text("url", url)
        checked_wishes(wishes)
        number("wait_seconds", wait_seconds)
        headers = {"Idempotency-Key": uuid.uuid4().hex if idempotency_key is None else idempotency_key}
        if wait_seconds:
            headers["Prefer"] = f"wait={wait_seconds}"
        body = {"url": url, **wishes}
        return await self._json(
            Recording, "POST", "/v1/recordings", body=body, headers=headers, wait_seconds=wait_seconds
        )

    async def wait(
        self,
        recording_id: str,
        states: Collection[State] = TERMINAL,
        *,
        seconds: float | None = None,
        every_seconds: float = 2,
    ) -> Recording:
        """The recording once it is in one of `states`, or in a state that never changes. Raises `WaitedTooLong`."""
        wanted = among("states", listed("states", states), STATES)
        number("every_seconds", every_seconds)
        if seconds is not None:
            number("seconds", seconds)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            recording = await self.read(recording_id)
            if recording.state in wanted or recording.state in TERMINAL:
                return recording
            passed = loop.time() - began
            if seconds is not None and passed >= seconds:
                raise WaitedTooLong(recording, passed)
            await asyncio.sleep(every_seconds if seconds is None else min(every_seconds, seconds - passed))

    async def read(self, recording_id: str) -> Recording:
        """One recording."""
        return await self._json(Recording, "GET", _one(recording_id))

    def recordings(
        self,
        *,
        states: Collection[State] = (),
        app: str | None = None,
        labels: Mapping[str, str] | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        planned: bool | None = None,
        warned: bool | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Recording]:
        """Recordings, newest first; all conditions must hold. `planned`: whether it waits for its start (then the next
        start comes first); `warned`: whether its newest report has warnings."""
        pairs = [f"{name}:{value}" for name, value in labelled("labels", labels or {}).items()]
        query: Query = {"state": listed("states", states), "app": app, "label": pairs, "from": from_at, "to": to_at}
        return self._items(Recording, "/v1/recordings", {**query, "planned": planned, "warned": warned}, limit)

    async def counts(self) -> Counts:
        """How many recordings the owner has, by what they need."""
        return await self._json(Counts, "GET", "/v1/counts")

    async def change(
        self, recording_id: str, *, stop_at: datetime | None = None, labels: Mapping[str, str] | None = None
    ) -> Recording:
        """Change when it stops, or all its labels."""
        given = {
            "stop_at": None if stop_at is None else moment("stop_at", stop_at),
            "labels": None if labels is None else labelled("labels", labels),
        }
        body = {name: value for name, value in given.items() if value is not None}
        return await self._json(Recording, "PATCH", _one(recording_id), body=body)

    async def stop(self, recording_id: str) -> Recording:
        """Ask for its end. The service sees to it until nothing records any more."""
        return await self._json(Recording, "POST", f"{_one(recording_id)}/stop")

    async def pause(self, recording_id: str) -> Recording:
        """Ask for a pause. It is billed, and not counted as missing."""
        return await self._json(Recording, "POST", f"{_one(recording_id)}/pause", repeatable=False)

    async def resume(self, recording_id: str) -> Recording:
        """Ask for a pause's end, or for the beginning of what was started on hold."""
        return await self._json(Recording, "POST", f"{_one(recording_id)}/resume", repeatable=False)

    async def set_rtmp(self, recording_id: str, rtmp_url: str) -> Recording:
        """Push to another target from now on."""
        return await self._json(Recording, "PUT", f"{_one(recording_id)}/rtmp", body={"rtmp_url": rtmp_url})

    async def verify(self, recording_id: str, *, level: Level | None = None) -> Recording:
        """Ask for a new look at the bucket; its result will be `latest_report`."""
        query = {"level": level}
        return await self._json(Recording, "POST", f"{_one(recording_id)}/verify", query=query, repeatable=False)

    def timeline(self, recording_id: str, *, limit: int | None = None) -> AsyncIterator[HistoryEntry]:
        """What happened to it, oldest first, and who said so."""
        return self._items(HistoryEntry, f"{_one(recording_id)}/timeline", {}, limit)

    async def explain(self, recording_id: str) -> Explanation:
        """Why it is as it is, in plain words."""
        return await self._json(Explanation, "GET", f"{_one(recording_id)}/explanation")

    def files(self, recording_id: str, *, links: bool = False, limit: int | None = None) -> AsyncIterator[RecordedFile]:
        """Its files; with `links` each has a presigned link, which is a secret and soon expires."""
        return self._items(RecordedFile, f"{_one(recording_id)}/files", {"links": links}, limit)

    async def report(self, recording_id: str, number: int | None = None) -> WholeReport:
        """One look at the bucket as a whole; the newest unless a number is given."""
        return await self._json(WholeReport, "GET", f"{_one(recording_id)}/report", query={"number": number})

    async def support_bundle(self, recording_id: str) -> bytes:
        """All that is known of it as one ZIP archive without secrets. Scope `operate`."""
        return await self._read(f"{_one(recording_id)}/support-bundle")

    async def poster(self, recording_id: str) -> bytes:
        """One picture of it, as JPEG."""
        return await self._read(f"{_one(recording_id)}/poster")

    async def contact_sheet(self, recording_id: str) -> bytes:
        """Many small pictures of it in one JPEG."""
        return await self._read(f"{_one(recording_id)}/contact-sheet")

    async def manifest(self, recording_id: str, *, timestamp: bool = False) -> bytes:
        """The signed manifest of the newest report; `pagereel manifest check` checks it. With `timestamp` it is stamped
        by the service's RFC 3161 authority, where that answers in time: the check says so."""
        return await self._read(f"{_one(recording_id)}/manifest", {"timestamp": timestamp or None})

    async def playlist(
        self, recording_id: str, *, from_at: datetime | None = None, to_at: datetime | None = None
    ) -> str:
        """One playlist over all parts. Its links are secrets that soon expire."""
        query: Query = {"from": from_at, "to": to_at}
        return (await self._read(f"{_one(recording_id)}/playlist.m3u8", query)).decode(errors="replace")

    # --- what happened ---

    async def events(self, after: str | None = None) -> AsyncIterator[EventPage]:
        """The feed without end, in pages that hold at least one event. Waits for what is still to come.

        `page.next` is where to go on: keep it with what the page's events have changed, and nothing is missed. None
        begins with the oldest.
        """
        while True:
            page = await self.events_page(after, wait_seconds=LONGEST_WAIT_SECONDS // 2)
            after = page.next
            if page.items:
                yield page

    async def events_page(self, after: str | None = None, *, limit: int = PAGE, wait_seconds: int = 0) -> EventPage:
        """Events behind `after`; where there is none yet, wait so long for one."""
        number("wait_seconds", wait_seconds)
        query: Query = {"after": after, "limit": limit, "wait": wait_seconds}
        return await self._json(EventPage, "GET", "/v1/events", query=query, wait_seconds=wait_seconds)

    def deliveries(
        self, *, state: str | None = None, endpoint: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Delivery]:
        """Messages and what became of each at each endpoint, newest first."""
        return self._items(Delivery, "/v1/messages", {"state": state, "endpoint": endpoint}, limit)

    async def redrive(self, *, endpoint: str | None = None, messages: Collection[str] | None = None) -> int:
        """Try dead deliveries again: all, those of an endpoint, or the named; how many that are. Scope `operate`."""
        given = {"endpoint": endpoint, "messages": None if messages is None else listed("messages", messages)}
        body = {name: value for name, value in given.items() if value is not None}
        return (await self._json(Redriven, "POST", "/v1/messages/redrive", body=body, repeatable=False)).redriven

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that `notify` may name, and how each does."""
        return (await self._json(EndpointList, "GET", "/v1/endpoints")).items

    async def enable_endpoint(self, name: str) -> Endpoint:
        """Send what waits for an endpoint that was gone or failing. Scope `operate`."""
        path = f"/v1/endpoints/{quote(text('name', name), safe='')}/enable"
        return await self._json(Endpoint, "POST", path, repeatable=False)

    async def usage(self, month: str | None = None) -> Usage:
        """What a month's recordings took and cost; `month` such as `2026-11`, without it this one."""
        return await self._json(Usage, "GET", "/v1/usage", query={"month": month})

    def actions(self, *, limit: int | None = None) -> AsyncIterator[Action]:
        """What was asked for with the owner's tokens, newest first."""
        return self._items(Action, "/v1/actions", {}, limit)

    # --- for operators ---

    async def adopt(
        self,
        recording_id: str,
        *,
        app: str,
        storage: str,
        uid: int | str,
        resource_id: str,
        sid: str | None = None,
        attempt: int | None = None,
        hours: int | None = None,
        stop: bool | None = None,
        unchecked: bool | None = None,
    ) -> Recording:
        """Take over a task that the service's database has lost; its log line `acquired` has what is needed. Agora is
        asked for it first; `unchecked` adopts it whatever Agora says. Scope `operate`."""
        given = {
            **{"app": app, "storage": storage, "uid": uid, "resource_id": resource_id},
            **{"sid": sid, "attempt": attempt, "hours": hours, "stop": stop},
            "unchecked": unchecked,
        }
        body = {name: value for name, value in given.items() if value is not None}
        return await self._json(Recording, "POST", f"{_one(recording_id)}/adopt", body=body, repeatable=False)

    def notifications(
        self,
        *,
        sid: str | None = None,
        event_type: int | None = None,
        outcome: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Notification]:
        """Agora's notifications as stored, newest first. Scope `operate`."""
        query: Query = {"sid": sid, "type": event_type, "outcome": outcome}
        return self._items(Notification, "/v1/notifications", query, limit)

    async def replay_notification(self, number: int) -> Notification:
        """Let a stored notification be understood once more. Scope `operate`."""
        return await self._json(Notification, "POST", f"/v1/notifications/{number}/replay", repeatable=False)

    async def alive(self) -> None:
        """Raises where the process does not answer."""
        await self._read("/healthz")

    async def ready(self) -> None:
        """Raises where the service cannot do its work."""
        await self._read("/readyz")

    async def metrics(self) -> str:
        """The metrics as Prometheus reads them."""
        return (await self._read("/metrics")).decode(errors="replace")

    async def openapi(self) -> dict[str, Any]:
        """The API's own description."""
        return await self._json(dict[str, Any], "GET", "/openapi.json")

    async def documentation(self) -> str:
        """The API's documentation, an HTML page."""
        return (await self._read("/docs")).decode(errors="replace")


def _one(recording_id: str) -> str:
    return f"/v1/recordings/{quote(text('recording_id', recording_id), safe='')}"
