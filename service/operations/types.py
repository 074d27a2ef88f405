"""Inputs and results of the use cases. Pure data."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from service.recording import RestartRule, State
from service.report import JudgedFile, Level

T = TypeVar("T")


class Scope(StrEnum):
    """The rights of a token. `operate` includes stored notifications and replays."""

    READ = "read"
    START = "start"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner that a token acts for, and the token's rights. If `apps` or `storages` is None, any is allowed."""

    token_id: str
    owner: str
    scopes: frozenset[Scope]
    apps: frozenset[str] | None = None
    storages: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A request for a recording, with types and ranges already checked. `parameters` contains only values that the
    caller set (field names of `recording.Parameters`). The preset provides the other values."""

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
    """The caller's `Idempotency-Key` and its request body in canonical form. `raw` is the original body, which earlier
    versions hashed."""

    key: str
    body: bytes
    raw: bytes | None = None

    @property
    def forms(self) -> tuple[bytes, ...]:
        """Return the forms of the body that a stored hash may cover."""
        return (self.body,) if self.raw is None else (self.body, self.raw)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of `start`, which is the body as first rendered and whether it was stored before."""

    recording_id: str
    body: bytes
    replayed: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list. `next` is an opaque cursor, or None on the last page."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """A filter for recordings. `labels` must all be equal. The times are compared with `requested_at`: from (inclusive)
    to (exclusive). `planned` selects recordings that wait for their `start_at`, and `warned` those whose newest report
    has warnings. None selects either."""

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
    """The numbers of an owner's recordings, each limited to `MOST_COUNTED`. `under_way` excludes `planned` recordings.
    `warned` counts verified recordings with warnings."""

    all: int
    planned: int
    under_way: int
    needs_review: int
    warned: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of a history. If `count` is greater than 1, a run of equal lines is folded into this one, and `at` is
    the time of the last."""

    number: int
    at: float
    kind: str
    source: str
    detail: dict[str, Any]
    count: int = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a recording, when it was first seen and last checked, and a presigned link if requested."""

    file: JudgedFile
    first_seen_at: float
    judged_at: float | None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notification as stored, without its raw bytes. For `outcome`, see `tables.OUTCOMES`."""

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
