"""Orders an app's base URLs for a call (agora-reference §1.3). Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

AVOID_SECONDS: Final = 30.0


def order_hosts(base_urls: Sequence[str], failed_at: Mapping[str, float], now: float) -> tuple[str, ...]:
    """Return the base URLs to try, best first: in configured order, but those that failed within the last 30 s at the
    end, the oldest failure first."""

    def rank(base_url: str) -> tuple[bool, float]:
        failed = failed_at.get(base_url)
        avoided = failed is not None and now - failed < AVOID_SECONDS
        return (avoided, failed if avoided and failed is not None else 0)

    return tuple(sorted(base_urls, key=rank))
