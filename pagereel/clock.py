"""A clock that is robust against changes of the machine's clock.

Timestamps are stored in rows that outlast a wrong clock, so a lease or a retry that is an hour ahead would delay a stop
by an hour. Therefore the clock does not follow a step at once.
"""

import time
from collections.abc import Callable

import structlog

FOLLOWED_SECONDS = 2.0
BELIEVED_AFTER_SECONDS = 300.0

_log = structlog.get_logger(__name__)


def _since_boot() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SteadyClock:
    """Unix seconds. `carrier` is a clock that cannot be set. If `wall` differs from it by more than two seconds, it is
    followed only after five minutes, when the change counts as intended. Smaller differences are followed at once."""

    def __init__(self, wall: Callable[[], float] = time.time, carrier: Callable[[], float] = _since_boot) -> None:
        self._wall = wall
        self._carrier = carrier
        self._offset = wall() - carrier()
        self._stepped_at: float | None = None

    def __call__(self) -> float:
        carried = self._carrier()
        apart = self._wall() - carried
        step = apart - self._offset
        if abs(step) <= FOLLOWED_SECONDS:
            self._follow(apart)
        elif self._stepped_at is None:
            self._stepped_at = carried
            _log.warning("clock_stepped", seconds=round(step, 3), followed_after_seconds=BELIEVED_AFTER_SECONDS)
        elif carried - self._stepped_at >= BELIEVED_AFTER_SECONDS:
            self._follow(apart)
            _log.warning("clock_step_followed", seconds=round(step, 3))
        return carried + self._offset

    def _follow(self, apart: float) -> None:
        """Set the offset instead of adding to it, because the loop and the database's thread may call this
        concurrently."""
        self._offset = apart
        self._stepped_at = None
