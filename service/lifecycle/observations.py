"""What can be observed, and what can be done about it: the input and the output of the lifecycle. Pure data."""

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
    """How a call to the outside failed; the three `OutsideError`s."""

    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown_outcome"


# --- steps: what must happen next -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acquire:
    """Get a resource id. `new`: for a new attempt, otherwise for the one there is (same cname and uid)."""

    new: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Start the task of the newest attempt, `hours` being its hour limit."""

    hours: int


@dataclass(frozen=True, slots=True)
class Query:
    """Ask Agora how the task is. `leftover`: not that of the newest attempt, but of the one with this number."""

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
    """Stop the task of the newest attempt; `reason` is why, where nobody wished it yet. `leftover` as in `Query`."""

    reason: EndReason
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """LIST what is new in the bucket."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Judge all that is in the bucket."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop trying to start, or to stop what must be over by now. Needs no call. `leftover` as in `Query`."""

    reason: EndReason
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the caller of something that time alone brought about. Needs no call."""

    code: str


Step = Acquire | Start | Query | UpdateOnhold | UpdateRtmp | UpdateStorage | Stop | Look | Verify | GiveUp | Warn


def name_of(step: Step) -> str:
    """Return the name of a step in logs, metrics and the history: `update_onhold` of `UpdateOnhold`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(step).__name__).lower()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until_at`; None: nothing until something is observed."""

    until_at: float | None


# --- observations ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The caller wants it to end now."""


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """The caller wants no slices for now."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """The caller wants slices again."""


@dataclass(frozen=True, slots=True)
class RtmpRequested:
    """The caller wants another push target; `shown` is its redacted form."""

    shown: str


@dataclass(frozen=True, slots=True)
class StopAtChanged:
    stop_at: float


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class VerifyRequested:
    """The caller wants another look at the bucket; `level` None: as deep as the recording's own."""

    level: Level | None = None


@dataclass(frozen=True, slots=True)
class StepTaken:
    """Committed before the step's call is sent, so that a process killed anywhere finds out what it may have done.

    `uid` is fresh and random, for the case that the step plans a new attempt. `due_at`: since when the row was due, and
    `working_from_at`: since when the worker works that takes the step; None where nobody knows."""

    step: Step
    uid: int
    due_at: float | None = None
    working_from_at: float | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """A task was to be made, and a limit of the settings forbids it for now; its name."""

    limit: str


@dataclass(frozen=True, slots=True)
class PageTried:
    """Whether a live sealing key opens the URL of the page, tried before the start needs it."""

    readable: bool


@dataclass(frozen=True, slots=True)
class TaskFound:
    """The bucket holds files of an attempt that the row does not know, or believes not started: the database was put
    back to before its start. `uid` is one that no attempt of ours has, since the true one is lost."""

    number: int
    sid: str
    uid: int


@dataclass(frozen=True, slots=True)
class Acquired:
    resource_id: str


@dataclass(frozen=True, slots=True)
class Started:
    """`sid` None: it runs, but the answer did not say under which id. `sts`: the storage keys expire. `attempt`: whose
    start was answered; None for the newest."""

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
    """404 `failed to find worker`; evidence, not yet proof, of an end (agora-reference §10.3)."""

    call: Call
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class Updated:
    """Agora accepted the update of `step`. `sts`: the storage keys sent expire."""

    step: UpdateOnhold | UpdateRtmp | UpdateStorage
    sts: bool = True


@dataclass(frozen=True, slots=True)
class Stopped:
    """Agora accepted the stop (agora-reference §6). `already`: an earlier one is being carried out."""

    nothing_recorded: bool = False
    already: bool = False
    leftover: int | None = None


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call to Agora failed. `code` as given by the client."""

    step: Step
    failure: Failure
    code: str
    detail: str = ""
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What a LIST after the last known key showed: new slices and where the next LIST goes on.

    `sids`: attempt number → sid, read from the object names below that attempt's unique prefix. `picture` (`fine`,
    `black`, `white`, `blank`, `error_page`, `none`) and `silent`: what the newest slices show; None: not looked at, or
    too little heard to say. `began_at`: when the newest of them begins, by the clock of its recorder; `first_at`: when
    the oldest does. `ended`: the last playlist says that it is complete; only looked at where Agora cannot be asked."""

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
    """The bucket does not answer a verification that is under way and goes on asking; `code` empty: it does again."""

    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A look at the bucket was judged. `because`: why its report differs from the one before, if compared."""

    report: Report
    because: Because | None = None


@dataclass(frozen=True, slots=True)
class NoticeReceived:
    """A notification from Agora that belongs to this recording."""

    notice: Notice


def subject(observation: "Observation") -> int | None:
    """The number of the attempt that an observation is about, where it is not simply the newest."""
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
    """A line of the recording's history. `kind` is a stable word; `detail` holds no secret."""

    kind: str
    detail: dict[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What an observation makes of a recording: its new self, and what to write into history."""

    recording: Recording
    history: tuple[Entry, ...] = ()
