"""Measurements of the backlog, for the gauges."""

from dataclasses import dataclass

import sqlalchemy as sa

from service.database.claims import count_overdue
from service.database.ledger import count_overrunning
from service.database.notifications.stored import count_unknown, measure_inbox
from service.database.recordings import count_by_state
from service.operations.accounts.usage import spending
from service.recording import State
from service.settings import Settings

# A task that runs this long after its `stop_at` or hour limit counts as overrunning.
OVERRUN_SECONDS = 300
# An unknown task counts for this long after its last notification, because one arrives each minute while the task runs.
UNKNOWN_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Backlog:
    """The backlog, as the gauges show it."""

    states: dict[State, int]
    overdue: int
    overrunning: int
    unknown: int
    inbox_depth: int
    inbox_oldest_at: float | None
    spent: dict[str, float]
    projected: dict[str, float]


def measure(connection: sa.Connection, settings: Settings, now: float) -> Backlog:
    """Return the backlog at `now`."""
    depth, oldest_at = measure_inbox(connection)
    spent, projected = spending(connection, settings, now)
    return Backlog(
        count_by_state(connection),
        count_overdue(connection, now),
        count_overrunning(connection, now - OVERRUN_SECONDS),
        count_unknown(connection, now - UNKNOWN_SECONDS),
        depth,
        oldest_at,
        spent,
        projected,
    )
