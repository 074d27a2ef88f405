"""A recording: what was asked for, and all that is known about it."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from handlers.requests.instants import InstantOut
from handlers.resources.view import IntervalView, PageView, View, age_of, pick, render
from service.lifecycle.deadlines import (
    elapsed_seconds,
    end_inferred,
    latest_end_at,
    over_at,
    planned_seconds,
    planned_start_at,
    planned_stop_at,
    ran_until,
)
from service.operations import Listed, Page
from service.recording import AWAITED, Attempt, AttemptState, Blame, EndReason, Recording, State
from service.report import Level, ReportSummary, Severity, Verdict, rules_of

WantedLevel = Annotated[
    Level | None, Field(description="The level that was asked for; null in reports of earlier versions")
]
RulesVersion = Annotated[
    int, Field(description="Number of the rules that judged; the same bytes are judged otherwise only where it differs")
]


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


class InstantsView(View):
    """When what happened. `started_at`: Agora took it; `recording_at`: the first attempt recorded."""

    requested_at: InstantOut
    start_at: InstantOut | None
    stop_at: InstantOut | None
    started_at: InstantOut | None
    recording_at: InstantOut | None
    stop_wished_at: InstantOut | None
    ended_at: InstantOut | None
    end_inferred: Annotated[
        bool,
        Field(
            description="The end of a task was not reported, and it was found over later: `ended_at` and the lengths "
            "reach to the last sign of it, and are about right"
        ),
    ]
    state_since_at: InstantOut


class ScheduleView(View):
    """When it starts and ends, how long it runs, and when its bucket is verified next."""

    planned_start_at: Annotated[InstantOut, Field(description="`start_at`, or the request")]
    planned_stop_at: Annotated[
        InstantOut, Field(description="The earliest of a caller's stop, `stop_at` and the hour limit")
    ]
    planned_seconds: Annotated[
        float, Field(description="`record_for_seconds`, or from the planned start to the planned stop if that is less")
    ]
    hour_limit_at: Annotated[
        InstantOut,
        Field(
            description="When it ends at the latest: `max_recording_hour`, counted from the first start, is used up, "
            "or the fewer hours that Agora was asked for because of `stop_at`. No later `stop_at` is accepted"
        ),
    ]
    elapsed_seconds: Annotated[
        float | None, Field(description="How long it has recorded, pauses included; null: nothing was recorded")
    ]
    next_verification_at: Annotated[
        InstantOut | None, Field(description="While files are awaited: when the bucket is looked at next")
    ]
    give_up_at: Annotated[InstantOut | None, Field(description="While files are awaited: until when they are")]


class FilesView(View):
    """What the newest listing showed, and how old it is. `last_slice_at`: when the newest slice arrived."""

    slices: int
    bytes: Annotated[int, Field(description="Of all files, the MP4 among them; while it records, of the slices")]
    last_slice_at: InstantOut | None
    listed_at: InstantOut | None
    age_seconds: float | None


class CoverageView(View):
    """The time account. `expected` = wanted window less pauses; `share` = covered ÷ expected, ≤ 1; null for none."""

    window: IntervalView
    expected_seconds: float
    covered_seconds: float
    paused_seconds: float
    missing_seconds: float
    unexplained_seconds: float
    allowed_seconds: float
    share: float | None


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
    level: Annotated[Level, Field(description="The level that was reached")]
    wanted_level: WantedLevel
    rules_version: RulesVersion
    judged_at: InstantOut
    age_seconds: float
    warnings: int
    findings: Annotated[tuple[FindingView, ...], Field(description="The first of them, the most severe first")]
    findings_count: int


class LinksView(View):
    """Where to go on."""

    self: str
    timeline: str
    files: str


class RecordingView(View):
    """What was asked for, and all that is known about it. `verdict`, levels and `coverage` are the newest report's."""

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
    notify: Annotated[tuple[str, ...], Field(description="Endpoints that get its messages")]
    record_for_seconds: Annotated[
        float | None,
        Field(
            description="How long it is to be recorded; `stop_at` is set when it begins to record. Null where a later "
            "change of `stop_at` took its place"
        ),
    ]
    sound: Annotated[
        bool | None,
        Field(
            description="Whether the page is expected to make sound; `false`: silence is fine, null: as in the files"
        ),
    ]
    emulated: Annotated[
        bool,
        Field(
            description="It was asked of an emulator on the service's machine instead of Agora. That one draws a "
            "synthetic picture, and opens the page only if it runs with a browser"
        ),
    ]
    attempts: tuple[AttemptView, ...]
    billed_seconds: Annotated[float, Field(description="How long its tasks ran, pauses included; what runs, up to now")]
    paused: PausedView
    pauses: tuple[IntervalView, ...]
    instants: InstantsView
    schedule: ScheduleView
    files: FilesView
    coverage: CoverageView | None
    verdict: Annotated[
        Verdict | None, Field(description="What the newest report says of its files; null where nothing was recorded")
    ]
    level: Annotated[Level | None, Field(description="How deep the proof goes: the level that was reached")]
    wanted_level: WantedLevel
    latest_report: ReportView | None
    warnings: Annotated[tuple[str, ...], Field(description="What was noticed while it was recorded")]
    warned: Annotated[
        tuple[str, ...],
        Field(
            description="Codes of the newest report's findings of severity `warning`, and of its errors where a later "
            "verification of a verified recording has any; `state` stays what it is",
        ),
    ]
    links: LinksView


