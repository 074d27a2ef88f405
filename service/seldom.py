"""A limit on the frequency of repeated log lines."""

import time
from collections.abc import Callable


class Seldom:
    """Allows a line once in `seconds` for each key. The number of keys must be small."""

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._written: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def due(self, key: str = "") -> int | None:
        """Return how many lines were suppressed since the last one, or None if this line is suppressed too."""
        now, last = self._clock(), self._written.get(key)
        if last is not None and now - last < self._seconds:
            self._held[key] = self._held.get(key, 0) + 1
            return None
        self._written[key] = now
        return self._held.pop(key, 0)
