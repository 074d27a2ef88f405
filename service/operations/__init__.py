"""The use cases of callers and of Agora's notifications. Each is one transaction with one `now`.

Decisions are left to `lifecycle`, I/O to lower packages. `Operations` is the entry point; it calls neither Agora nor a
bucket.
"""

from service.database.notifications.stored import NoticeClaim, Sorted
from service.database.recordings import Listed
from service.operations.api import Operations
from service.operations.recordings.adoption import Lost
from service.operations.trail import Action, ActionKind
from service.operations.types import (
    MOST_COUNTED,
    NEEDS_REVIEW,
    UNDER_WAY,
    Answer,
    Caller,
    Counts,
    FileEntry,
    HistoryEntry,
    Idempotency,
    Page,
    RecordingFilter,
    Scope,
    StoredNotice,
    Wish,
)

__all__ = [
    "MOST_COUNTED",
    "NEEDS_REVIEW",
    "UNDER_WAY",
    "Action",
    "ActionKind",
    "Answer",
    "Caller",
    "Counts",
    "FileEntry",
    "HistoryEntry",
    "Idempotency",
    "Listed",
    "Lost",
    "NoticeClaim",
    "Operations",
    "Page",
    "RecordingFilter",
    "Scope",
    "Sorted",
    "StoredNotice",
    "Wish",
]
