"""When a message that did not get through is sent again. Pure.

Two rhythms: a message has its schedule of some three days; an endpoint that fails is asked with one message at a time,
less and less often, so that ten thousand waiting messages do not knock ten thousand times.
"""

from hashlib import blake2b
from typing import Final

STEPS_SECONDS: Final = (
    *(5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0),
    *(43200.0,) * 5,
)
"""Waits after failed tries: 75 hours in all."""

GIVE_UP_SECONDS: Final = 7 * 86400.0
"""What waited so long without its turn, at an endpoint that was never back, is given up."""

ENDPOINT_MAX_SECONDS: Final = 300.0
RETRY_AFTER_MAX_SECONDS: Final = 86400.0


def message_wait(tries: int, key: str) -> float | None:
    """Seconds until the next try after `tries` failed ones; None: the schedule is at its end."""
    return STEPS_SECONDS[tries - 1] * _jitter(key, tries) if tries <= len(STEPS_SECONDS) else None


def endpoint_wait(failures: int, key: str) -> float:
    """Seconds until a failing endpoint is asked again, after `failures` failures in a row."""
    return min(2.0 ** min(failures, 16), ENDPOINT_MAX_SECONDS) * _jitter(key, failures)


def _jitter(key: str, number: int) -> float:
    """1.0 to 1.2, the same for the same try."""
    digest = blake2b(f"{key}/{number}".encode(), digest_size=4).digest()
    return 1.0 + 0.2 * int.from_bytes(digest) / 2**32
