"""What time it is, though somebody sets the machine's clock.

Instants are written into rows that outlive a wrong clock: a lease or a retry an hour ahead would hold up a stop for an
hour. So a step is not followed at once.
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
    """Unix seconds. Where `wall` moves against `carrier`, a clock that nobody can set, by more than two seconds, it is
    followed only when that has lasted for five minutes: whoever set it meant it then. Smaller differences are followed
    at once."""

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
        """Set, not added to: the loop and the database's thread may come to it at once."""
        self._offset = apart
        self._stepped_at = None
