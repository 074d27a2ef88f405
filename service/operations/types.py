"""What goes into a use case and what comes out of it. Pure data."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from service.recording import RestartRule, State
from service.report import JudgedFile, Level

T = TypeVar("T")


class Scope(StrEnum):
    """What a token may do. `operate` includes stored notifications and replays."""

    READ = "read"
    START = "start"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token acts for. `apps` and `storages` None: any."""

    token_id: str
    owner: str
    scopes: frozenset[Scope]
    apps: frozenset[str] | None = None
    storages: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A request for a recording, types and ranges already checked. `parameters` holds only what the caller named
    (field names of `recording.Parameters`); the preset gives the rest."""

    url: str
    app: str | None = None
    storage: str | None = None
    preset: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    rtmp_url: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    max_missing_seconds: float | None = None
    level: Level | None = None
    restart: RestartRule | None = None
    max_restarts: int | None = None
    start_at: float | None = None
    stop_at: float | None = None
    record_for_seconds: float | None = None
    sound: bool | None = None
    start_within_seconds: float | None = None
    notify: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The caller's `Idempotency-Key` and the request body it came with, in one form however its values are written.
    `raw`: the body as it came, which is what earlier versions kept a hash of."""

    key: str
    body: bytes
    raw: bytes | None = None

    @property
    def forms(self) -> tuple[bytes, ...]:
        """What a kept hash may be of."""
        return (self.body,) if self.raw is None else (self.body, self.raw)


@dataclass(frozen=True, slots=True)
class Answer:
    """What `start` answers: the rendered body as first given, and whether it was stored before."""

    recording_id: str
    body: bytes
    replayed: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is an opaque cursor, or None at the end."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """`labels`: all must be equal. Instants compare with `requested_at`: from (inclusive) to (exclusive). `planned`:
    whether it waits for its `start_at`; `warned`: whether its newest report has warnings; None: either."""

    states: frozenset[State] = frozenset()
    app: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    from_at: float | None = None
    to_at: float | None = None
    planned: bool | None = None
    warned: bool | None = None


UNDER_WAY = frozenset(
    {State.REQUESTED, State.STARTING, State.RECORDING, State.STOPPING, State.UPLOADING, State.VERIFYING}
)
NEEDS_REVIEW = frozenset({State.INCOMPLETE, State.DEFECTIVE, State.UNPROVEN, State.FAILED})
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recordings an owner has; `MOST_COUNTED` stands for so many or more. `under_way` leaves out what is
    `planned`; `warned` are verified, with warnings."""

    all: int
    planned: int
    under_way: int
    needs_review: int
    warned: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened. `count` > 1: a run of equal progress notices folded into one line, the last at `at`."""

    number: int
    at: float
    kind: str
    source: str
    detail: dict[str, Any]
    count: int = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a recording, when it was first seen and last judged, and a presigned link if asked for."""

    file: JudgedFile
    first_seen_at: float
    judged_at: float | None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notification as stored, without its raw bytes. `outcome`: see `tables.OUTCOMES`."""

    id: int
    app: str
    notice_id: str
    received_at: float
    event_type: int | None
    sid: str | None
    cname: str | None
    outcome: str
    recording_id: str | None
    tries: int
