"""The data rates of a page, as far as Chromium's Network domain shows them. WebRTC is not included.

Reports when a page exceeds a limit (event 72, agora-reference §8.5). It does not decide what follows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from emulator.browser.chromium import Tab
from emulator.browser.settings import Limits

# One big file is not a steady stream.
_WINDOW_SECONDS = 5.0


class Traffic:
    """Calls `exceeded` whenever the rate over the last `_WINDOW_SECONDS` is above its limit."""

    def __init__(self, tab: Tab, limits: Limits, exceeded: Callable[[], None]) -> None:
        self._exceeded = exceeded
        self._down, self._up = _Rate(limits.down_mbps), _Rate(limits.up_mbps)
        tab.on("Network.dataReceived", lambda event: self._count(self._down, event["encodedDataLength"]))
        tab.on("Network.webSocketFrameReceived", lambda event: self._count(self._down, _frame(event)))
        tab.on("Network.webSocketFrameSent", lambda event: self._count(self._up, _frame(event)))
        tab.on("Network.requestWillBeSent", lambda event: self._count(self._up, _body(event)))

    def _count(self, rate: _Rate, size: int) -> None:
        if size > 0 and rate.exceeds(size, time.monotonic()):
            self._exceeded()


class _Rate:
    def __init__(self, mbps: float) -> None:
        self._bytes = mbps * 1e6 / 8 * _WINDOW_SECONDS
        self._seen: deque[tuple[float, int]] = deque()
        self._total = 0

    def exceeds(self, size: int, now: float) -> bool:
        self._seen.append((now, size))
        self._total += size
        while self._seen[0][0] < now - _WINDOW_SECONDS:
            self._total -= self._seen.popleft()[1]
        return self._total > self._bytes


def _frame(event: dict[str, Any]) -> int:
    return len(event["response"].get("payloadData", ""))


def _body(event: dict[str, Any]) -> int:
    return sum(len(entry.get("bytes", "")) * 3 // 4 for entry in event["request"].get("postDataEntries", ()))
