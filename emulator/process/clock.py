"""The emulator's clock: Unix time that never jumps, and the compression of Agora's waiting times.

Only this module reads the time. The clock itself is not compressed, so media and timestamps are always real.
"""

from __future__ import annotations

import asyncio
import time

_LONGEST_WAIT_SECONDS = 60.0


class Clock:
    """Unix seconds that advance with the monotonic clock. `compression` shortens Agora's own durations."""

    def __init__(self, compression: float = 1.0) -> None:
        self.compression = compression
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the current time in Unix seconds."""
        return time.monotonic() + self._offset

    async def wait(self, wake: asyncio.Event, until: float) -> None:
        """Wait until the timestamp `until`, or until `wake` is set, which is then cleared, but at most for a minute."""
        try:
            async with asyncio.timeout(min(max(until - self.now(), 0.0), _LONGEST_WAIT_SECONDS)):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()

    def shrink(self, seconds: float) -> float:
        """Convert one of Agora's durations to real seconds."""
        return seconds / self.compression
