"""Spreads the reading of whole recordings over time, to leave capacity on a line or at a store for others."""

import time
from collections.abc import Callable

AHEAD_SECONDS = 10.0


class Pace:
    """Limits the rate to `bytes_per_second` over all verifications that share it. None means no limit.

    Bytes are counted after they were read. Reading may be up to `ahead_seconds` ahead of its pace. It then pauses until
    it is on time again, so that a decoder need not be released after every slice.
    """

    def __init__(
        self,
        bytes_per_second: int | None = None,
        *,
        ahead_seconds: float = AHEAD_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bytes_per_second = bytes_per_second
        self._ahead_seconds = ahead_seconds
        self._now = now
        self._on_time_at = float("-inf")

    def took(self, size_bytes: int) -> None:
        """Count bytes that were read."""
        if self._bytes_per_second is not None:
            self._on_time_at = max(self._on_time_at, self._now()) + size_bytes / self._bytes_per_second

    def due_seconds(self) -> float:
        """Return the seconds for which reading must now pause, or 0."""
        ahead = self._on_time_at - self._now()
        return ahead if ahead > self._ahead_seconds else 0.0
