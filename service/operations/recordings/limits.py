"""Limits on concurrent recordings and usage, checked at the request and again before each task.

The second check is decisive: a planned start or a restart may come long after the admission. A recording that meets a
limit then waits until its start deadline.
"""

import math

import sqlalchemy as sa

from service.database.ledger import count_active, count_requested, hold_starts, sum_used
from service.errors import Code, ServiceError
from service.operations.accounts.months import month_of
from service.recording import Recording, State
from service.settings import OwnerLimits, Settings

MINUTE = 60
# The retry delay while the limit of concurrent recordings is reached. The ends of the recordings are not known in
# advance.
TURN_SECONDS = 30


def check_limits(connection: sa.Connection, settings: Settings, recording: Recording, now: float) -> None:
    """Raise `ServiceError` (limited), with the limit's name as detail, if this new recording would exceed a limit.

    A recording planned for later is counted when its start is due.
    """
    own, most_of_app = _limits(settings, recording)
    if own == OwnerLimits() and most_of_app is None:
        return
    hold_starts(connection)
    if own.starts_per_minute is not None:
        count, first_at = count_requested(connection, recording.owner, now - MINUTE)
        if count >= own.starts_per_minute:
            wait = (first_at or now) + MINUTE - now
            raise _limited("owner_starts_per_minute", f"{own.starts_per_minute} starts a minute", wait)
    if own.minutes_per_month is not None and _used_up(connection, recording.owner, own.minutes_per_month, now):
        wait = month_of(now)[1] - now
        raise _limited("owner_minutes_per_month", f"{own.minutes_per_month:.15g} minutes a month", wait)
    later = recording.start_at is not None and recording.start_at - recording.policy.lead_seconds > now
    full = None if later else _full(connection, settings, recording, due_by=now)
    if full is not None:
        most = most_of_app if full == "app_max_concurrent" else own.max_concurrent
        raise _limited(full, f"{most} recordings at a time", TURN_SECONDS)


def limit_reached(connection: sa.Connection, settings: Settings, recording: Recording, now: float) -> str | None:
    """Return the limit that prevents this recording's next task now, or None."""
    own, most_of_app = _limits(settings, recording)
    if own == OwnerLimits() and most_of_app is None:
        return None
    hold_starts(connection)
    if own.minutes_per_month is not None and _used_up(connection, recording.owner, own.minutes_per_month, now):
        return "owner_minutes_per_month"
    return _full(connection, settings, recording)


def _limits(settings: Settings, recording: Recording) -> tuple[OwnerLimits, int | None]:
    app = settings.apps.get(recording.app)
    return settings.owner_limits(recording.owner), None if app is None else app.max_concurrent


def _full(
    connection: sa.Connection, settings: Settings, recording: Recording, due_by: float | None = None
) -> str | None:
    """Return the limit of concurrent recordings that leaves no place for this recording."""
    own, most_of_app = _limits(settings, recording)
    itself = 1 if recording.state is State.STARTING else 0  # a restart is already counted
    if most_of_app is not None:
        active = count_active(connection, app=recording.app, due_by=due_by)
        if active - itself >= most_of_app:
            return "app_max_concurrent"
    if own.max_concurrent is not None:
        active = count_active(connection, owner=recording.owner, due_by=due_by)
        if active - itself >= own.max_concurrent:
            return "owner_max_concurrent"
    return None


def _used_up(connection: sa.Connection, owner: str, minutes: float, now: float) -> bool:
    used = sum_used(connection, *month_of(now), now, owner=owner)
    return sum(row.seconds for row in used) >= minutes * MINUTE


def _limited(limit: str, most: str, wait_seconds: float) -> ServiceError:
    message = f"the limit {limit} is reached: {most}"
    return ServiceError(Code.LIMITED, message, detail=limit, retry_after_seconds=math.ceil(max(wait_seconds, 1)))
