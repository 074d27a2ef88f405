"""What callers are shown: one model per resource, and the functions that fill them. Pure.

Explicit models on purpose: what is not named here never leaves, however much the domain's types may grow. Evidence
carries its age, so that nobody takes yesterday's look at the bucket for today's.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from handlers.instants import InstantOut
from service.explain import Certainty
from service.messages import MessageType
from service.operations import ActionKind, FileEntry, Listed, Page
from service.recording import Attempt, AttemptState, Blame, EndReason, Recording, State
from service.report import FileKind, Level, MissingClass, Report, ReportSummary, Severity, Verdict

T = TypeVar("T")


class View(BaseModel):
    """A part of an answer, filled from the domain object with the same field names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class AttentionView(View):
    """Something waits for the outside world or for a person."""

    code: str
    detail: str
    since_at: InstantOut
    next_try_at: InstantOut | None


class LocationView(View):
    """Where the objects are. `region` is Agora's number."""

    vendor: int
    region: int
    bucket: str
    prefix: Annotated[str, Field(description="All objects of the recording lie below it; with the closing slash")]


class ParametersView(View):
    """What Agora was asked to do, presets filled in."""

    video_width: int
    video_height: int
    video_fps: int
    video_bitrate: int | None
    audio_profile: int
    mobile: bool
    max_recording_hour: int
    max_video_duration: int
    ready_timeout: int
    onhold: bool
    av_file_type: tuple[str, ...]


class AttemptView(View):
    """One Agora task made for the recording."""

    number: int
    state: AttemptState
    cname: str
    uid: Annotated[str, BeforeValidator(str)]
    sid: str | None
    resource_id: str | None
    planned_at: InstantOut
    acquired_at: InstantOut | None
    start_sent_at: InstantOut | None
    started_at: InstantOut | None
    recording_at: InstantOut | None
    stop_sent_at: InstantOut | None
    stop_accepted_at: InstantOut | None
    ended_at: InstantOut | None
    uploaded_at: InstantOut | None


class PausedView(View):
    """`confirmed`: what Agora last showed; `wished`: what the caller last asked for."""

    wished: bool
    confirmed: bool


class IntervalView(View):
    """`to_at` null: not yet over."""

    from_at: InstantOut
    to_at: InstantOut | None


class InstantsView(View):
    """When what happened. `started_at`: Agora took it; `recording_at`: the first attempt recorded."""

    requested_at: InstantOut
    start_at: InstantOut | None
    stop_at: InstantOut | None
    started_at: InstantOut | None
    recording_at: InstantOut | None
    stop_wished_at: InstantOut | None
    ended_at: InstantOut | None
    state_since_at: InstantOut


class FilesView(View):
    """What the newest listing showed, and how old it is. `last_slice_at`: when the newest slice arrived."""

    slices: int
    bytes: int
    last_slice_at: InstantOut | None
    listed_at: InstantOut | None
    age_seconds: float | None


class CoverageView(View):
    """The time account. `expected` = wanted window less pauses; `share` = covered ÷ expected, at most 1."""

    window: IntervalView
    expected_seconds: float
    covered_seconds: float
    paused_seconds: float
    missing_seconds: float
    unexplained_seconds: float
    allowed_seconds: float
    share: float


class FindingView(View):
    """One thing that a look found. `code` is stable, `object` a key, `text` a sentence for a person."""

    code: str
    severity: Severity
    text: str
    object: str | None
    interval: IntervalView | None
    evidence: dict[str, str | int | float | bool | None]


class ReportView(View):
    """The newest look at the bucket. It may differ from a terminal `state`, which never changes."""

    number: int
    verdict: Verdict
    level: Level
    judged_at: InstantOut
    age_seconds: float
    warnings: int
    findings: Annotated[tuple[FindingView, ...], Field(description="The first of them, the most severe first")]
    findings_count: int


class MissingView(View):
    """Wanted time without media. `explained` time does not count against the allowance."""

    kind: MissingClass
    from_at: InstantOut
    to_at: InstantOut
    seconds: float
    explained: bool


class WholeReportView(View):
    """One look at the bucket: all it found, the timeline of all parts, and what the look cost.

    `covered`, `paused`, `missing` and `doubled` are stretches of the wanted window. `seed` says which samples were
    taken, `drift_seconds` is what many small holes add up to."""

    number: int
    verdict: Verdict
    level: Level
    judged_at: InstantOut
    findings: tuple[FindingView, ...]
    coverage: CoverageView | None
    covered: tuple[IntervalView, ...]
    paused: tuple[IntervalView, ...]
    missing: tuple[MissingView, ...]
    doubled: tuple[IntervalView, ...]
    drift_seconds: float
    seed: int
    samples: int
    requests: int
    bytes_read: int
    cpu_seconds: float


