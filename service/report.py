"""The model of a verification's results: files, findings, coverage, verdict.

Pure data, immutable. A timestamp is a `float` of Unix seconds and its name ends in `_at`; names of durations end in
`_seconds`, and of sizes in `_bytes`. A report contains no secret. It contains object keys, but never a URL.
"""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval from `from_at` to `to_at`. If `to_at` is None, the interval is still open."""

    from_at: float
    to_at: float | None


class Level(StrEnum):
    """The depth of a verification; each level includes the ones before it."""

    LISTING = "listing"
    STRUCTURE = "structure"
    CONTENT = "content"
    BYTES = "bytes"
    FULL = "full"

    def reaches(self, other: "Level") -> bool:
        """Return whether this level includes everything that `other` checks."""
        return _ORDER[self] >= _ORDER[other]


_ORDER = {level: number for number, level in enumerate(Level)}


class Verdict(StrEnum):
    """The result of one verification. `unreachable` means that the bucket could not be read."""

    VERIFIED = "verified"
    INCOMPLETE = "incomplete"
    DEFECTIVE = "defective"
    UNREACHABLE = "unreachable"


class Because(StrEnum):
    """Why a later report differs from the previous one. `BYTES`: objects are missing, new or changed. `RULES`: no
    object changed, but other rules were applied. `LEVEL`: no object changed, but another level was reached. `UNKNOWN`:
    both or neither, for example because other samples were taken."""

    BYTES = "bytes"
    RULES = "rules"
    LEVEL = "level"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """An error prevents `verified`, a warning is counted, and a note only informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class MissingClass(StrEnum):
    """The reason for wanted time without media. `damaged`: the bytes exist, but no player can play them."""

    LATE_START = "late_start"
    ENDED_EARLY = "ended_early"
    FAILOVER = "failover"
    RESTART = "restart"
    DAMAGED = "damaged"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of the requested window without media. `explained` time does not count against the allowance."""

    kind: MissingClass
    from_at: float
    to_at: float
    explained: bool

    @property
    def seconds(self) -> float:
        return self.to_at - self.from_at


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a verification. `code` is stable and documented; `object` is a key; `text` is a sentence for
    people."""

    code: str
    severity: Severity
    text: str
    object: str | None = None
    interval: Interval | None = None
    evidence: dict[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage in seconds. `expected` is the requested window less pauses. `share` is covered ÷ expected, at most
    1, or None if nothing is expected."""

    window: Interval
    expected_seconds: float
    covered_seconds: float
    paused_seconds: float
    missing_seconds: float
    unexplained_seconds: float
    allowed_seconds: float
    share: float | None

    def __post_init__(self) -> None:
        """Remove the share of rows from earlier versions, which stored 1 if nothing was expected."""
        if not self.expected_seconds:
            object.__setattr__(self, "share", None)


class FileKind(StrEnum):
    PLAYLIST = "playlist"
    SLICE = "slice"
    MP4 = "mp4"


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of a LIST. `etag` has no quotes and is empty if absent. `modified_at` is None if the listing does not
    contain it in a readable form."""

    key: str
    size_bytes: int
    etag: str
    modified_at: float | None


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """One file of a recording and the witnesses that named it. `missing` is true if a witness named the file but the
    bucket does not contain it.

    `sha256` is the hex digest of the object's bytes if a verification read them all. `checksum` is the store's own,
    prefixed with its name (`crc64nvme:…`). An ETag is neither.
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
    """A poster and a contact sheet, each a JPEG. Together they have at most 150 KB."""

    poster: bytes = field(repr=False)
    sheet: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one verification. `files` is the manifest. `files` and `pictures` are stored in separate tables.
    `samples` is the number of decoded slices, chosen by `seed`.

    `level` is the level reached, and `wanted_level` the level requested (None in old reports). A level is reached only
    if everything it covers was opened and checked. `rules_version` numbers the rules. Two reports of the same bytes may
    differ only if their rules versions differ (0 in old reports).
    """

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
    """The part of the newest report that the recording's row contains. The whole report is in the reports table under
    `number`. `findings` contains the most severe findings, and `findings_count` is the number of all findings."""

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
    """Return the version of the rules of a report. Reports stored before rules had versions count as 1."""
    return report.rules_version or 1
