"""The words of the domain: what a recording is, and what is known about it.

Pure data. An instant is a `float` of Unix seconds and ends in `_at`; lengths end in `_seconds`, sizes in `_bytes`.
Everything here is immutable and is stored as the JSON document of its row; it holds no secret (page and RTMP URLs are
kept sealed beside it, and appear here only in their redacted form).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from service.policy import Policy
from service.report import Interval, Level, ReportSummary, Verdict


class State(StrEnum):
    """Where a recording is. The last five are terminal and never change."""

    REQUESTED = "requested"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"
    UPLOADING = "uploading"
    VERIFYING = "verifying"
    INCOMPLETE = "incomplete"
    VERIFIED = "verified"
    DEFECTIVE = "defective"
    UNPROVEN = "unproven"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({State.VERIFIED, State.DEFECTIVE, State.UNPROVEN, State.FAILED, State.CANCELLED})
AWAITED = frozenset({State.UPLOADING, State.VERIFYING, State.INCOMPLETE})
"""Nothing runs any more, and files may still come."""
ADOPTED = "lost: adopted"
"""What stands for the page of an adopted recording, which nobody knows."""


class AttemptState(StrEnum):
    """Where one Agora task is. From `start_sent` until `ended` it may be alive and billed."""

    PLANNED = "planned"
    ACQUIRED = "acquired"
    START_SENT = "start_sent"
    UNKNOWN = "unknown"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


MAY_BE_ALIVE = frozenset({AttemptState.START_SENT, AttemptState.UNKNOWN, AttemptState.RUNNING, AttemptState.STOPPING})


class Blame(StrEnum):
    """Who is responsible for an end: the caller, the page, the storage, Agora or Pagereel (`us`)."""

    CALLER = "caller"
    PAGE = "page"
    STORAGE = "storage"
    AGORA = "agora"
    US = "us"


class EndReason(StrEnum):
    """Why a recording ended; `blame` says who is responsible."""

    STOPPED = "stopped"
    STOP_AT = "stop_at"
    HOUR_LIMIT = "hour_limit"
    PAUSED_TOO_LONG = "paused_too_long"
    CAPABILITY_LIMIT = "capability_limit"
    PAGE_LOAD_TIMEOUT = "page_load_timeout"
    PAGE_UNREACHABLE = "page_unreachable"
    ENGINE_FAILED = "engine_failed"
    RECORDER_ERROR = "recorder_error"
    ENDED_BY_ITSELF = "ended_by_itself"
    STORAGE_REFUSED = "storage_refused"
    CREDENTIALS_EXPIRING = "credentials_expiring"
    REFUSED = "refused"
    CAPACITY = "capacity"
    AGORA_UNAVAILABLE = "agora_unavailable"
    LIMITED = "limited"
    MISSED = "missed"
    RESTORED = "restored"


BLAME = {
    EndReason.STOPPED: Blame.CALLER,
    EndReason.STOP_AT: Blame.CALLER,
    EndReason.HOUR_LIMIT: Blame.CALLER,
    EndReason.PAUSED_TOO_LONG: Blame.CALLER,
    EndReason.CAPABILITY_LIMIT: Blame.PAGE,
    EndReason.PAGE_LOAD_TIMEOUT: Blame.PAGE,
    EndReason.PAGE_UNREACHABLE: Blame.PAGE,
    EndReason.ENGINE_FAILED: Blame.AGORA,
    EndReason.RECORDER_ERROR: Blame.AGORA,
    EndReason.ENDED_BY_ITSELF: Blame.AGORA,
    EndReason.STORAGE_REFUSED: Blame.STORAGE,
    EndReason.CREDENTIALS_EXPIRING: Blame.STORAGE,
    EndReason.REFUSED: Blame.CALLER,
    EndReason.CAPACITY: Blame.AGORA,
    EndReason.AGORA_UNAVAILABLE: Blame.AGORA,
    EndReason.LIMITED: Blame.CALLER,
    EndReason.MISSED: Blame.US,
    EndReason.RESTORED: Blame.US,
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What Agora is asked to do (agora-reference §3.3). `video_bitrate` in kbit/s, `max_video_duration` in minutes."""

    video_width: int = 1280
    video_height: int = 720
    video_fps: int = 15
    video_bitrate: int | None = None
    audio_profile: int = 0
    mobile: bool = False
    max_recording_hour: int = 3
    max_video_duration: int = 120
    ready_timeout: int = 0
    onhold: bool = False
    av_file_type: tuple[str, ...] = ("hls", "mp4")
    private_params: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """The place in a bucket that a recording is pinned to. Keys are not part of it: they rotate, the place does not.

    `region` is Agora's number; `endpoint` a URL with scheme, or None for the vendor's own; `prefix` the components all
    attempts share (each of `[a-zA-Z0-9]`), so the attempts' objects lie below `"/".join(prefix) + "/"`.
    """

    vendor: int
    region: int
    bucket: str
    endpoint: str | None
    path_style: bool
    prefix: tuple[str, ...]