class LinksView(View):
    """Where to go on."""

    self: str
    timeline: str
    files: str


class RecordingView(View):
    """What was asked for, and all that is known about it. `verdict`, `level`, `coverage` are the newest report's."""

    id: str
    state: State
    attention: AttentionView | None
    end_reason: EndReason | None
    blame: Blame | None
    page: Annotated[str, Field(description="The page without user, query and fragment")]
    rtmp: Annotated[str | None, Field(description="Scheme and host of the RTMP target")]
    app: str
    storage: str
    location: LocationView
    parameters: ParametersView
    labels: dict[str, str]
    notify: Annotated[tuple[str, ...], Field(description="Endpoints that are told what happens")]
    attempts: tuple[AttemptView, ...]
    billed_seconds: Annotated[float, Field(description="How long its tasks ran, pauses included; what runs, up to now")]
    paused: PausedView
    pauses: tuple[IntervalView, ...]
    instants: InstantsView
    files: FilesView
    coverage: CoverageView | None
    verdict: Verdict | None
    level: Annotated[Level | None, Field(description="How deep the proof goes")]
    latest_report: ReportView | None
    warnings: tuple[str, ...]
    links: LinksView


class HistoryView(View):
    """One thing that happened. `count` > 1: that many equal progress notices, the last one at `at`."""

    number: int
    at: InstantOut
    kind: str
    source: str
    detail: dict[str, Any]
    count: int


class ProofView(View):
    """What shows it, and when it was seen. `source`: `caller`, `agora`, `notice`, `bucket` or `worker`."""

    at: InstantOut
    source: str
    text: str


class ExplanationView(View):
    """Why a recording is as it is. `cause`: an end reason, the code of a finding, an attention or a warning, or one of
    `backup_upload`, `fine`, `under_way`, `unknown`."""

    summary: str
    cause: str
    certainty: Certainty
    blame: Blame | None
    proof: tuple[ProofView, ...]
    advice: str


class FileView(View):
    """A file of the recording and who has seen it. `missing`: a witness named it, the bucket does not have it."""

    key: str
    kind: FileKind
    size_bytes: int | None
    etag: str | None
    modified_at: InstantOut | None
    starts_at: InstantOut | None
    duration_seconds: float | None
    announced: bool
    listed: bool
    in_playlist: bool
    missing: bool
    first_seen_at: InstantOut
    judged_at: InstantOut | None
    link: Annotated[str | None, Field(description="A presigned link, if asked for. It is a secret")]


class NoticeView(View):
    """A notification from Agora as stored, without its raw bytes."""

    id: int
    app: str
    notice_id: str
    received_at: InstantOut
    event_type: int | None
    sid: str | None
    cname: str | None
    outcome: str
    recording_id: str | None
    tries: int


class EventView(View):
    """One thing that a caller is told. `document` is what endpoints get as the body."""

    id: str
    type: MessageType
    recording_id: str
    at: InstantOut
    document: dict[str, Any]


class DeliveryView(View):
    """What became of one message at one endpoint. `error` is a word of ours, never text of theirs."""

    message_id: str
    recording_id: str
    type: MessageType
    endpoint: str
    state: Annotated[str, Field(description="`pending`, `delivered`, `dead` or `skipped`")]
    at: InstantOut
    tries: int
    next_try_at: InstantOut
    last_status: int | None
    last_error: str | None
    ended_at: InstantOut | None


class EndpointView(View):
    """An endpoint and how it does; `pending` and `dead` count the caller's own messages."""

    name: str
    url: Annotated[str, Field(description="Scheme and host")]
    state: Annotated[str, Field(description="`ok`, `failing`, or `disabled`: it answered 410")]
    failing_since: InstantOut | None
    next_try_at: InstantOut | None
    last_error: str | None
    pending: int
    dead: int


class EndpointList(View):
    """Endpoints by name."""

    items: tuple[EndpointView, ...]


class ActionView(View):
    """One thing that was asked for. `subject`: the id of a recording, notification or message, or an endpoint's name
    (`all`: every endpoint)."""

    at: InstantOut
    action: ActionKind
    subject: str
    token_id: Annotated[str, Field(description="Which token asked; `pagereel token list` shows them")]


class RedrivenView(View):
    """How many deliveries are tried again."""

    redriven: int


class PageView(View, Generic[T]):
    """A page of a list. `next`: the cursor of the following page, null at the end."""

    items: tuple[T, ...]
    next: str | None


