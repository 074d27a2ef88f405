"""The words that answers use. A newer service may know more of them; they are passed on as they come."""

from typing import Final, Literal, get_args

AttemptState = Literal["planned", "acquired", "start_sent", "unknown", "running", "stopping", "ended"]
"""Where one Agora task is. From `start_sent` until `ended` it may be alive and billed."""

Blame = Literal["caller", "page", "storage", "agora", "us"]
"""Whose doing an end was."""

Certainty = Literal["certain", "likely", "unknown"]
"""`certain`: somebody who knows said so. `likely`: it fits what was seen. `unknown`: nothing says why."""

EndReason = Literal[
    "stopped",
    "stop_at",
    "hour_limit",
    "paused_too_long",
    "capability_limit",
    "page_load_timeout",
    "page_unreachable",
    "engine_failed",
    "recorder_error",
    "ended_by_itself",
    "storage_refused",
    "credentials_expiring",
    "refused",
    "capacity",
    "agora_unavailable",
    "limited",
    "missed",
    "restored",
]
"""The reason why a recording ended; its `blame` names who is responsible."""

FileKind = Literal["playlist", "slice", "mp4"]
"""What kind of file it is."""

MissingClass = Literal["late_start", "ended_early", "failover", "restart", "damaged", "gap"]
"""Why a stretch of the wanted window has no media. `damaged`: bytes are there, but no player plays them."""

Severity = Literal["error", "warning", "note"]
"""Errors forbid `verified`; warnings are counted; notes only inform."""

Level = Literal["listing", "structure", "content", "bytes", "full"]
"""How deep a verification looked; each level includes the ones before it."""

State = Literal[
    "requested",
    "starting",
    "recording",
    "stopping",
    "uploading",
    "verifying",
    "incomplete",
    "verified",
    "defective",
    "unproven",
    "failed",
    "cancelled",
]
"""The state of a recording. The last five are terminal and never change."""

Verdict = Literal["verified", "incomplete", "defective", "unreachable"]
"""The result of one verification. `unreachable` means that the bucket could not be read."""

ActionKind = Literal[
    "start", "change", "stop", "pause", "resume", "rtmp", "verify", "adopt", "replay", "redrive", "enable"
]
"""What a caller may have done."""

MessageType = Literal[
    "recording.started",
    "recording.paused",
    "recording.resumed",
    "recording.warning",
    "recording.stopped",
    "recording.uploaded",
    "recording.verified",
    "recording.incomplete",
    "recording.defective",
    "recording.unproven",
    "recording.failed",
    "recording.cancelled",
    "recording.changed",
]
"""What a message tells."""


STATES: Final[tuple[State, ...]] = get_args(State)
TERMINAL: Final[frozenset[State]] = frozenset({"verified", "defective", "unproven", "failed", "cancelled"})
"""States that never change."""
