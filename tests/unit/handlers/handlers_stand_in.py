"""An object at our own door: answers every use case from memory and writes down each call. Real operations are behind
the same door in the end-to-end tests."""

from dataclasses import dataclass, field
from typing import Any

from service.database.documents import encode
from service.errors import Code, ServiceError
from service.operations import Answer, Caller, Counts, FileEntry, HistoryEntry, Listed, Page, Scope, StoredNotice
from service.policy import Policy
from service.recording import Attempt, AttemptState, Location, Parameters, Recording, State, Watch
from service.report import (
    Coverage,
    FileKind,
    Finding,
    Interval,
    JudgedFile,
    Level,
    Missing,
    MissingClass,
    Pictures,
    Report,
    ReportSummary,
    Severity,
    Verdict,
)

NOW = 1_800_000_000.0
ID = "rec_01JZ8Q4S9XH2M7C5V0T3KBWDNE"
TOKENS = {
    "all": frozenset(Scope),
    "reader": frozenset({Scope.READ}),
    "starter": frozenset({Scope.START}),
}

COVERAGE = Coverage(Interval(NOW - 90, NOW - 30), 60, 60, 0, 0, 0, 5, 1)
FINDINGS = (Finding("pause", Severity.WARNING, "Paused.", None, Interval(NOW - 50, NOW - 40), {"seconds": 10}),)
RECORDING = Recording(
    id=ID,
    owner="school",
    app="main",
    storage="bucket",
    location=Location(1, 2, "lessons", None, False, ("recs", "abc")),
    parameters=Parameters(private_params="hidden-tuning"),
    policy=Policy(),
    page="https://example.org/lesson?…",
    rtmp="rtmp://live.example.org",
    requested_at=NOW - 100,
    cname="pr_rec",
    labels={"room": "7"},
    state=State.RECORDING,
    state_since_at=NOW - 80.5,
    attempts=(
        Attempt(
            number=1,
            cname="pr_rec",
            uid=527841,
            prefix="recs/abc/1/",
            planned_at=NOW - 99,
            state=AttemptState.RUNNING,
            resource_id="resource-1",
            resource_ids=("resource-1",),
            sid="sid-1",
            started_at=NOW - 95,
            recording_at=NOW - 90,
            onhold=True,
        ),
    ),
    pause_wished=True,
    pauses=(Interval(NOW - 20, None),),
    watch=Watch(slices=4, size_bytes=4096, last_slice_at=NOW - 15, listed_at=NOW - 12),
    latest_report=ReportSummary(
        1,
        Verdict.VERIFIED,
        Level.STRUCTURE,
        NOW - 7.25,
        warnings=1,
        findings=FINDINGS,
        findings_count=3,
        coverage=COVERAGE,
    ),
    warnings=("late_notice",),
)
NOTICE = StoredNotice(5, "main", "n-1", NOW, 71, "sid-1", "pr_rec", "parked", None, 2)
HISTORY = HistoryEntry(1, NOW - 100, "requested", "caller", {"scope": "start"})
FILE = FileEntry(JudgedFile("recs/abc/1/a.ts", FileKind.SLICE, 1024, "etag", NOW - 50), NOW - 40, None)


@dataclass
class StandIn:
    """`calls` has every use case but `authenticate`; `error`, when set, is what each of them raises."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    error: Exception | None = None
    replayed: bool = False

    def _note(self, name: str, *facts: Any) -> None:
        self.calls.append((name, facts))
        if self.error is not None:
            raise self.error

    async def authenticate(self, token: str) -> Caller:
        if token not in TOKENS:
            raise ServiceError(Code.UNAUTHORIZED, "The token is not valid.")
        return Caller(token, "school", TOKENS[token])

    async def start(self, caller: Any, wish: Any, idempotency: Any, render: Any) -> Answer:
        self._note("start", wish, idempotency)
        return Answer(ID, render(RECORDING), self.replayed)

    async def wait_recording(self, caller: Any, recording_id: str, seconds: float) -> Recording:
        self._note("wait_recording", recording_id, seconds)
        return RECORDING

    async def read(self, caller: Any, recording_id: str) -> Recording:
        self._note("read", recording_id)
        return RECORDING

    async def list(self, caller: Any, where: Any, cursor: Any, limit: int) -> Page[Listed]:
        self._note("list", where, cursor, limit)
        return Page((Listed(RECORDING.requested_at, RECORDING.id, encode(RECORDING)),), "next-1")

    async def counts(self, caller: Any) -> Counts:
        self._note("counts")
        return Counts(all=1000, planned=14, under_way=3, needs_review=2, warned=1)

    async def change(self, caller: Any, recording_id: str, **given: Any) -> Recording:
        self._note("change", recording_id, given)
        return RECORDING

    async def stop(self, caller: Any, recording_id: str) -> Recording:
        self._note("stop", recording_id)
        return RECORDING

    async def pause(self, caller: Any, recording_id: str) -> Recording:
        self._note("pause", recording_id)
        return RECORDING

    async def resume(self, caller: Any, recording_id: str) -> Recording:
        self._note("resume", recording_id)
        return RECORDING

    async def set_rtmp(self, caller: Any, recording_id: str, rtmp_url: str) -> Recording:
        self._note("set_rtmp", recording_id, rtmp_url)
        return RECORDING

    async def report(self, caller: Any, recording_id: str, number: int | None) -> tuple[int, Report]:
        self._note("report", recording_id, number)
        missing = Missing(MissingClass.GAP, NOW + 5, NOW + 7.5, explained=False)
        return number or 3, Report(Verdict.VERIFIED, Level.CONTENT, NOW, missing=(missing,), requests=97, seed=11)

    async def pictures(self, caller: Any, recording_id: str) -> Pictures:
        self._note("pictures", recording_id)
        return Pictures(b"a poster", b"a sheet")

    async def verify(self, caller: Any, recording_id: str, level: Level | None = None) -> Recording:
        self._note("verify", recording_id, *[level] * (level is not None))
        return RECORDING

    async def timeline(self, caller: Any, recording_id: str, cursor: Any, limit: int) -> Page[HistoryEntry]:
        self._note("timeline", recording_id, cursor, limit)
        return Page((HISTORY,), None)

    async def files(self, caller: Any, recording_id: str, cursor: Any, limit: int, *, links: bool) -> Page[FileEntry]:
        self._note("files", recording_id, cursor, limit, links)
        return Page((FILE,), None)

    async def manifest(self, caller: Any, recording_id: str, *, timestamp: bool = False) -> bytes:
        self._note("manifest", recording_id, timestamp)
        return b"{}"

    async def playlist(self, caller: Any, recording_id: str, from_at: Any, to_at: Any) -> str:
        self._note("playlist", recording_id, from_at, to_at)
        return "#EXTM3U\n"

    async def notices(self, caller: Any, **where: Any) -> Page[StoredNotice]:
        self._note("notices", where)
        return Page((NOTICE,), None)

    @property
    def itself(self) -> "StandIn":
        """All groups of use cases are one here."""
        return self

    access = adoption = evidence = receiving = incoming = messages = itself

    async def adopt(self, caller: Any, lost: Any) -> Recording:
        self._note("adopt", lost)
        return RECORDING

    async def redrive(self, caller: Any, **named: Any) -> int:
        self._note("redrive", named)
        return 2

    async def replay(self, caller: Any, notice_id: int) -> StoredNotice:
        self._note("replay", notice_id)
        return NOTICE

    async def receive(self, app: str, body: bytes, v2: str | None, v1: str | None, peer: str | None) -> None:
        self._note("receive", app, body, v2, v1)

    async def ready(self) -> None:
        self._note("ready")
