"""The use cases. Each is one transaction with one `now`; decisions are left to `lifecycle`, I/O to the rooms below.

`Operations` is what callers and Agora may do, `Work` what the worker does. Neither calls Agora or a bucket.
"""

from service.database.notifications import NoticeClaim, Sorted
from service.database.recordings import Listed
from service.operations.adoption import Lost
from service.operations.api import Operations
from service.operations.overtaking import Task
from service.operations.trail import Action, ActionKind
from service.operations.words import (
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
from service.operations.work import Work

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
    "Task",
    "Wish",
    "Work",
]