RestartRule = Literal["never", "on_failure"]


@dataclass(frozen=True, slots=True)
class Attention:
    """Something waits for the outside world or for a person; shown beside the state, gone when the wait is over."""

    code: str
    detail: str
    since_at: float
    next_try_at: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One Agora task made for a recording, known to Agora as (`cname`, `uid`).

    `prefix` is the object key prefix with its closing slash, unique to the attempt. `resource_ids` are all
    that were acquired for it, `resource_id` the one its calls go to. `undecided`: the outcome of a start is not known,
    or not under which of the resource ids it took effect. `start_sent_at` is the first start that may have had an
    effect, `start_resent_at` the last, `hours` the longest hour limit among them. `probed`: one was sent under a
    further resource id, so another task may begin as soon as one is over; `past_sids`: those that are.
    `missing_since_at` is the first sign of its end (a 404, or a notice: `told_ended`) not contradicted since, `seen_at`
    the last sign of its life. `refused_at`: when Agora first refused a repetition of its start for what it says;
    `expired`: starts in a row whose resource id was too old; `delayed_by`: the failure that kept its start waiting.
    `rechecks`: how often a task was asked after whose end rests on a 404 alone. `shown_until`: until when notices of
    its life and its files show that it ran. `stops`: how many were sent; `stop_again_at`: when the next is due although
    the last was answered, or not. `update_sent_at`: the first pause or resume that Agora has not confirmed.
    `rtmp`, `rtmp_version`: the push target that it has. `counted_until`: it was believed over then, and its time is in
    the metrics up to there.
    """

    number: int
    cname: str
    uid: int
    prefix: str
    planned_at: float
    state: AttemptState = AttemptState.PLANNED
    resource_id: str | None = None
    resource_ids: tuple[str, ...] = ()
    acquired_at: float | None = None
    start_sent_at: float | None = None
    start_resent_at: float | None = None
    hours: int | None = None
    sends: int = 0
    undecided: bool = False
    probed: bool = False
    past_sids: tuple[str, ...] = ()
    refused_at: float | None = None
    expired: int = 0
    sid: str | None = None
    started_at: float | None = None
    recording_at: float | None = None
    recorder_start_at: float | None = None
    onhold: bool = False
    rtmp_version: int = 0
    rtmp: str | None = None
    update_sent_at: float | None = None
    storage_refresh_at: float | None = None
    checks: int = 0
    next_query_at: float | None = None
    missing_since_at: float | None = None
    told_ended: str | None = None
    seen_at: float | None = None
    delayed_by: str | None = None
    stop_sent_at: float | None = None
    stops: int = 0
    stop_again_at: float | None = None
    stop_accepted_at: float | None = None
    ended_at: float | None = None
    ended_proof: str | None = None
    rechecks: int = 0
    stop_code: int | None = None
    uploaded: str | None = None
    uploaded_at: float | None = None
    announced: tuple[str, ...] = ()
    last_sequence: int | None = None
    counted_until: float | None = None
    shown_until: float | None = None

    @property
    def may_be_alive(self) -> bool:
        return self.state in MAY_BE_ALIVE

    @property
    def lost(self) -> bool:
        """Whether its files alone tell of its task: the database was put back to before its start, and Agora can be
        asked nothing without its resource id."""
        return self.sid is not None and self.resource_id is None

    @property
    def several(self) -> bool:
        """Whether more than one task may have been made, one after the other: one a resource id."""
        return len(self.resource_ids) > 1


@dataclass(frozen=True, slots=True)
class Watch:
    """What the listings during the recording showed. `last_slice_at` is when the newest slice arrived, `sampled_at`
    when the last one arrived that was decoded; `after_key` is where the next LIST goes on. `unreachable` says why the
    bucket cannot be listed, and is empty where the last listing was answered."""

    next_list_at: float | None = None
    after_key: str = ""
    slices: int = 0
    size_bytes: int = 0
    last_slice_at: float | None = None
    listed_at: float | None = None
    sampled_at: float | None = None
    unreachable_since_at: float | None = None
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a caller asked for, and all that is known about it.

    `page` and `rtmp` are redacted. `window_from_at` is where the wanted window starts, before the start allowance:
    `start_at` or the accepted request or, for a start on hold, the accepted resume (None until then). Wishes
    (`stop_wished_at`, `pause_wished`, `rtmp_version`) are level-triggered: they stand until the outside world shows
    the same. `record_for_seconds`: how long it is to be recorded, from `recorded_from_at` on, when it is known to
    record; then its `stop_at` is set. `sound`: whether the page is expected to make sound; False: silence is fine,
    None: as the files show. `emulated`: it was asked of an emulator. `notify` names the endpoints that are told what
    happens. `warned`: the codes of the warnings in the newest report of a bucket that could be read; `warned_level` is
    the deepest level that found them.
    """

    id: str
    owner: str
    app: str
    storage: str
    location: Location
    parameters: Parameters
    policy: Policy
    page: str
    rtmp: str | None
    requested_at: float
    cname: str
    labels: dict[str, str] = field(default_factory=dict)
    notify: tuple[str, ...] = ()
    start_at: float | None = None
    stop_at: float | None = None
    record_for_seconds: float | None = None
    sound: bool | None = None
    emulated: bool = False
    recorded_from_at: float | None = None
    start_deadline_at: float = 0
    state: State = State.REQUESTED
    state_since_at: float = 0
    window_from_at: float | None = None
    stop_wished_at: float | None = None
    pause_wished: bool = False
    pause_wished_at: float | None = None
    rtmp_version: int = 0
    pauses: tuple[Interval, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    failures: int = 0
    retry_at: float | None = None
    last_failure: str | None = None
    end_reason: EndReason | None = None
    blame: Blame | None = None
    ended_at: float | None = None
    attention: Attention | None = None
    warnings: tuple[str, ...] = ()
    watch: Watch = field(default_factory=Watch)
    looks: int = 0
    looks_from_at: float | None = None
    next_look_at: float | None = None
    give_up_at: float | None = None
    look_wished: bool = False
    look_level: Level | None = None
    reports: int = 0
    latest_report: ReportSummary | None = None
    warned: tuple[str, ...] = ()
    warned_level: Level | None = None
    history: int = 0
    version: int = 0

    @property
    def planned_at(self) -> float | None:
        """When it will start, while it waits for that."""
        return self.start_at if self.state is State.REQUESTED else None

    @property
    def length_seconds(self) -> float | None:
        """`record_for_seconds` while it holds: a `stop_at` that a caller gave later takes its place."""
        length, begin, stop_at = self.record_for_seconds, self.recorded_from_at, self.stop_at
        if length is None or stop_at is None:
            return length
        return length if begin is not None and stop_at == begin + length else None

    @property
    def verdict(self) -> Verdict | None:
        """What the newest report says of its files; None where nothing was recorded, since no file will come."""
        report = self.latest_report
        return None if report is None or self.state in (State.FAILED, State.CANCELLED) else report.verdict

    @property
    def attempt(self) -> Attempt | None:
        """The newest attempt. An older one is over, or a leftover."""
        return self.attempts[-1] if self.attempts else None

    @property
    def leftovers(self) -> tuple[Attempt, ...]:
        """Older attempts believed over that proved alive: they are stopped, and nothing is started meanwhile."""
        return tuple(attempt for attempt in self.attempts[:-1] if attempt.may_be_alive)

    @property
    def key_prefix(self) -> str:
        """Where in the bucket all objects of this recording lie, with the closing slash."""
        return "".join(f"{part}/" for part in self.location.prefix)


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification from Agora, parsed (agora-reference §7.4, §8). What is unknown is None or empty."""

    notice_id: str
    event_type: int
    notify_at: float | None
    sent_at: float | None
    cname: str
    uid: str
    sid: str
    sequence: int | None
    service_type: int | None
    details: dict[str, object] = field(default_factory=dict)
