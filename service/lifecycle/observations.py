"""The observations and steps that are the input and the output of the lifecycle. Pure data."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from service.recording import EndReason, Notice, Recording
from service.report import Because, Level, Report


class Call(StrEnum):
    """A call to Agora."""

    ACQUIRE = "acquire"
    START = "start"
    QUERY = "query"
    UPDATE = "update"
    STOP = "stop"


class Failure(StrEnum):
    """How an outside call failed. Each `OutsideError` has one value."""

    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown_outcome"


# --- steps: what must happen next -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acquire:
    """Get a resource id. If `new` is true, it is for a new attempt, otherwise for the newest one (same cname and
    uid)."""

    new: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Start the task of the newest attempt with an hour limit of `hours`."""

    hours: int


@dataclass(frozen=True, slots=True)
class Query:
    """Query the state of a task. `leftover` is the number of an older attempt, or None for the newest."""

    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateOnhold:
    """Pause (True) or resume (False)."""

    onhold: bool


@dataclass(frozen=True, slots=True)
class UpdateRtmp:
    """Send the CDN push target with this version; `shown` is its redacted form."""

    version: int
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateStorage:
    """Send fresh STS credentials."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the task of the newest attempt. `reason` becomes the end reason if none is set yet. For `leftover`, see
    `Query`."""

    reason: EndReason
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """List the new objects in the bucket."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Verify all objects of the recording in the bucket."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop trying to start a task, or to stop a task that must have ended by now. This makes no call. For `leftover`,
    see `Query`."""

    reason: EndReason
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """Warn the caller of a condition that arose by the passage of time. This makes no call."""

    code: str


Step = Acquire | Start | Query | UpdateOnhold | UpdateRtmp | UpdateStorage | Stop | Look | Verify | GiveUp | Warn


def name_of(step: Step) -> str:
    """Return the name of a step in logs, metrics and the history: `update_onhold` of `UpdateOnhold`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(step).__name__).lower()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due before `until_at`. If it is None, nothing is due until the next observation."""

    until_at: float | None


# --- observations ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The caller requests an immediate stop."""


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """The caller requests a pause."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """The caller requests the end of a pause."""


@dataclass(frozen=True, slots=True)
class RtmpRequested:
    """The caller requests another push target; `shown` is its redacted form."""

    shown: str


@dataclass(frozen=True, slots=True)
class StopAtChanged:
    stop_at: float


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class VerifyRequested:
    """The caller requests another verification, at the recording's own level if `level` is None."""

    level: Level | None = None


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step about to be taken. It is committed before its call is sent, so that a later process knows which calls may
    have taken effect.

    `uid` is fresh and random, for a step that plans a new attempt. `due_at` is the time since which the row was due.
    `working_from_at` is the time since which the worker that takes the step has been running. Each is None if unknown.
    """

    step: Step
    uid: int
    due_at: float | None = None
    working_from_at: float | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """A setting's limit, named here, currently prevents a new task."""

    limit: str


@dataclass(frozen=True, slots=True)
class PageTried:
    """Whether a live sealing key opens the URL of the page. This is tested before the start needs the URL."""

    readable: bool


@dataclass(frozen=True, slots=True)
class TaskFound:
    """The bucket holds files of an attempt that the row does not contain or records as not started, because the
    database was restored to a time before that start. The original uid is lost, so `uid` is one that no attempt
    uses."""

    number: int
    sid: str
    uid: int


@dataclass(frozen=True, slots=True)
class Acquired:
    resource_id: str


@dataclass(frozen=True, slots=True)
class Started:
    """Agora answered a start. If `sid` is None, the task runs but the answer did not contain its sid. `sts` is true if
    the storage keys expire. `attempt` is the number of the attempt, or None for the newest."""

    sid: str | None
    sts: bool = False
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """The answer to a query (agora-reference §4)."""

    status: int
    onhold: bool | None = None
    exited: bool = False
    files: tuple[str, ...] = ()
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class TaskMissing:
    """404 `failed to find worker`: evidence, but not yet proof, of an end (agora-reference §10.3)."""

    call: Call
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class Updated:
    """Agora accepted the update of `step`. `sts` is true if the storage keys that were sent expire."""

    step: UpdateOnhold | UpdateRtmp | UpdateStorage
    sts: bool = True


@dataclass(frozen=True, slots=True)
class Stopped:
    """Agora accepted the stop (agora-reference §6). `already` is true if Agora is still carrying out an earlier
    stop."""

    nothing_recorded: bool = False
    already: bool = False
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call to Agora failed. `code` is the client's error code."""

    step: Step
    failure: Failure
    code: str
    detail: str = ""
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """The result of a LIST after the last known key: new slices, and the key at which the next LIST continues.

    `sids` maps an attempt's number to the sid in the object names below that attempt's unique prefix. `picture`
    (`fine`, `black`, `white`, `blank`, `error_page`, `none`) and `silent` describe the newest slices. They are None if
    the slices were not examined or contain too little audio to decide. `began_at` and `first_at` are the times at which
    the newest and the oldest slice begin, by the clock of the recorder. `ended` is true if the last playlist is
    complete; it is only read if Agora cannot be queried.
    """

    slices: int
    size_bytes: int
    after_key: str
    last_slice_at: float | None
    sids: dict[int, str] = field(default_factory=dict)
    picture: str | None = None
    silent: bool | None = None
    began_at: float | None = None
    first_at: float | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class LookFailed:
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class LookHeldUp:
    """The bucket does not answer a verification that is in progress and keeps retrying. An empty `code` means that the
    bucket answers again."""

    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verification produced a report. `because` states why it differs from the previous report, if the two were
    compared."""

    report: Report
    because: Because | None = None


@dataclass(frozen=True, slots=True)
class NoticeReceived:
    """A notification from Agora that belongs to this recording."""

    notice: Notice


def subject(observation: "Observation") -> int | None:
    """Return the number of the attempt that an observation concerns, or None for the newest."""
    match observation:
        case Started(attempt=number) | TaskSeen(leftover=number) | TaskMissing(leftover=number):
            return number
        case Stopped(leftover=number):
            return number
        case StepTaken(step=Query() | Stop() | GiveUp() as step) | CallFailed(step=Query() | Stop() as step):
            return step.leftover
    return None


Observation = (
    StopRequested | PauseRequested | ResumeRequested | RtmpRequested | StopAtChanged | LabelsChanged | VerifyRequested
    | StepTaken | Limited | PageTried | TaskFound | Acquired | Started | TaskSeen | TaskMissing | Updated | Stopped
    | CallFailed | Looked | LookFailed | LookHeldUp | Judged | NoticeReceived
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the recording's history. `kind` is a stable identifier; `detail` holds no secret."""

    kind: str
    detail: dict[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """The result of an observation: the changed recording, and the entries for its history."""

    recording: Recording
    history: tuple[Entry, ...] = ()
