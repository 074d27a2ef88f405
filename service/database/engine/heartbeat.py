"""Records when a worker was last active on this database, to detect a database that was restored to an older state.

A restored database cannot report this itself, but it has a gap in the activity. A service that was only down for as
long has missed as much, so it is treated in the same way.
"""

from typing import Final

import sqlalchemy as sa

from service.database.tables import deployment

GAP_SECONDS: Final = 60.0
"""Longer than any orderly restart, but shorter than the time in which a start could be forgotten."""

_ROW = sa.select(deployment.c.alive_at, deployment.c.restored_at).with_for_update()


def beat(connection: sa.Connection, now: float, last_at: float | None) -> float | None:
    """Record that a worker is active. `last_at` is the time of its previous call. Return the time since which the tasks
    running at Agora are unknown, or None if they are known."""
    alive_at, restored_at = connection.execute(_ROW).one()
    gap = alive_at is not None and now - alive_at > GAP_SECONDS
    went_back = last_at is not None and (alive_at is None or alive_at < last_at)
    if gap or went_back:
        restored_at = now
    connection.execute(deployment.update().values(alive_at=max(now, alive_at or 0), restored_at=restored_at))
    return float(restored_at) if restored_at is not None else None


def is_restored(connection: sa.Connection) -> bool:
    """Return whether the tasks running at Agora are unknown."""
    return connection.execute(sa.select(deployment.c.restored_at)).scalar_one_or_none() is not None


def end_restore(connection: sa.Connection, restored_at: float) -> None:
    """Record that the running tasks are known, unless the database has been restored again in the meantime."""
    this = deployment.c.restored_at == restored_at
    connection.execute(deployment.update().where(this).values(restored_at=None))
