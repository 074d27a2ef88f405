"""Recordings: their number by state, their ends, and the two waits that callers notice."""

from prometheus_client import Counter, Gauge, Histogram

from metrics import REGISTRY

STATES = (
    "requested", "starting", "recording", "stopping", "uploading", "verifying", "incomplete",
    "verified", "defective", "unproven", "failed", "cancelled",
)  # fmt: skip
END_REASONS = (
    "stopped", "stop_at", "hour_limit", "paused_too_long", "capability_limit", "page_load_timeout", "page_unreachable",
    "engine_failed", "recorder_error", "ended_by_itself", "storage_refused", "credentials_expiring", "refused",
    "capacity", "agora_unavailable", "limited", "missed", "restored",
)  # fmt: skip
RESOLUTIONS = ("hd", "full_hd")
WARNINGS = (
    "stalled", "pause_too_long", "failover", "upload_error", "page_reloaded", "update_refused", "rtmp_refused",
    "recorder_alive_after_end", "stop_late", "start_late", "length_late", "picture_blank", "picture_error_page",
    "sound_silent", "other",
)  # fmt: skip
ATTENTION = (
    "agora_credentials_refused", "agora_unavailable", "call_not_made", "credentials_not_refreshed",
    "ending_unconfirmed", "limited", "page_not_readable", "picture_blank", "picture_error_page", "recorder_alive",
    "refused", "sid_unknown", "sound_silent", "stalled", "stop_refused", "storage_refused", "storage_unreachable",
    "task_lost", "verification_incomplete", "other",
)  # fmt: skip
# agora-reference §10.8: a recording with more pixels than this is billed as Full HD.
HD_PIXELS = 1280 * 720

_current = Gauge("pagereel_recordings", "Recordings by state, read from the database.", ["state"], registry=REGISTRY)
_requested = Counter("pagereel_recordings_requested_total", "Recordings asked for.", registry=REGISTRY)
_ended = Counter("pagereel_recordings_ended_total", "Recordings that ended, by reason.", ["reason"], registry=REGISTRY)
_concluded = Counter(
    "pagereel_recordings_concluded_total", "Recordings that reached a terminal state.", ["state"], registry=REGISTRY
)
_verified_warned = Counter(
    "pagereel_recordings_verified_with_warnings_total",
    "Recordings that were verified with warnings.",
    registry=REGISTRY,
)
_warned = Counter("pagereel_recording_warnings_total", "Warnings said of recordings.", ["code"], registry=REGISTRY)
_attention = Counter(
    "pagereel_recording_attention_total",
    "Times that a recording began to wait for the outside or a person.",
    ["code"],
    registry=REGISTRY,
)
_progress = Histogram(
    "pagereel_upload_progress_ratio",
    "Uploaded share of the recorded files, as Agora's notifications say it once a minute.",
    buckets=(0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1),
    registry=REGISTRY,
)
_start = Histogram(
    "pagereel_request_to_recording_seconds",
    "From the accepted request (or start_at) to the first proof that it records.",
    buckets=(1, 2, 5, 10, 15, 20, 30, 60, 120, 300),
    registry=REGISTRY,
)
_verdict = Histogram(
    "pagereel_stop_to_verdict_seconds",
    "From the end of the recording to its terminal state, by that state.",
    ["state"],
    buckets=(1, 5, 10, 30, 60, 150, 300, 900, 3600, 21600, 86400, 604800),
    registry=REGISTRY,
)
_recorded = Counter(
    "pagereel_recorded_seconds_total",
    "Seconds that Agora tasks ran, by the resolution class they are billed in.",
    ["resolution"],
    registry=REGISTRY,
)
LIMITS = ("app_max_concurrent", "owner_max_concurrent", "owner_starts_per_minute", "owner_minutes_per_month")
_limited = Counter(
    "pagereel_admission_rejections_total",
    "Requests for a recording that were refused for a limit of the settings.",
    ["limit"],
    registry=REGISTRY,
)
_spent = Gauge(
    "pagereel_month_cost",
    "What this month's recordings cost so far by the settings' prices, read from the database.",
    ["resolution"],
    registry=REGISTRY,
)
_projected = Gauge(
    "pagereel_month_cost_projected",
    "What this month's recordings will cost if everything that runs goes on to its limit, read from the database.",
    ["resolution"],
    registry=REGISTRY,
)
_runaway = Counter(
    "pagereel_overrun_seconds_total",
    "Seconds that Agora tasks ran, and were billed, beyond the end that somebody wanted.",
    registry=REGISTRY,
)
_overrunning = Gauge(
    "pagereel_recorders_overrunning",
    "Agora tasks that still run five minutes after their stop_at or hour limit, read from the database.",
    registry=REGISTRY,
)
_unreadable = Gauge(
    "pagereel_pages_not_readable",
    "Recordings still to start whose page's URL no live sealing key opens, read from the database.",
    registry=REGISTRY,
)
_coverage = Histogram(
    "pagereel_recording_coverage_ratio",
    "Share of the wanted media time that is there, of recordings that were judged to their end.",
    buckets=(0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1),
    registry=REGISTRY,
)
REPAIRS = ("start_unanswered", "end_unannounced", "stop_ignored", "recorder_alive", "files_late")
_repairs = Counter(
    "pagereel_repairs_total",
    "Times that looking at Agora or at the bucket put right what nobody had told, by cause.",
    ["cause"],
    registry=REGISTRY,
)
_restarts = Counter("pagereel_restarts_total", "New attempts made after one ended too early.", registry=REGISTRY)

