"""A recording and its parts, its history, and why it is as it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pagereel_client.models.reports import Coverage, FilesSeen, Interval, Report
from pagereel_client.words import AttemptState, Blame, Certainty, EndReason, Level, State, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One Agora task made for the recording."""

    number: int
    state: AttemptState
    cname: str
    uid: str
    sid: str | None
    resource_id: str | None
    planned_at: datetime
    acquired_at: datetime | None
    start_sent_at: datetime | None
    started_at: datetime | None
    recording_at: datetime | None
    stop_sent_at: datetime | None
    stop_accepted_at: datetime | None
    ended_at: datetime | None
    uploaded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something waits for the outside world or for a person."""

    code: str
    detail: str
    since_at: datetime
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instants:
    """When what happened. `started_at`: Agora took it; `recording_at`: the first attempt recorded."""

    requested_at: datetime
    start_at: datetime | None
    stop_at: datetime | None
    started_at: datetime | None
    recording_at: datetime | None
    stop_wished_at: datetime | None
    ended_at: datetime | None
    end_inferred: bool
    state_since_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where to go on."""

    self: str
    timeline: str
    files: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the objects are. `region` is Agora's number."""

    vendor: int
    region: int
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """`confirmed`: what Agora last showed; `wished`: what the caller last asked for."""

    wished: bool
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When it starts and ends, how long it runs, and when its bucket is verified next."""

    planned_start_at: datetime
    planned_stop_at: datetime
    planned_seconds: float
    hour_limit_at: datetime
    elapsed_seconds: float | None
    next_verification_at: datetime | None
    give_up_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was asked for, and all that is known about it. `verdict`, levels and `coverage` are the newest report's."""

    id: str
    state: State
    attention: Attention | None
    end_reason: EndReason | None
    blame: Blame | None
    page: str
    rtmp: str | None
    app: str
    storage: str
    location: Location
    parameters: Parameters
    labels: dict[str, str]
    notify: tuple[str, ...]
    record_for_seconds: float | None
    sound: bool | None
    emulated: bool
    attempts: tuple[Attempt, ...]
    billed_seconds: float
    paused: Paused
    pauses: tuple[Interval, ...]
    instants: Instants
    schedule: Schedule
    files: FilesSeen
    coverage: Coverage | None
    verdict: Verdict | None
    level: Level | None
    wanted_level: Level | None
    latest_report: Report | None
    warnings: tuple[str, ...]
    warned: tuple[str, ...]
    links: Links


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many recordings the owner has, of each kind; 1000 stands for so many or more."""

    all: int
    planned: int
    under_way: int
    needs_review: int
    warned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One thing that happened. `count` > 1: that many equal progress notices, the last one at `at`."""

    number: int
    at: datetime
    kind: str
    source: str
    detail: dict[str, Any]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What shows it, and when it was seen. `source`: `caller`, `agora`, `notice`, `bucket` or `worker`."""

    at: datetime
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a recording is as it is. `cause` is a reason, a finding's or an attention's code, `fine`, `warned`,
    `under_way` or `unknown`."""

    summary: str
    cause: str
    certainty: Certainty
    blame: Blame | None
    proof: tuple[Proof, ...]
    advice: str
