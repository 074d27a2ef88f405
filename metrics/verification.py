"""Requests to buckets, and the results of verification."""

from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache

from prometheus_client import Counter, Gauge, Histogram

from metrics import REGISTRY

OPERATIONS = ("list", "get", "head", "put")
OUTCOMES = ("ok", "missing", "refused", "unavailable")
VERDICTS = ("verified", "incomplete", "defective", "unreachable")
LEVELS = ("listing", "structure", "content", "bytes", "full")
SEVERITIES = ("error", "warning", "note")
KINDS = ("playlist", "slice", "mp4")
CHANGES = ("vanished", "changed")
MISSING_CLASSES = ("late_start", "ended_early", "failover", "restart", "damaged", "gap")

BUCKET_REQUESTS = Histogram(
    "pagereel_bucket_request_seconds",
    "How long requests to buckets took until their answer was read, by operation and outcome",
    ["operation", "outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
BUCKET_BYTES = Counter(
    "pagereel_bucket_read_bytes_total", "Bytes read from buckets, by operation", ["operation"], registry=REGISTRY
)
TOUCHED = Counter(
    "pagereel_verified_objects_changed_total",
    "Objects of verified recordings that a later look found gone or changed",
    ["change"],
    registry=REGISTRY,
)
BUCKET_CLOCK_SKEW = Gauge(
    "pagereel_bucket_clock_skew_seconds",
    "The clock of the bucket answering last, less our own; beyond 900 s requests are refused",
    registry=REGISTRY,
)
REPORTS = Counter(
    "pagereel_verification_reports_total",
    "Looks at a bucket, by verdict and level",
    ["verdict", "level"],
    registry=REGISTRY,
)
REPORT_DURATION = Histogram(
    "pagereel_verification_seconds",
    "How long one look at a bucket took, waiting between two reads included, by level",
    ["level"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180),
    registry=REGISTRY,
)
FINDINGS = Counter(
    "pagereel_verification_findings_total", "Findings of all looks, by severity", ["severity"], registry=REGISTRY
)
FILES = Counter("pagereel_verification_files_total", "Files judged in all looks, by kind", ["kind"], registry=REGISTRY)
FILES_MISSING = Counter(
    "pagereel_verification_missing_files_total",
    "Files that a witness named and the bucket did not hold, in all looks, by kind",
    ["kind"],
    registry=REGISTRY,
)
OBJECTS = Counter("pagereel_verification_objects_total", "Objects listed for verification", registry=REGISTRY)
REQUESTS = Counter("pagereel_verification_requests_total", "Bucket requests made for verification", registry=REGISTRY)
REPEATS = Counter(
    "pagereel_verification_repeated_requests_total",
    "Bucket requests of verifications that were made again because the bucket did not answer",
    registry=REGISTRY,
)
BYTES = Counter("pagereel_verification_read_bytes_total", "Bytes read from buckets for verification", registry=REGISTRY)
EXPECTED = Counter(
    "pagereel_verification_expected_seconds_total", "Expected media time, summed over all looks", registry=REGISTRY
)
COVERED = Counter(
    "pagereel_verification_covered_seconds_total",
    "Expected media time that was there, summed over all looks",
    registry=REGISTRY,
)
MISSING = Counter(
    "pagereel_verification_missing_seconds_total",
    "Expected media time that was missing, summed over all looks, by class",
    ["class"],
    registry=REGISTRY,
)

for _operation in OPERATIONS:
    BUCKET_BYTES.labels(_operation)
    for _outcome in OUTCOMES:
        BUCKET_REQUESTS.labels(_operation, _outcome)
for _level in LEVELS:
    REPORT_DURATION.labels(_level)
    for _verdict in VERDICTS:
        REPORTS.labels(_verdict, _level)
for _severity in SEVERITIES:
    FINDINGS.labels(_severity)
for _change in CHANGES:
    TOUCHED.labels(_change)
for _kind in KINDS:
    FILES.labels(_kind)
    FILES_MISSING.labels(_kind)
for _class in MISSING_CLASSES:
    MISSING.labels(_class)


_requests = cache(BUCKET_REQUESTS.labels)  # each lookup of labels takes a lock, and there are hundreds per verification
_bytes = cache(BUCKET_BYTES.labels)


def bucket_answered(operation: str, outcome: str, seconds: float) -> None:
    """Record the duration and outcome of one request to a bucket."""
    _requests(operation, outcome).observe(seconds)


def bucket_read(operation: str, size_bytes: int) -> None:
    """Count the bytes of an answer's body."""
    _bytes(operation).inc(size_bytes)


def bucket_dated(date: str | None, now: float) -> None:
    """Set the clock skew from a bucket's `Date` header that arrived at `now`. An invalid date is ignored."""
    instant = _read_date(date or "")
    if instant is not None:
        # The header has whole seconds, so half a second is the best estimate of the truncated part.
        BUCKET_CLOCK_SKEW.set(instant + 0.5 - now)


@lru_cache(maxsize=16)  # a busy store writes the same date into hundreds of answers
def _read_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def report_made(verdict: str, level: str, severities: Iterable[str], seconds: float) -> None:
    """Record one verification with the severity of each of its findings."""
    REPORTS.labels(verdict, level).inc()
    REPORT_DURATION.labels(level).observe(seconds)
    for severity in severities:
        FINDINGS.labels(severity).inc()


def objects_touched(vanished: int, changed: int) -> None:
    """Count the objects that a later verification of a verified recording found missing or changed."""
    TOUCHED.labels("vanished").inc(vanished)
    TOUCHED.labels("changed").inc(changed)


def files_judged(files: Iterable[tuple[str, bool]]) -> None:
    """Count the verified files by kind. Missing files are counted separately."""
    for kind, missing in files:
        (FILES_MISSING if missing else FILES).labels(kind).inc()


def time_judged(expected_seconds: float, covered_seconds: float, missing: Iterable[tuple[str, float]]) -> None:
    """Record the time account of one verification. `missing` contains classes and seconds."""
    EXPECTED.inc(expected_seconds)
    COVERED.inc(covered_seconds)
    for kind, seconds in missing:
        MISSING.labels(kind).inc(seconds)


def bucket_used(objects: int, requests: int, size_bytes: int, repeats: int) -> None:
    """Record the cost of one verification or listing. `repeats` is the number of retried requests."""
    OBJECTS.inc(objects)
    REQUESTS.inc(requests)
    REPEATS.inc(repeats)
    BYTES.inc(size_bytes)