for _name in STATES:
    _current.labels(_name)
for _name in STATES[-5:]:
    _concluded.labels(_name)
    _verdict.labels(_name)
for _name in REPAIRS:
    _repairs.labels(_name)
for _name in END_REASONS:
    _ended.labels(_name)
for _name in RESOLUTIONS:
    _recorded.labels(_name)
    _spent.labels(_name)
    _projected.labels(_name)
for _name in LIMITS:
    _limited.labels(_name)
for _name in WARNINGS:
    _warned.labels(_name)
for _name in ATTENTION:
    _attention.labels(_name)


def requested() -> None:
    """Count a stored recording."""
    _requested.inc()


def recording_after(seconds: float) -> None:
    """Record the seconds from the request to the start of recording."""
    _start.observe(max(seconds, 0))


def ended(reason: str) -> None:
    """Count the end of a recording by its reason."""
    _ended.labels(reason).inc()


def concluded(state: str, seconds_after_end: float | None) -> None:
    """Count a recording that reached a terminal state, and record the seconds since its end."""
    _concluded.labels(state).inc()
    if seconds_after_end is not None:
        _verdict.labels(state).observe(max(seconds_after_end, 0))


def verified_with_warnings() -> None:
    """Count a recording that was verified with warnings."""
    _verified_warned.inc()


def covered(share: float) -> None:
    """Record the covered share of a recording's expected time after its final verification."""
    _coverage.observe(share)


def repaired(cause: str) -> None:
    """Count a missed event that a query or a verification corrected. `cause` is one of `REPAIRS`."""
    _repairs.labels(cause).inc()


def warned(code: str) -> None:
    """Count a warning about a recording."""
    _warned.labels(code if code in WARNINGS else "other").inc()


def attended(code: str) -> None:
    """Count a recording that began to wait for an outside system or a person."""
    _attention.labels(code if code in ATTENTION else "other").inc()


def progressed(share: float) -> None:
    """Record the uploaded share that Agora reported."""
    _progress.observe(share)


def task_ended(seconds: float, pixels: int) -> None:
    """Record the seconds that an Agora task ran and was billed."""
    _recorded.labels(resolution_of(pixels)).inc(max(seconds, 0))


def ran_on(seconds: float) -> None:
    """Record the seconds that an Agora task ran after its requested end."""
    _runaway.inc(max(seconds, 0))


def resolution_of(pixels: int) -> str:
    """Return the resolution class in which a recording of this size is billed."""
    return "hd" if pixels <= HD_PIXELS else "full_hd"


def limited(limit: str) -> None:
    """Count a request that was refused because of a limit in the settings."""
    _limited.labels(limit).inc()


def spending(spent: dict[str, float], projected: dict[str, float]) -> None:
    """Set this month's cost so far, and the cost if every running task continues to its limit."""
    for resolution in RESOLUTIONS:
        _spent.labels(resolution).set(spent[resolution])
        _projected.labels(resolution).set(projected[resolution])


def restarted() -> None:
    """Count another attempt of a recording."""
    _restarts.inc()


def measured(states: dict[str, int], overrunning: int) -> None:
    """Set the number of recordings in each state and the number of tasks that run beyond their limit."""
    _overrunning.set(overrunning)
    for state, count in states.items():
        _current.labels(state).set(count)


def unreadable(recordings: int) -> None:
    """Set the number of recordings that have yet to start and whose page URL no current key can decrypt."""
    _unreadable.set(recordings)