class RecordingPage(PageView[RecordingView]):
    """Recordings, newest first; with `planned=true` the next start first."""


class CountsView(View):
    """How many recordings the owner has, of each kind; 1000 stands for so many or more."""

    all: int
    planned: Annotated[int, Field(description="They wait for their `start_at`")]
    under_way: Annotated[int, Field(description="Not over, and neither `planned` nor `incomplete`")]
    needs_review: Annotated[int, Field(description="`incomplete`, `defective`, `unproven` or `failed`")]
    warned: Annotated[int, Field(description="`verified`, with warnings: `state=verified&warned=true`")]


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
    "sound",
    "emulated",
    "pauses",
    "warnings",
    "warned",
)


def view_recording(recording: Recording, now: float) -> RecordingView:
    """The resource as it is at `now`, which gives evidence its age."""
    report = recording.latest_report
    return RecordingView.model_validate(
        {name: getattr(recording, name) for name in _SAME}
        | {
            "record_for_seconds": recording.length_seconds,
            "location": pick(recording.location, LocationView, prefix=recording.key_prefix),
            "attempts": [
                pick(attempt, AttemptView, ended_at=ran_until(recording, attempt)) for attempt in recording.attempts
            ],
            "billed_seconds": round(sum(_ran(recording, attempt, now) for attempt in recording.attempts), 3),
            "paused": {
                "wished": recording.pause_wished,
                "confirmed": recording.attempt is not None and recording.attempt.onhold,
            },
            "instants": pick(
                recording,
                InstantsView,
                started_at=_first(attempt.started_at for attempt in recording.attempts),
                recording_at=_first(attempt.recording_at for attempt in recording.attempts),
                ended_at=over_at(recording),
                end_inferred=end_inferred(recording),
            ),
            "schedule": _schedule(recording, now),
            "files": _files(recording, now),
            "coverage": report and report.coverage,
            "verdict": recording.verdict,
            "level": report and report.level,
            "wanted_level": report and report.wanted_level,
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


def _first(instants: Any) -> float | None:
    return min((at for at in instants if at is not None), default=None)


def _ran(recording: Recording, attempt: Attempt, now: float) -> float:
    if attempt.started_at is None:
        return 0
    return max(0.0, (ran_until(recording, attempt) or now) - attempt.started_at)


def _schedule(recording: Recording, now: float) -> dict[str, object]:
    elapsed, awaited = elapsed_seconds(recording, now), recording.state in AWAITED
    return {
        "planned_start_at": planned_start_at(recording),
        "planned_stop_at": planned_stop_at(recording),
        "planned_seconds": round(planned_seconds(recording), 3),
        "hour_limit_at": latest_end_at(recording),
        "elapsed_seconds": elapsed and round(elapsed, 3),
        "next_verification_at": recording.next_look_at if awaited else None,
        "give_up_at": recording.give_up_at if awaited else None,
    }


def _files(recording: Recording, now: float) -> dict[str, object]:
    watch = recording.watch
    return {
        "slices": watch.slices,
        "bytes": watch.size_bytes,
        "last_slice_at": watch.last_slice_at,
        "listed_at": watch.listed_at,
        "age_seconds": age_of(watch.listed_at, now),
    }


def _report(report: ReportSummary, now: float) -> dict[str, object]:
    return pick(report, ReportView, age_seconds=age_of(report.judged_at, now), rules_version=rules_of(report))


def _links(recording_id: str) -> dict[str, str]:
    here = f"/v1/recordings/{recording_id}"
    return {"self": here, "timeline": f"{here}/timeline", "files": f"{here}/files"}
