"""The schedule of retries. Pure.

A message has its own schedule of some three days. A failing endpoint is tried with one message at a time, less and less
often, so that ten thousand waiting messages do not cause ten thousand requests.
"""

from hashlib import blake2b
from typing import Final

STEPS_SECONDS: Final = (
    *(5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0),
    *(43200.0,) * 5,
)
"""Waits after failed tries: 75 hours in all."""

GIVE_UP_SECONDS: Final = 7 * 86400.0
"""A message that has waited this long for an endpoint that never recovered is dead."""

ENDPOINT_MAX_SECONDS: Final = 300.0
RETRY_AFTER_MAX_SECONDS: Final = 86400.0


def message_wait(tries: int, key: str) -> float | None:
    """Return the seconds until the next try after `tries` failed ones; None at the end of the schedule."""
    return STEPS_SECONDS[tries - 1] * _jitter(key, tries) if tries <= len(STEPS_SECONDS) else None


def endpoint_wait(failures: int, key: str) -> float:
    """Return the seconds until the next try of a failing endpoint, after `failures` consecutive failures."""
    return min(2.0 ** min(failures, 16), ENDPOINT_MAX_SECONDS) * _jitter(key, failures)


def _jitter(key: str, number: int) -> float:
    """Return a factor from 1.0 to 1.2 that is always the same for this key and number."""
    digest = blake2b(f"{key}/{number}".encode(), digest_size=4).digest()
    return 1.0 + 0.2 * int.from_bytes(digest) / 2**32
