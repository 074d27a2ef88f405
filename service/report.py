"""The words for what a look at the bucket showed: files, findings, coverage, verdict.

Pure data, immutable. An instant is a `float` of Unix seconds and ends in `_at`; lengths end in `_seconds`, sizes in
`_bytes`. A report holds no secret: keys of objects, never a URL.
"""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Interval:
    """From `from_at` to `to_at`; `to_at` None means not yet over."""

    from_at: float
    to_at: float | None


class Level(StrEnum):
    """How deep a verification looked; each level includes the ones before it."""

    LISTING = "listing"
    STRUCTURE = "structure"
    CONTENT = "content"
    BYTES = "bytes"
    FULL = "full"

    def reaches(self, other: "Level") -> bool:
        """Whether this level looks at everything that `other` looks at."""
        return _ORDER[self] >= _ORDER[other]


_ORDER = {level: number for number, level in enumerate(Level)}


class Verdict(StrEnum):
    """What one look at the bucket says. `unreachable` says nothing about the recording."""

    VERIFIED = "verified"
    INCOMPLETE = "incomplete"
    DEFECTIVE = "defective"
    UNREACHABLE = "unreachable"


class Because(StrEnum):
    """Why a later report differs from the one before it: objects are gone, new or changed (`BYTES`); no object is, but
    other rules judge (`RULES`) or another level was reached (`LEVEL`); `UNKNOWN`: both, or neither, as when other
    samples were taken."""

    BYTES = "bytes"
    RULES = "rules"
    LEVEL = "level"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """Errors forbid `verified`; warnings are counted; notes only inform."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class MissingClass(StrEnum):
    """Why a stretch of the wanted window has no media. `damaged`: bytes are there, but no player can play them."""

    LATE_START = "late_start"
    ENDED_EARLY = "ended_early"
    FAILOVER = "failover"
    RESTART = "restart"
    DAMAGED = "damaged"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of the wanted window without media. `explained` time does not count against the allowance."""

    kind: MissingClass
    from_at: float
    to_at: float
    explained: bool

    @property
    def seconds(self) -> float:
        return self.to_at - self.from_at


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a look found. `code` is stable and documented; `object` a key; `text` a sentence for a person."""

    code: str
    severity: Severity
    text: str
    object: str | None = None
    interval: Interval | None = None
    evidence: dict[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The time account. `expected` = wanted window less pauses; `share` = covered ÷ expected, ≤ 1; None for none."""

    window: Interval
    expected_seconds: float
    covered_seconds: float
    paused_seconds: float
    missing_seconds: float
    unexplained_seconds: float
    allowed_seconds: float
    share: float | None

    def __post_init__(self) -> None:
        """Leave rows of earlier versions, which called it 1, without a share of no time."""
        if not self.expected_seconds:
            object.__setattr__(self, "share", None)


class FileKind(StrEnum):
    PLAYLIST = "playlist"
    SLICE = "slice"
    MP4 = "mp4"


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object as a LIST shows it. `etag` without quotes, empty where there is none; `modified_at` None where the
    listing does not say it, or not in a form that can be read."""

    key: str
    size_bytes: int
    etag: str
    modified_at: float | None


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """One file of a recording and who has seen it. `missing`: some witness named it, the bucket does not have it.

    `sha256` is the hex digest of the object's bytes where a look read them all; `checksum` is what the store itself
    keeps, with its name in front (`crc64nvme:…`). An ETag is neither.
    """

    key: str
    kind: FileKind
    size_bytes: int | None = None
    etag: str | None = None
    modified_at: float | None = None
    starts_at: float | None = None
    duration_seconds: float | None = None
    announced: bool = False
    listed: bool = False
    in_playlist: bool = False
    missing: bool = False
    sha256: str | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """A poster and a contact sheet, each a JPEG; together at most 150 KB."""

    poster: bytes = field(repr=False)
    sheet: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one look at the bucket. `files` is the manifest; it and `pictures` are stored in tables of their
    own. `samples`: how many slices were decoded, chosen by `seed`.

    `level` is the one that was reached, `wanted_level` the one that was asked for (None in old reports). A level is
    reached only when everything it promises to open was opened and judged. `rules_version` numbers the rules that
    judged: two reports of the same bytes may differ only where it differs (0 in old reports)."""

    verdict: Verdict
    level: Level
    judged_at: float
    findings: tuple[Finding, ...] = ()
    coverage: Coverage | None = None
    missing: tuple[Missing, ...] = ()
    covered: tuple[Interval, ...] = ()
    paused: tuple[Interval, ...] = ()
    doubled: tuple[Interval, ...] = ()
    drift_seconds: float = 0.0
    files: tuple[JudgedFile, ...] = ()
    requests: int = 0
    bytes_read: int = 0
    cpu_seconds: float = 0.0
    seed: int = 0
    samples: int = 0
    pictures: Pictures | None = None
    wanted_level: Level | None = None
    rules_version: int = 0

    @property
    def warnings(self) -> int:
        return sum(finding.severity is Severity.WARNING for finding in self.findings)


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What the recording's row keeps of its newest report; the whole one is in the reports table under `number`.

    `findings` are the first of them, most severe first, `findings_count` is how many there are."""

    number: int
    verdict: Verdict
    level: Level
    judged_at: float
    warnings: int
    findings: tuple[Finding, ...]
    findings_count: int
    coverage: Coverage | None
    wanted_level: Level | None = None
    rules_version: int = 0


def rules_of(report: Report | ReportSummary) -> int:
    """The number of the rules that judged. Reports that were stored before rules had numbers count as 1."""
    return report.rules_version or 1
