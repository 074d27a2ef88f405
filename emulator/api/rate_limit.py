"""Agora's limit of requests per second (agora-reference §1.4).

Decides whether one more request is within the limit. It does not wait or answer, and keeps only recent request times.
"""

from __future__ import annotations

from collections import deque


class Pace:
    """A sliding window of one second for each app or account. A refused request does not count."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._recent: dict[str, deque[float]] = {}

    def admits(self, name: str, now: float) -> bool:
        """Count a request at `now` (seconds). If it exceeds the limit, do not count it and return False."""
        recent = self._recent.setdefault(name, deque())
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self._per_second:
            return False
        recent.append(now)
        return True
