"""The shared budget of calls to Agora: one row for each rate group, taken from by all replicas.

The arithmetic (GCRA) is the caller's: a pure function of the stored theoretical arrival time.
"""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from service.database.recordings import upsert
from service.database.tables import budgets

T = TypeVar("T")


def take(connection: sa.Connection, rate_group: str, decide: Callable[[float], tuple[float, T]]) -> T:
    """Replace the group's theoretical arrival time (0 at first) by what `decide` makes of it; returns the rest of what
    `decide` says. No other process can take in between, so keep the transaction short."""
    connection.execute(upsert(connection, budgets).values(rate_group=rate_group, tat=0).on_conflict_do_nothing())
    this = budgets.c.rate_group == rate_group
    tat = connection.execute(sa.select(budgets.c.tat).where(this).with_for_update()).scalar_one()
    new, result = decide(tat)
    if new != tat:
        connection.execute(budgets.update().where(this).values(tat=new))
    return result
