"""Agora's request limit: so many requests in any one second (agora-reference §1.4). Pure but for what it remembers.

For: saying whether one more request is within the limit. It must not wait or answer.
"""

from __future__ import annotations

from collections import deque


class Pace:
    """A sliding second for each app or account. A refused request does not count."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._recent: dict[str, deque[float]] = {}

    def admits(self, name: str, now: float) -> bool:
        """Count a request at `now` (seconds); False when it is above the limit."""
        recent = self._recent.setdefault(name, deque())
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self._per_second:
            return False
        recent.append(now)
        return True
