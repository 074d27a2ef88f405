"""What the service answers, one class for each schema of its OpenAPI document, field by field.

Instants are aware `datetime`s, lengths seconds, sizes bytes. Fields that this version does not know are left out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pagereel_client.words import (
    ActionKind,
    AttemptState,
    Blame,
    Certainty,
    EndReason,
    FileKind,
    Level,
    MessageType,
    MissingClass,
    Severity,
    State,
    Verdict,
)


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
class Interval:
    """`to_at` null: not yet over."""

    from_at: datetime
    to_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The time account. `expected` = wanted window less pauses; `share` = covered ÷ expected, at most 1."""

    window: Interval
    expected_seconds: float
    covered_seconds: float
    paused_seconds: float
    missing_seconds: float
    unexplained_seconds: float
    allowed_seconds: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one message at one endpoint. `last_error` is a word of ours, `last_answer` text of theirs."""

    message_id: str
    recording_id: str
    type: MessageType
    endpoint: str
    state: str
    at: datetime
    tries: int
    next_try_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_answer: str | None
    ended_at: datetime | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many recordings the owner has, of each kind; 1000 stands for so many or more."""

    all: int
    planned: int
    under_way: int
    needs_review: int
    warned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint and how it does; `pending` and `dead` count the caller's own messages."""

    name: str
    url: str
    state: str
    failing_since: datetime | None
    next_try_at: datetime | None
    last_error: str | None
    pending: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a caller is told. `document` is what endpoints get as the body."""

    id: str
    type: MessageType
    recording_id: str
    at: datetime
    document: dict[str, Any]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A file of the recording and who has seen it. `missing`: a witness named it, the bucket does not have it.

    `sha256` is the hex digest, where a look read every byte; `checksum` is the store's own, with its name in front
    (`crc64nvme:…`); `etag` is a change mark and no hash."""

    key: str
    kind: FileKind
    size_bytes: int | None
    etag: str | None
    modified_at: datetime | None
    starts_at: datetime | None
    duration_seconds: float | None
    announced: bool
    listed: bool
    in_playlist: bool
    missing: bool
    sha256: str | None
    checksum: str | None
    first_seen_at: datetime
    judged_at: datetime | None
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSeen:
    """What the newest listing showed, and how old it is. `last_slice_at`: when the newest slice arrived."""

    slices: int
    bytes: int
    last_slice_at: datetime | None
    listed_at: datetime | None
    age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a look found. `code` is stable, `object` a key, `text` a sentence for a person."""

    code: str
    severity: Severity
    text: str
    object: str | None
    interval: Interval | None
    evidence: dict[str, str | int | float | bool | None]


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
class Instants:
    """When what happened. `started_at`: Agora took it; `recording_at`: the first attempt recorded."""

    requested_at: datetime
    start_at: datetime | None
    stop_at: datetime | None
    started_at: datetime | None
    recording_at: datetime | None
    stop_wished_at: datetime | None
    ended_at: datetime | None
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
class Notification:
    """A notification from Agora as stored, without its raw bytes."""

    id: int
    app: str
    notice_id: str
    received_at: datetime
    event_type: int | None
    sid: str | None
    cname: str | None
    outcome: str
    recording_id: str | None
    tries: int


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
class Report:
    """The newest look at the bucket. It may differ from a terminal `state`, which never changes."""

    number: int
    verdict: Verdict
    level: Level
    wanted_level: Level | None
    rules_version: int
    judged_at: datetime
    age_seconds: float
    warnings: int
    findings: tuple[Finding, ...]
    findings_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Wanted time without media. `explained` time does not count against the allowance."""

    kind: MissingClass
    from_at: datetime
    to_at: datetime
    seconds: float
    explained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeReport:
    """One look at the bucket: all it found, the timeline of all parts, and what the look cost."""

    number: int
    verdict: Verdict
    level: Level
    wanted_level: Level | None
    rules_version: int
    judged_at: datetime
    findings: tuple[Finding, ...]
    coverage: Coverage | None
    covered: tuple[Interval, ...]
    paused: tuple[Interval, ...]
    missing: tuple[Missing, ...]
    doubled: tuple[Interval, ...]
    drift_seconds: float
    seed: int
    samples: int
    requests: int
    bytes_read: int
    cpu_seconds: float


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
class Action:
    """One thing that was asked for. `subject`: the id of a recording, notification or message, or an endpoint."""

    at: datetime
    action: ActionKind
    subject: str
    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """How many deliveries are tried again."""

    redriven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageItem:
    """One app and price class. `cost` is its share of the whole; only whole classes are rounded up to minutes."""

    app: str
    resolution: Literal["hd", "full_hd"]
    tasks: int
    seconds: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A month's use. `cost` has the minutes of each price class rounded up, as Agora bills them."""

    month: str
    from_at: datetime
    to_at: datetime
    currency: str
    seconds: float
    cost: float
    minutes_per_month: float | None
    items: tuple[UsageItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in the order of the feed. `next` goes on behind them, also where there is none yet."""

    items: tuple[Event, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointList:
    """Endpoints by name."""

    items: tuple[Endpoint, ...]
