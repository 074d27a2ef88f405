"""The request budget as a pure rule: GCRA, in which a more urgent call is eligible slightly earlier.

The state of a rate group is one instant, which can be a database row shared by all replicas. No I/O, no clock.
"""

from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """The order of calls when the budget is short; a query overdue by more than a period precedes a start."""

    STOP = 0
    UPDATE = 1
    OVERDUE_QUERY = 2
    START = 3
    QUERY = 4


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` on average, `burst` at once."""

    per_second: float = 8
    burst: int = 2


def take(state_at: float, now: float, priority: Priority, rate: Rate) -> tuple[float, float]:
    """Request one call and return (new state, seconds to wait).

    `state_at` is the theoretical arrival time of the next call (any past instant in the beginning). With a wait of 0
    the call is granted and the new state must be stored; otherwise nothing was reserved and the request must be
    repeated after the wait. A less urgent call becomes eligible up to 0.8 intervals later, so that a more urgent one
    waiting for the same place takes it first; with a burst of 2 or more this costs no throughput.
    """
    interval = 1 / rate.per_second
    eligible_at = state_at - (rate.burst - 1) * interval + priority * interval / len(Priority)
    if now < eligible_at:
        return state_at, eligible_at - now
    return max(state_at, now) + interval, 0.0
