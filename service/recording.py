"""The model of a recording and its known state.

Pure data. A timestamp is a `float` of Unix seconds and its name ends in `_at`; names of durations end in `_seconds`,
and of sizes in `_bytes`. All values are immutable and stored as the JSON document of the row. They contain no secret,
because page and RTMP URLs are sealed separately and appear here only in redacted form.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from service.policy import Policy
from service.report import Interval, Level, ReportSummary, Verdict


class State(StrEnum):
    """The state of a recording. The last five are terminal and never change."""

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
"""States without a running task in which files may still arrive."""
ADOPTED = "lost: adopted"
"""The `page` of an adopted recording, whose URL is unknown."""


class AttemptState(StrEnum):
    """The state of one Agora task. From `start_sent` until `ended` it may be running and billed."""

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
    """The reason why a recording ended; `blame` names who is responsible."""

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
    """The parameters of a start (agora-reference §3.3). `video_bitrate` in kbit/s, `max_video_duration` in minutes."""

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
    """The fixed place of a recording in a bucket. Keys are not part of it, because they rotate and the place does not.

    `region` is Agora's number. `endpoint` is a URL with scheme, or None for the vendor's own. `prefix` contains the
    components that all attempts share (each of `[a-zA-Z0-9]`), so the attempts' objects are below `"/".join(prefix) +
    "/"`.
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
    """A condition that waits for an outside system or for a person. It is shown next to the state until it ends."""

    code: str
    detail: str
    since_at: float
    next_try_at: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One Agora task made for a recording. Agora identifies it by (`cname`, `uid`).

    `prefix` is the object key prefix with its closing slash, and is unique to the attempt.

    Start: `resource_ids` are all resource ids acquired for the attempt, and `resource_id` is the one used in calls.
    `undecided` is true if the outcome of a start, or the resource id under which it took effect, is unknown.
    `start_sent_at` is the first start that may have taken effect, `start_resent_at` is the last, and `hours` is the
    longest hour limit among them. `probed` is true if a start was sent under another resource id, so that another task
    may begin when one ends; `past_sids` are the sids of the ended tasks. `refused_at` is when Agora first refused a
    repeated start for its content. `expired` counts consecutive starts with an expired resource id. `delayed_by` is the
    failure that delayed the start.

    End: `missing_since_at` is the first uncontradicted sign of the end (a 404, or a notice: `told_ended`), and
    `seen_at` is the last sign of life. `rechecks` counts queries made after an end that is inferred from a 404 alone.
    `shown_until` is the time until which notices and files show that the task ran. `stops` is the number of stops sent,
    and `stop_again_at` is when the next one is due. `counted_until` is when the task was first assumed to have ended;
    the metrics contain its time up to then.

    Updates: `update_sent_at` is the first pause or resume that Agora has not confirmed. `rtmp` and `rtmp_version` are
    the current push target.
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
        """Return whether the task is known only from files, because the database was restored to a time before its
        start. Without a resource id, Agora cannot be queried."""
        return self.sid is not None and self.resource_id is None

    @property
    def several(self) -> bool:
        """Return whether several tasks may have been made in sequence, one per resource id."""
        return len(self.resource_ids) > 1


@dataclass(frozen=True, slots=True)
class Watch:
    """The results of listings during the recording. `last_slice_at` is when the newest slice arrived, and `sampled_at`
    when the last decoded slice did. `after_key` is the key after which the next LIST continues. `unreachable` is the
    reason why the bucket cannot be listed, and is empty after a successful listing."""

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
    """A caller's request for a recording, and its known state.

    `page` and `rtmp` are redacted. `window_from_at` is the start of the requested window, before the start allowance:
    `start_at`, the accepted request or, for a start on hold, the accepted resume (None until then). Requested changes
    (`stop_wished_at`, `pause_wished`, `rtmp_version`) are level-triggered: they stay until Agora shows the same.
    `record_for_seconds` is the requested length. It counts from `recorded_from_at`, which is set together with
    `stop_at` when the task is known to record. `sound` states whether the page is expected to play audio; False means
    that silence is acceptable, and None that the files decide. `emulated` is true if an emulator records it. `notify`
    names the endpoints that receive its messages. `warned` contains the codes of the warnings in the newest report of a
    readable bucket, and `warned_level` is the deepest level that found them.
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
        """Return when the recording will start, if it waits for its start."""
        return self.start_at if self.state is State.REQUESTED else None

    @property
    def length_seconds(self) -> float | None:
        """Return `record_for_seconds`, unless a caller's later `stop_at` has replaced it."""
        length, begin, stop_at = self.record_for_seconds, self.recorded_from_at, self.stop_at
        if length is None or stop_at is None:
            return length
        return length if begin is not None and stop_at == begin + length else None

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict of the newest report. Return None if nothing was recorded, because no file will arrive."""
        report = self.latest_report
        return None if report is None or self.state in (State.FAILED, State.CANCELLED) else report.verdict

    @property
    def attempt(self) -> Attempt | None:
        """Return the newest attempt. An older attempt has ended or is a leftover."""
        return self.attempts[-1] if self.attempts else None

    @property
    def leftovers(self) -> tuple[Attempt, ...]:
        """Return older attempts that were assumed to have ended but turned out to be running. They are stopped, and
        nothing is started until then."""
        return tuple(attempt for attempt in self.attempts[:-1] if attempt.may_be_alive)

    @property
    def key_prefix(self) -> str:
        """Return the key prefix of all objects of this recording, with the closing slash."""
        return "".join(f"{part}/" for part in self.location.prefix)


@dataclass(frozen=True, slots=True)
class Notice:
    """One parsed notification from Agora (agora-reference §7.4, §8). Unknown values are None or empty."""

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