class RecordingPage(PageView[RecordingView]):
    """Recordings, newest first."""


class HistoryPage(PageView[HistoryView]):
    """What happened to a recording, oldest first."""


class FilePage(PageView[FileView]):
    """The files of a recording."""


class NoticePage(PageView[NoticeView]):
    """Stored notifications, newest first."""


class ActionPage(PageView[ActionView]):
    """What was asked for, newest first."""


class EventPage(View):
    """Events in the order of the feed. `next` goes on behind them, also where there is none yet."""

    items: tuple[EventView, ...]
    next: str


class DeliveryPage(PageView[DeliveryView]):
    """Deliveries, newest message first."""


class UsageItemView(View):
    """One app and price class. `cost` is its share of the whole; only whole classes are rounded up to minutes."""

    app: str
    resolution: Literal["hd", "full_hd"]
    tasks: int
    seconds: float
    cost: float


class UsageView(View):
    """A month's use. `cost` has the minutes of each price class rounded up, as Agora bills them."""

    month: str
    from_at: InstantOut
    to_at: InstantOut
    currency: str
    seconds: float
    cost: float
    minutes_per_month: Annotated[float | None, Field(description="The owner's limit, if there is one")]
    items: tuple[UsageItemView, ...]


class StatusView(View):
    """A sign of life."""

    status: str


def view_recording(recording: Recording, now: float) -> RecordingView:
    """The resource as it is at `now`, which gives evidence its age."""
    report = recording.latest_report
    return RecordingView.model_validate(
        {name: getattr(recording, name) for name in _SAME}
        | {
            "location": _pick(recording.location, LocationView, prefix=recording.key_prefix),
            "billed_seconds": round(sum(_ran(attempt, now) for attempt in recording.attempts), 3),
            "paused": {
                "wished": recording.pause_wished,
                "confirmed": recording.attempt is not None and recording.attempt.onhold,
            },
            "instants": _pick(
                recording,
                InstantsView,
                started_at=_first(attempt.started_at for attempt in recording.attempts),
                recording_at=_first(attempt.recording_at for attempt in recording.attempts),
            ),
            "files": _files(recording, now),
            "coverage": report and report.coverage,
            "verdict": report and report.verdict,
            "level": report and report.level,
            "latest_report": report and _report(report, now),
            "links": _links(recording.id),
        }
    )


def render_recording(recording: Recording, now: float) -> bytes:
    """The resource's JSON."""
    return render(view_recording(recording, now))


def render_recordings(page: Page[Listed], now: float) -> bytes:
    """The JSON of one page of recordings."""
    return render(RecordingPage(items=tuple(view_recording(item.decode(), now) for item in page.items), next=page.next))


def view_file(entry: FileEntry) -> FileView:
    """One file: what was judged, and when it was seen."""
    return FileView.model_validate(
        _pick(entry.file, FileView, **{name: getattr(entry, name) for name in ("first_seen_at", "judged_at", "link")})
    )


def render_report(number: int, report: Report) -> bytes:
    """The JSON of a whole report."""
    return render(WholeReportView.model_validate(_pick(report, WholeReportView, number=number)))


def render(view: BaseModel) -> bytes:
    """JSON of a view."""
    return view.__pydantic_serializer__.to_json(view)


_SAME = (
    "id",
    "state",
    "attention",
    "end_reason",
    "blame",
    "page",
    "rtmp",
    "app",
    "storage",
    "parameters",
    "labels",
    "notify",
    "attempts",
    "pauses",
    "warnings",
)


def _pick(source: object, view: type[View], **given: object) -> dict[str, object]:
    return {name: given[name] if name in given else getattr(source, name) for name in view.model_fields}


def _first(instants: Any) -> float | None:
    return min((at for at in instants if at is not None), default=None)


def _ran(attempt: Attempt, now: float) -> float:
    return 0 if attempt.started_at is None else (attempt.ended_at or now) - attempt.started_at


def _files(recording: Recording, now: float) -> dict[str, object]:
    watch = recording.watch
    return {
        "slices": watch.slices,
        "bytes": watch.size_bytes,
        "last_slice_at": watch.last_slice_at,
        "listed_at": watch.listed_at,
        "age_seconds": _age(watch.listed_at, now),
    }


def _report(report: ReportSummary, now: float) -> dict[str, object]:
    return _pick(report, ReportView, age_seconds=_age(report.judged_at, now))


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(0.0, now - at), 3)


def _links(recording_id: str) -> dict[str, str]:
    here = f"/v1/recordings/{recording_id}"
    return {"self": here, "timeline": f"{here}/timeline", "files": f"{here}/files"}
