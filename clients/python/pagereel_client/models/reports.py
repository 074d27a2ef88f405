"""What looks at the bucket found: reports, findings, coverage and files."""

from dataclasses import dataclass
from datetime import datetime

from pagereel_client.words import FileKind, Level, MissingClass, Severity, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """`to_at` null: not yet over."""

    from_at: datetime
    to_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The time account. `expected` = wanted window less pauses; `share` = covered ÷ expected, ≤ 1; null for none."""

    window: Interval
    expected_seconds: float
    covered_seconds: float
    paused_seconds: float
    missing_seconds: float
    unexplained_seconds: float
    allowed_seconds: float
    share: float | None


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
