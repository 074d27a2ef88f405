"""When a worker last worked on this database, and whether the database may have been put back to an older state.

A restored database cannot say so itself; that nobody has worked on it for a while can be seen. Whoever was merely down
for so long has missed as much.
"""

from typing import Final

import sqlalchemy as sa

from service.database.tables import deployment

GAP_SECONDS: Final = 60.0
"""Longer than any orderly restart, shorter than what a start needs to be forgotten."""

_ROW = sa.select(deployment.c.alive_at, deployment.c.restored_at).with_for_update()


def beat(connection: sa.Connection, now: float, last_at: float | None) -> float | None:
    """Say that a worker works; `last_at`: when this one said so before. Gives since when it is not known what runs at
    Agora, None where it is known."""
    alive_at, restored_at = connection.execute(_ROW).one()
    gap = alive_at is not None and now - alive_at > GAP_SECONDS
    went_back = last_at is not None and (alive_at is None or alive_at < last_at)
    if gap or went_back:
        restored_at = now
    connection.execute(deployment.update().values(alive_at=max(now, alive_at or 0), restored_at=restored_at))
    return float(restored_at) if restored_at is not None else None


def is_restored(connection: sa.Connection) -> bool:
    """Whether it is not known what runs at Agora."""
    return connection.execute(sa.select(deployment.c.restored_at)).scalar_one_or_none() is not None


def end_restore(connection: sa.Connection, restored_at: float) -> None:
    """It is known again, unless the database was put back once more meanwhile."""
    this = deployment.c.restored_at == restored_at
    connection.execute(deployment.update().where(this).values(restored_at=None))
