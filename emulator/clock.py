"""The emulator's clock: Unix time that never jumps, and the compression of Agora's waiting times.

For: one place that reads the time. It must not be compressed itself: media and instants are always real.
"""

from __future__ import annotations

import time


class Clock:
    """Unix seconds that advance with the monotonic clock; `compression` shortens Agora's own lengths."""

    def __init__(self, compression: float = 1.0) -> None:
        self.compression = compression
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return time.monotonic() + self._offset

    def shrink(self, seconds: float) -> float:
        """A length of Agora's side in real seconds."""
        return seconds / self.compression
