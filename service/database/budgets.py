"""The shared budget of calls to Agora. All replicas use one row per rate group.

The caller provides the arithmetic (GCRA) as a pure function of the stored theoretical arrival time.
"""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from service.database.recordings import upsert
from service.database.tables import budgets

T = TypeVar("T")

# These statements are built once, like those of claims.
_LOAD = sa.select(budgets.c.tat).where(budgets.c.rate_group == sa.bindparam("of")).with_for_update()
_SAVE = budgets.update().where(budgets.c.rate_group == sa.bindparam("of")).values(tat=sa.bindparam("new"))


def take(connection: sa.Connection, rate_group: str, decide: Callable[[float], tuple[float, T]]) -> T:
    """Replace the group's theoretical arrival time (initially 0) by the first result of `decide`. Return its second
    result. The row is locked against other processes, so keep the transaction short."""
    tat = connection.execute(_LOAD, {"of": rate_group}).scalar_one_or_none()
    if tat is None:
        begin = upsert(connection, budgets).values(rate_group=rate_group, tat=0).on_conflict_do_nothing()
        connection.execute(begin)
        tat = connection.execute(_LOAD, {"of": rate_group}).scalar_one()
    new, result = decide(tat)
    if new != tat:
        connection.execute(_SAVE, {"of": rate_group, "new": new})
    return result
